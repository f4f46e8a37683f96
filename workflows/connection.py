"""How API and workers connect to Temporal."""

import dataclasses
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes

from domain.keyring import Keyring
from workflows.codec import EncryptionCodec


def data_converter(keyring_file: Path | None) -> DataConverter:
    """Payloads in plain JSON, or encrypted with the first key of the ring if one is given."""
    if keyring_file is None:
        return pydantic_data_converter
    keyring = Keyring.parse(keyring_file.read_text(), keyring_file.name)
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=EncryptionCodec(keyring),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def connect(address: str, namespace: str, keyring_file: Path | None = None) -> Client:
    """A connected client. Raises RuntimeError if the server cannot be reached."""
    return await Client.connect(
        address, namespace=namespace, data_converter=data_converter(keyring_file)
    )
