"""Translate every error by which no answer comes into one classified failure."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from egress.guard import Refused


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Raise as DeliveryFailed what the guard, aiohttp or the sockets raise within.

    Details name the host, its addresses and the reason only: the rest of a URL can be a secret. If
    no connection came about, nothing was sent; if one breaks, the request may have taken effect.
    """
    try:
        yield
    except Refused as refused:
        raise _failed(FailureClass.BLOCKED, f"{host}: {refused}") from None
    except aiohttp.ConnectionTimeoutError:
        detail = f"{host}: no connection in time"
        raise _failed(FailureClass.TRANSIENT, detail, timed_out=True) from None
    except (ssl.SSLError, ssl.CertificateError, aiohttp.ClientSSLError) as error:
        raise _failed(FailureClass.TRANSIENT, f"{host}: {_tls(error)}") from None
    except aiohttp.ClientConnectorDNSError as error:
        detail = f"{host}: the name has no address: {error.os_error.strerror}"
        timed_out = isinstance(error.os_error, TimeoutError)
        raise _failed(FailureClass.TRANSIENT, detail, timed_out=timed_out) from None
    except aiohttp.ClientConnectorError as error:
        cause = error.os_error
        why = cause.strerror or str(cause) or type(cause).__name__
        raise _failed(FailureClass.TRANSIENT, f"{host}: no connection: {why}") from None
    except TimeoutError:
        detail = f"{host}: no answer in time"
        raise _failed(FailureClass.TRANSIENT, detail, sent=True, timed_out=True) from None
    except (aiohttp.ClientError, OSError) as error:
        detail = f"{host}: the connection broke ({type(error).__name__})"
        raise _failed(FailureClass.TRANSIENT, detail, sent=True) from None


def _tls(error: Exception) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {inner.verify_message}"
    return f"no certificate was shown, TLS failed: {getattr(inner, 'reason', None) or inner}"


def _failed(
    kind: FailureClass, detail: str, *, sent: bool = False, timed_out: bool = False
) -> DeliveryFailed:
    return DeliveryFailed(Failure(kind, detail, maybe_sent=sent, timed_out=timed_out))
