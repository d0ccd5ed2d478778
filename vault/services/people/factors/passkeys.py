"""Passkeys (WebAuthn Level 3), checked by py_webauthn: as a second factor, or for a login with a passkey alone.

The library leaves these checks to its caller: a challenge is used once (`challenges.py`), the origin is the one in the
settings, a page in a foreign frame is refused, the user handle belongs to the credential's owner, and the counter is
changed by compare-and-swap.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vault.errors import BadSecondFactor, Conflict, InvalidInput
from vault.model.clock import Clock
from vault.model.json_types import Json
from vault.services.environments.documents import Document, read_document
from vault.services.own.credentials import opened, sealed
from vault.services.own.instance import Instance
from vault.services.people.factors.kinds import FactorKind
from vault.storage import ColumnValues, Credential, UnitOfWork, User

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

if TYPE_CHECKING:
    from webauthn.authentication.verify_authentication_response import VerifiedAuthentication

RP_NAME = "Strongroom"
TIMEOUT_MILLISECONDS = 5 * 60 * 1000
CREDENTIAL_ID_MAX_BYTES = 1023
"""The limit of WebAuthn, section 7.1, step 25."""

_LOOKUP = "passkey"


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that has just been made, as it is stored."""

    credential_id: bytes
    public_key: bytes = field(repr=False)
    counter: int


