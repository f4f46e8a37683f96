"""A certificate authority for receivers that speak TLS on this machine."""

import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """`pem` is the authority's certificate; `server` is the TLS context of a server at `host`, with
    a certificate that the authority signed."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_name, leaf_name = _name("FireLater test authority"), _name(host)
        root = _unsigned(root_name, root_name, key)
        for extension in (x509.BasicConstraints(ca=True, path_length=None), _SIGNS):
            root = root.add_extension(extension, critical=True)
        subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        root = root.add_extension(subject, critical=False)
        leaf = _unsigned(leaf_name, root_name, leaf_key)
        names = x509.SubjectAlternativeName([_alternative(host)])
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        leaf = leaf.add_extension(names, critical=False).add_extension(by, critical=False)
        self.pem = _pem(root.sign(key, hashes.SHA256()))
        self.server = _context(_pem(leaf.sign(key, hashes.SHA256())), leaf_key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _context(certificate: str, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """The TLS context of a server, loaded through a file, as Python's ssl takes a chain only so."""
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "leaf.pem")
        path.write_text(certificate + secret.decode())
        context.load_cert_chain(path)
    return context
