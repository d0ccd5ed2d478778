"""How each provider is made for tests, and on what: a real token, moto, a fake server. One line each in `FACTORIES`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import boto3
from moto import mock_aws

from tests.contract.kms_fake import StricterKms
from tests.contract.opaque_provider import OpaqueProvider
from tests.contract.softhsm import PIN, soft_hsm
from tests.contract.transit_server import transit_server
from tests.support.passwords import FLOOR
from vault.keys import FileProvider, Provider
from vault.keys.awskms import AwsKmsProvider
from vault.keys.passphrase import PassphraseProvider
from vault.keys.pkcs11 import Pkcs11Provider
from vault.keys.transit import TransitAddress, TransitProvider

INSTANCE = str(uuid.uuid4())
PASSPHRASE = "lantern gravel ninefold otter"
REGION = "eu-west-1"

# Made once: reading its models takes boto3 half a second.
BOTO3 = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


def kms_client(stack: ExitStack) -> StricterKms:
    """moto's KMS with nothing in it, under the fake that adds AWS's refusals."""
    stack.enter_context(mock_aws())
    return StricterKms(BOTO3.client("kms"))


def _file(stack: ExitStack, folder: Path) -> Provider:
    return FileProvider.create(folder / "keys" / "master.json", INSTANCE)


def _passphrase(stack: ExitStack, folder: Path) -> Provider:
    # At the lowest cost that the provider accepts; one test elsewhere pays the true one.
    return PassphraseProvider.create(folder / "keys" / "master.passphrase.json", INSTANCE, PASSPHRASE, FLOOR)


def _awskms(stack: ExitStack, folder: Path) -> Provider:
    client = kms_client(stack)
    return AwsKmsProvider(lambda: client, INSTANCE)


def _pkcs11(stack: ExitStack, folder: Path) -> Provider:
    token = stack.enter_context(soft_hsm(folder / "softhsm"))
    return Pkcs11Provider(token.module, token.label, PIN, INSTANCE)


def _transit(stack: ExitStack, folder: Path) -> Provider:
    server = stack.enter_context(transit_server(folder / "transit"))
    return TransitProvider(TransitAddress(server.url, lambda: server.token, ca_file=server.ca_file))


FACTORIES: dict[str, Callable[[ExitStack, Path], Provider]] = {
    "file": _file,
    "passphrase": _passphrase,
    "awskms": _awskms,
    "pkcs11": _pkcs11,
    "transit": _transit,
    "opaque": lambda *_: OpaqueProvider(),
}
