"""The `transit` provider over real TLS, against the small fake that follows Transit's documented answers."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import vault.keys.transit as room
from tests.contract.transit_server import TOKEN, Answer, TransitKey, TransitServer, transit_server
from tests.support.tls_server import Certificate, make_certificate
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys import Guarded
from vault.keys.transit import TransitAddress, TransitProvider

SECRET = bytes(range(32))
PLACE = b"SRM1 a place"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(tmp_path: Path, certificate: Certificate) -> Iterator[TransitServer]:
    with transit_server(tmp_path, certificate) as state:
        yield state


@pytest.fixture
def provider(server: TransitServer) -> TransitProvider:
    return over(server)


def over(server: TransitServer, **changes: Any) -> TransitProvider:
    given: dict[str, Any] = {"url": server.url, "token": lambda: TOKEN, "ca_file": server.ca_file, **changes}
    return TransitProvider(TransitAddress(**given))


def bodies(server: TransitServer, kind: str) -> list[dict[str, Any]]:
    return [body for _, path, body in server.requests if f"/{kind}/" in path]


def test_the_key_is_derived_and_can_be_neither_exported_nor_backed_up(
    provider: TransitProvider, server: TransitServer
) -> None:
    provider.create_version()
    asked = bodies(server, "keys")[0]
    assert (asked["derived"], asked["exportable"], asked["allow_plaintext_backup"]) == (True, False, False)


def test_the_context_travels_as_context_and_never_as_associated_data(
    provider: TransitProvider, server: TransitServer
) -> None:
    ref = provider.create_version()
    provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE)
    for body in bodies(server, "encrypt") + bodies(server, "decrypt"):
        assert base64.b64decode(body["context"]) == PLACE
        assert "associated_data" not in body


def test_a_key_that_somebody_rotated_in_transit_goes_on(provider: TransitProvider, server: TransitServer) -> None:
    ref = provider.create_version()
    before = provider.wrap(ref, SECRET, PLACE)
    server.keys[ref].versions.append(bytes(32))
    for wrapped in (before, provider.wrap(ref, SECRET, PLACE)):
        assert provider.unwrap(ref, wrapped, PLACE) == SECRET


def test_wrapping_under_a_missing_key_makes_none(provider: TransitProvider, server: TransitServer) -> None:
    ref = provider.create_version()
    server.keys.clear()
    with pytest.raises(KeyProviderError, match="no master key version"):
        provider.wrap(ref, SECRET, PLACE)
    assert server.keys == {}


def test_a_key_that_is_not_derived_is_refused(provider: TransitProvider, server: TransitServer) -> None:
    ref = provider.create_version()
    server.keys[ref] = TransitKey(derived=False)
    with pytest.raises(KeyProviderError, match="not derived"):
        provider.wrap(ref, SECRET, PLACE)


def test_a_ref_that_is_none_of_ours_is_not_sent(provider: TransitProvider, server: TransitServer) -> None:
    for ref in ("../sys/seal", "strongroom-x", ""):
        with pytest.raises(KeyProviderError):
            provider.unwrap(ref, bytes(60), PLACE)
    assert server.requests == []


def test_one_connection_serves_many_calls(provider: TransitProvider, server: TransitServer) -> None:
    ref = provider.create_version()
    for _ in range(10):
        provider.wrap(ref, SECRET, PLACE)
    assert server.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_replaced_without_a_word(
    provider: TransitProvider, server: TransitServer
) -> None:
    ref = provider.create_version()
    kept = provider._server._idle.get()
    kept.sock.shutdown(2)
    provider._server._idle.put(kept)
    provider.wrap(ref, SECRET, PLACE)
    assert server.connections == 2


# -- Refusals and troubles ---------------------------------------------------------------------------------------


def test_a_sealed_server_is_an_outage_and_passes(provider: TransitProvider, server: TransitServer) -> None:
    ref = provider.create_version()
    server.sealed = True
    for ask in (provider.probe, lambda: provider.wrap(ref, SECRET, PLACE), lambda: provider.destroy(ref)):
        with pytest.raises(KeyProviderUnavailable):
            ask()
    server.sealed = False
    assert provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE) == SECRET


@pytest.mark.parametrize("status", [412, 429, 500, 502, 503, 504])
def test_what_passes_by_itself_may_be_asked_again(
    provider: TransitProvider, server: TransitServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "answer", lambda *_: Answer(status, {"errors": []}))
    with pytest.raises(KeyProviderUnavailable):
        provider.probe()


def test_a_server_that_hangs_is_given_up(
    provider: TransitProvider, server: TransitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "TIMEOUT_SECONDS", 0.2)
    server.delay = threading.Event()
    try:
        with pytest.raises(KeyProviderUnavailable):
            provider.probe()
    finally:
        server.delay.set()


def test_nobody_there_is_an_outage(server: TransitServer, tmp_path: Path) -> None:
    with ExitStack() as stack:
        gone = stack.enter_context(transit_server(tmp_path / "gone"))
    with pytest.raises(KeyProviderUnavailable):
        over(gone).probe()


def test_a_token_that_is_refused_is_read_again_once(server: TransitServer) -> None:
    tokens = iter(["s.old", TOKEN])
    provider = over(server, token=lambda: next(tokens))
    provider.probe()
    assert len(server.requests) == 2


def test_a_token_that_stays_refused_is_told_and_not_shown(server: TransitServer) -> None:
    with pytest.raises(KeyProviderError, match="403") as caught:
        over(server, token=lambda: "s.canary").probe()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "s.canary\r\nX-Forged: 1", "s.canäry"])
def test_what_is_no_token_is_refused_before_it_is_sent(server: TransitServer, token: str) -> None:
    with pytest.raises(KeyProviderError, match="does not contain a valid token") as caught:
        over(server, token=lambda: token)
    assert "can" not in str(caught.value)


def test_a_certificate_of_an_unknown_authority_is_refused_with_a_sentence(server: TransitServer) -> None:
    with pytest.raises(KeyProviderError, match="STRONGROOM_TRANSIT_CA_FILE"):
        over(server, ca_file=None).probe()
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["http://localhost:8200", "localhost:8200", "https://", "https://u:p@host", "https://host/v1"]
)
def test_an_address_without_tls_or_with_more_than_a_host_is_refused(server: TransitServer, url: str) -> None:
    with pytest.raises(KeyProviderError, match="STRONGROOM_TRANSIT_URL"):
        over(server, url=url)


def test_a_mount_that_leaves_its_path_is_refused(server: TransitServer) -> None:
    for mount in ("../sys", "a b", "/transit", "transit/", ""):
        with pytest.raises(KeyProviderError, match="STRONGROOM_TRANSIT_MOUNT"):
            over(server, mount=mount)


def test_a_mount_elsewhere_is_found_and_a_missing_one_named(server: TransitServer) -> None:
    server.mount = "team/transit"
    over(server, mount="team/transit").create_version()
    with pytest.raises(KeyProviderError, match="STRONGROOM_TRANSIT_MOUNT"):
        over(server).create_version()


@pytest.mark.parametrize("body", [[], {"data": {"plaintext": 7}}, {"data": {}}, {"data": "x" * 70_000}])
def test_an_answer_that_is_none_is_never_a_key(
    provider: TransitProvider, server: TransitServer, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = provider.create_version()
    monkeypatch.setattr(server, "answer", lambda *_: Answer(200, body))
    with pytest.raises((KeyProviderError, KeyProviderUnavailable)):
        provider.unwrap(ref, bytes(60), PLACE)


def test_changed_bytes_are_told_from_a_disabled_key(provider: TransitProvider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    with pytest.raises(BlobError):
        provider.unwrap(ref, wrapped[:-1], PLACE)
    provider.disable(ref)
    with pytest.raises(KeyProviderError, match="disabled"):
        provider.unwrap(ref, wrapped, PLACE)


def test_behind_the_guard_a_short_outage_is_not_noticed(
    provider: TransitProvider, server: TransitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = Guarded(provider)
    ref = guarded.create_version()
    failures = [503, 503]
    answer = server.answer

    def flaky(*arguments: Any) -> Answer:
        return Answer(failures.pop(), {"errors": []}) if failures else answer(*arguments)

    monkeypatch.setattr(server, "answer", flaky)
    assert guarded.unwrap(ref, guarded.wrap(ref, SECRET, PLACE), PLACE) == SECRET
