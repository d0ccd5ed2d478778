"""The table of statuses, and what the pages and the Vault face make of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vault import errors
from vault.errors import StrongroomError
from vault.http import status_of
from vault.kv import problems as kv
from vault.web.frame import problems as web

BARE_500 = {
    "StrongroomError", "SettingsError", "IntegrityError", "BlobError", "SignatureError", "MacError", "KeyProviderError",
    "KeyringError", "StorageError", "BackupError", "ErasedListError", "TransportError", "ServerError",
}  # fmt: skip
"""Errors that tell the caller nothing: the server's own trouble, and errors of the SDK and of operators' commands."""


def classes(root: type[StrongroomError] = StrongroomError) -> Iterator[type[StrongroomError]]:
    yield root
    for kind in root.__subclasses__():
        yield from classes(kind)


def of(kind: type[StrongroomError]) -> StrongroomError:
    return kind.__new__(kind)


def test_every_error_has_a_status_or_is_meant_to_be_a_bare_500() -> None:
    ours = [kind for kind in classes() if kind.__module__.startswith(f"{errors.__name__}.")]
    found = {kind.__name__ for kind in ours if status_of(of(kind)) == 500}
    assert found == BARE_500


@pytest.mark.parametrize(
    ("kind", "api", "page", "vault"),
    [
        (errors.InvalidInput, 422, 422, 400),
        (errors.BadJson, 400, 422, 400),
        (errors.FormatError, 422, 422, 400),
        (errors.TooLarge, 413, 413, 413),
        (errors.NotAuthenticated, 401, 401, 403),
        (errors.BadLogin, 401, 401, 400),
        (errors.SecondFactorRequired, 401, 401, 400),
        (errors.PasswordChangeRequired, 403, 403, 403),
        (errors.FactorSetupRequired, 403, 403, 403),
        (errors.StepUpRequired, 403, 403, 403),
        (errors.NotFound, 404, 404, 404),
        (errors.NotGranted, 404, 404, 403),
        (errors.MethodNotAllowed, 405, 405, 405),
        (errors.Conflict, 409, 409, 400),
        (errors.PreconditionFailed, 412, 409, 400),
        (errors.PreconditionRequired, 428, 409, 400),
        (errors.TooManyRequests, 429, 429, 429),
        (errors.VaultLocked, 503, 503, 503),
        (errors.MacError, 500, 500, 500),
        (kv.WrongMediaType, 422, 422, 415),
    ],
)
def test_each_face_answers_with_its_own_status(kind: type[StrongroomError], api: int, page: int, vault: int) -> None:
    error = of(kind)
    assert (status_of(error), web.status_of(error), kv._status_of(error)) == (api, page, vault)


def test_an_error_that_was_not_raised_on_purpose_is_a_bare_500() -> None:
    assert status_of(ValueError()) == 500
