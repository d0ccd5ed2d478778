"""The requests of the `bao` program, as recorded, against this server: answered as its own server answers.

`bao/recorded.json` has them, with the status and the form of each answer of OpenBao's own server. `bao/script.py` has
the commands, and `bao/record.py` records them with the real program.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.interop.bao.forms import Json, form_of
from tests.interop.bao.script import SCRIPT, Command
from tests.kv.conftest import Kv, kv_of
from tests.kv.conftest import _postgresql_vault as _postgresql_vault
from tests.kv.conftest import _sqlite_vault as _sqlite_vault
from tests.kv.conftest import ada as ada
from tests.kv.conftest import each_password_is_hashed_once as each_password_is_hashed_once
from tests.kv.conftest import only_marked_views_hash_passwords as only_marked_views_hash_passwords
from tests.kv.conftest import service as service
from tests.kv.conftest import undo_what_other_tests_did as undo_what_other_tests_did
from tests.kv.conftest import vault as vault
from tests.support.vaults import PASSWORD

RECORDED = json.loads(Path(__file__).with_name("bao").joinpath("recorded.json").read_text(encoding="utf-8"))

_INVALID_PATH = (
    "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use."
)
DIFFERENT = {
    "status is 200, not 400": "revoke-accessor of an ended token: one answer for every call with such an accessor",
    "errors is ['bad token'], not ['permission denied']": "one sentence for every bad token",
    "errors is ['1 error occurred:\\n\\t* invalid accessor\\n\\n'], not ['invalid accessor']": "Go's frame of an error",
    f"warnings is [\"{_INVALID_PATH} If using the OpenBao CLI, use 'bao kv get' for this operation.\"], "
    f"not [\"{_INVALID_PATH} If using the Vault CLI, use 'vault kv get' for this operation.\"]": "HashiCorp's words",
    "warnings is ['Policy \"path:app:read\" does not exist'], not None": "here a policy's name is what it allows",
    "answer is None, not {'errors': []}": "a plain 404 has a body here",
    "auth.metadata is null, not {}": "always an object here",
    "auth.metadata.role_name is missing": "a role is a token, and has the token's metadata",
    "data.meta is {'role_name': 'text'}, not null": "the same",
    "data.expire_time is null, not time": "OpenBao's root token never ends, and the token of the tests does",
    "data.last_renewal is missing": "not stored",
    "data.last_renewal_time is missing": "not stored",
    "data.metadata_cas_required is missing": "OpenBao alone has it",
    "data.current_metadata_version is missing": "OpenBao alone has it",
    "data.versions.1 is missing": "max_versions takes effect at once here, and in OpenBao with the next write",
    "data.versions.2 is missing": "the same",
    "commit_date is missing": "OpenBao alone has it",
}
"""How answers here differ from those of OpenBao's server, and why."""


@pytest.mark.parametrize("group", SCRIPT)
def test_a_command_of_bao_is_answered_as_by_its_own_server(ada: Caller, service: Kv, group: str) -> None:
    known = {
        "token": service.token, "person": ada.username, "password": PASSWORD,
        "role": service.token[6:18], "secret": service.token[18:61],
    }  # fmt: skip
    runs = [run for run in RECORDED["runs"] if run["group"] == group]
    assert [run["command"] for run in runs] == [command.words for command in SCRIPT[group]]
    kv, found = kv_of(ada), list[str]()
    for run, command in zip(runs, SCRIPT[group], strict=True):
        found += _play(kv, run, command, known)
    assert found == []


def _play(kv: Kv, run: dict[str, Any], command: Command, known: dict[str, str]) -> Iterator[str]:
    """Make the requests of one command. Yields what is answered in another way, and is not in `DIFFERENT`."""
    document: Any = None
    for request in run["requests"]:
        headers = {name: _filled(value, known) for name, value in request["headers"].items()}
        body = _filled(request["body"], known).encode() or None
        answer = kv(request["method"], _filled(request["path"], known).removeprefix("/v1/"), body, **headers)
        where = f"{run['command']}: {request['method']} {request['path']}"
        document = answer.json if answer.body else None
        found = [f"status is {request['status']}, not {answer.status}"]
        if answer.status == request["status"]:
            found = list(_differences(request["form"], _form(document), ""))
        yield from (f"{where}: {told}" for told in found if told not in DIFFERENT)
    if command.keep:
        known |= {name: _at(document, path) for name, path in command.keep.items()}


def _form(document: Any) -> Json:
    return None if document is None else form_of(document)


def _differences(theirs: Any, ours: Any, path: str) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name, value in theirs.items():
            if name not in ours:
                yield f"{path}{name} is missing"
            else:
                yield from _differences(value, ours[name], f"{path}{name}.")
    elif theirs != ours:
        yield f"{path.removesuffix('.') or 'answer'} is {theirs}, not {ours}"


def _filled(text: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _at(document: Any, path: str) -> str:
    for name in path.split("."):
        document = document[name]
    return str(document)