class Passkeys:
    """Passkeys of all people."""

    def __init__(self, instance: Instance, clock: Clock, *, origin: str, host: str) -> None:
        """`origin` is the address of this vault for browsers, and `host` is the host name in it."""
        self._origin = origin
        self._host = host
        self._instance = instance
        self._clock = clock

    # Import py_webauthn inside functions: it takes 100 ms, and commands on the host do not need it.

    # -- Making one --

    def creation_options(self, unit: UnitOfWork, user: User, random: bytes) -> Document:
        """Return the JSON for `navigator.credentials.create`. Raises `Conflict` if browsers would refuse it."""
        from webauthn import generate_registration_options
        from webauthn.helpers import options_to_json
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        options = generate_registration_options(
            rp_id=self._rp_id(),
            rp_name=RP_NAME,
            user_name=user.name,
            user_id=_handle(user.id),
            challenge=random,
            timeout=TIMEOUT_MILLISECONDS,
            # Accept a security key without storage or PIN: it is good enough as a second factor.
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=self._descriptors(unit, user.id),
        )
        return _as_browsers_read(options_to_json(options))

    def check_new(self, credential: Mapping[str, Json], random: bytes) -> NewPasskey:
        """Return the passkey that a browser has made. Raises `InvalidInput`."""
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_registration_credential_json

        try:
            parsed = parse_registration_credential_json(dict(credential))
            _refuse_foreign_frame(parsed.response.client_data_json)
            found = verify_registration_response(
                credential=parsed,
                expected_challenge=random,
                expected_rp_id=self._rp_id(),
                expected_origin=self._origin,
            )
        except Conflict:
            raise
        except Exception as error:
            # The library parses untrusted input, and may raise exceptions other than its own.
            raise InvalidInput("This is not a new passkey for this vault. Start again.", path="passkey") from error
        if not 0 < len(found.credential_id) <= CREDENTIAL_ID_MAX_BYTES:
            raise InvalidInput("The passkey's id is too long.", path="passkey")
        return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)

    def columns(self, user_id: str, row_id: str, new: NewPasskey) -> ColumnValues:
        """Return the sealed columns of a new row, with the digest to find it by."""
        plain = {"v": 1, "id": _text(new.credential_id), "public_key": _text(new.public_key)}
        columns = sealed(self._instance, FactorKind.PASSKEY, user_id, row_id, json.dumps(plain).encode())
        return {**columns, "lookup": self._digest(new.credential_id), "counter": new.counter}

    def is_known(self, unit: UnitOfWork, new: NewPasskey) -> bool:
        """Report whether somebody already has this passkey."""
        return unit.credentials.by_lookup(self._digests(new.credential_id)) is not None

    # -- Using one --

    def request_options(self, unit: UnitOfWork, user_id: str, random: bytes, *, alone: bool) -> Document:
        """Return the JSON for `navigator.credentials.get`, without a list of credentials if the person is unknown."""
        from webauthn import generate_authentication_options
        from webauthn.helpers import options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        options = generate_authentication_options(
            rp_id=self._rp_id(),
            challenge=random,
            timeout=TIMEOUT_MILLISECONDS,
            allow_credentials=self._descriptors(unit, user_id) if user_id else None,
            user_verification=UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED,
        )
        return _as_browsers_read(options_to_json(options))

    def said_owner(self, unit: UnitOfWork, assertion: Mapping[str, Json]) -> str | None:
        """Return the owner of the passkey that an assertion names, or None. Nothing is verified: `use` does that."""
        row = self._row(unit, assertion)
        return str(row.user_id) if row else None

    def use(
        self,
        unit: UnitOfWork,
        user: User,
        assertion: Mapping[str, Json],
        random: bytes,
        *,
        alone: bool,
        discovered: bool = False,
    ) -> None:
        """Verify an assertion of one of the user's passkeys, in a transaction that has locked the user.

        `alone`: nothing else was proven, so the device must have verified the person. `discovered`: the person was
        unknown, so the device must say whose passkey it is. Raises `BadSecondFactor`.
        """
        row = self._row(unit, assertion)
        if row is None or row.user_id != user.id:
            raise BadSecondFactor()
        stored = read_document(opened(self._instance, FactorKind.PASSKEY, user.id, row))
        handle, found = self._verified(assertion, random, _bytes(stored["public_key"]), row.counter, alone=alone)
        is_owner = handle == _handle(user.id) if handle or discovered else True
        if found.credential_id != _bytes(stored["id"]) or not is_owner:
            raise BadSecondFactor()
        lookup = self._digest(found.credential_id)
        unit.credentials.change(row, counter=found.new_sign_count, used_us=self._clock(), lookup=lookup)

    def _verified(
        self, assertion: Mapping[str, Json], random: bytes, public_key: bytes, counter: int, *, alone: bool
    ) -> tuple[bytes | None, VerifiedAuthentication]:
        """Return the verified assertion and its user handle, which may be missing."""
        from webauthn import verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json

        try:
            parsed = parse_authentication_credential_json(dict(assertion))
            _refuse_foreign_frame(parsed.response.client_data_json)
            found = verify_authentication_response(
                credential=parsed,
                expected_challenge=random,
                expected_rp_id=self._rp_id(),
                expected_origin=self._origin,
                credential_public_key=public_key,
                credential_current_sign_count=counter,
                require_user_verification=alone,
            )
        except Exception as error:
            # The library may raise exceptions other than its own.
            raise BadSecondFactor() from error
        return parsed.response.user_handle, found

    # -- A new digest key --

    def look_up_anew(self, unit: UnitOfWork, row: Credential) -> bool:
        """Change a row's digest to the active key. Reports whether it was another. For a reseal."""
        stored = read_document(opened(self._instance, FactorKind.PASSKEY, row.user_id, row))
        lookup = self._digest(_bytes(stored["id"]))
        if lookup == row.lookup:
            return False
        unit.credentials.change(row, lookup=lookup)
        return True

    def _row(self, unit: UnitOfWork, assertion: Mapping[str, Json]) -> Credential | None:
        try:
            credential_id = _bytes(str(assertion["id"]))
        except (KeyError, ValueError):
            return None
        row = unit.credentials.by_lookup(self._digests(credential_id))
        return row if row is not None and row.kind == FactorKind.PASSKEY else None

    def _descriptors(self, unit: UnitOfWork, user_id: str) -> list[PublicKeyCredentialDescriptor]:
        from webauthn.helpers.structs import PublicKeyCredentialDescriptor

        rows = unit.credentials.of_user(user_id, FactorKind.PASSKEY)
        blobs = [read_document(opened(self._instance, FactorKind.PASSKEY, user_id, row)) for row in rows]
        return [PublicKeyCredentialDescriptor(id=_bytes(stored["id"])) for stored in blobs]

    def _rp_id(self) -> str:
        try:
            ipaddress.ip_address(self._host)
        except ValueError:
            return self._host
        raise Conflict(
            "Passkeys need a host name, but STRONGROOM_PUBLIC_URL has an IP address. Ask the vault's operator."
        )

    def _digest(self, credential_id: bytes) -> bytes:
        return self._instance.digest(_LOOKUP, credential_id)

    def _digests(self, credential_id: bytes) -> list[bytes]:
        return self._instance.digests(_LOOKUP, credential_id)


def _handle(user_id: str) -> bytes:
    """Return the user handle that a device stores. It is random like every id, and not a name (WebAuthn, section
    14.6.1).
    """
    return uuid.UUID(user_id).bytes


def _refuse_foreign_frame(client_data: bytes) -> None:
    # py_webauthn reads this member but does not check it (WebAuthn, section 7.2, step 14).
    if json.loads(client_data).get("crossOrigin"):
        raise ValueError("crossOrigin")


def _as_browsers_read(options: str) -> Document:
    found: Document = json.loads(options)
    return found


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
