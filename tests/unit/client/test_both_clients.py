"""`Client` and `AsyncClient` have the same calls, with the same arguments and the same answers."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from typing import Any

import pytest

from vault.client import AsyncChanges, AsyncClient, AsyncWatch, Changes, Client, HttpsTransport, HttpxTransport, Watch
from vault.client import groups as synchronous_groups
from vault.client import sets as synchronous_sets
from vault.client.aio import groups, sets
from vault.errors import SettingsError

PAIRS = [
    (Client, AsyncClient),
    (Watch, AsyncWatch),
    (Changes, AsyncChanges),
    (synchronous_groups.Environments, groups.AsyncEnvironments),
    (synchronous_groups.Tokens, groups.AsyncTokens),
    (synchronous_groups.Sessions, groups.AsyncSessions),
    (synchronous_sets.VariableSet, sets.AsyncVariableSet),
    (HttpsTransport, HttpxTransport),
]

NO_CALL = {"environment", "watch", "changes"}
"""They only return something that makes calls."""


def _public(kind: type[Any]) -> dict[str, Any]:
    return {name: call for name, call in vars(kind).items() if inspect.isfunction(call) and not name.startswith("_")}


def _signature(call: Any) -> str:
    text = re.sub(r"\bAsync([A-Z]\w+)", r"\1", str(inspect.signature(call)))
    return re.sub(r"Awaitable\[(\w+)\]", r"\1", text)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_have_the_same_calls(one: type[Any], other: type[Any]) -> None:
    assert _public(one).keys() == _public(other).keys()
    assert {*_public(one)} - {"stream"}
    for name, call in _public(one).items():
        assert _signature(call) == _signature(_public(other)[name])
    assert _signature(one.__init__) == _signature(other.__init__)


@pytest.mark.parametrize("other", [other for _, other in PAIRS])
def test_each_call_of_the_asynchronous_client_is_awaited(other: type[Any]) -> None:
    for name, call in _public(other).items():
        assert inspect.iscoroutinefunction(call) == (name not in NO_CALL), name


def test_the_synchronous_client_imports_nothing_asynchronous() -> None:
    code = "import sys, vault.client; print({'asyncio', 'httpx2', 'anyio'} & sys.modules.keys() or 'nothing')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "nothing\n"


def test_without_httpx2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(SettingsError, match=r"pip install 'strongroom\[async\]'"):
        AsyncClient("https://vault.test", "srm_t_x")
