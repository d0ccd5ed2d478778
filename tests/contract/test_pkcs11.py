"""The `pkcs11` provider on a real SoftHSM2 token: forks, wrong PINs, a token that is pulled out."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, Mechanism, ObjectClass, TokenFlag
from pkcs11.exceptions import AttributeSensitive, GeneralError, PKCS11Error
from pkcs11.mechanisms import GCMParams

import vault.keys.pkcs11 as room
from tests.contract.makers import INSTANCE
from tests.contract.softhsm import PIN, SoftHsm, soft_hsm
from tests.support.patience import HANG_SECONDS
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys import Guarded
from vault.keys.pkcs11 import Pkcs11Provider

SECRET = bytes(range(32))
PLACE = b"SRM1 a place"


@pytest.fixture
def token(tmp_path: Path) -> Iterator[SoftHsm]:
    with soft_hsm(tmp_path / "softhsm") as store:
        yield store


@pytest.fixture
def provider(token: SoftHsm) -> Pkcs11Provider:
    return open_token(token)


def open_token(token: SoftHsm, *, pin: str = PIN, label: str = "") -> Pkcs11Provider:
    return Pkcs11Provider(token.module, label or token.label, pin, INSTANCE)


def key_of(provider: Pkcs11Provider, ref: str) -> Any:
    return provider._with_session(lambda session: room._find(session, ref))


FORKING = """
import os, sys
from vault.keys import Guarded
from vault.keys.pkcs11 import Pkcs11Provider
provider = Pkcs11Provider(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])
ref = provider.create_version()
wrapped = provider.wrap(ref, bytes(32), b"place")
session = provider._held.session
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        # As in a worker: three processes that start SoftHSM at once disturb each other, and the guard tries again.
        guarded = Guarded(provider)
        guarded.unwrap(ref, guarded.wrap(ref, bytes(32), b"child"), b"child")
        if provider._held.session is session:
            os._exit(2)
        os._exit(0 if guarded.unwrap(ref, wrapped, b"place") == bytes(32) else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(codes, provider.unwrap(ref, wrapped, b"place") == bytes(32))
"""


def test_after_a_fork_each_child_opens_a_session_of_its_own_and_the_parent_s_goes_on(token: SoftHsm) -> None:
    """SoftHSM would let a child use the parent's; other devices do not."""
    words = [sys.executable, "-c", FORKING, token.module, token.label, PIN, INSTANCE]
    found = subprocess.run(
        words, env={**os.environ, **token.environment}, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert found.stdout.strip() == "[0, 0, 0] True", found.stderr


def test_the_key_cannot_be_taken_out_of_the_token(provider: Pkcs11Provider) -> None:
    key = key_of(provider, provider.create_version())
    assert key[Attribute.EXTRACTABLE] is False
    assert key[Attribute.SENSITIVE] is True
    assert key[Attribute.NEVER_EXTRACTABLE] is True
    with pytest.raises(AttributeSensitive):
        _ = key[Attribute.VALUE]


def test_there_is_associated_data_even_for_an_empty_context(provider: Pkcs11Provider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, b"")
    key = key_of(provider, ref)
    with pytest.raises(PKCS11Error):
        key.decrypt(wrapped[12:], mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(wrapped[:12]))
    assert provider.unwrap(ref, wrapped, b"") == SECRET


def test_a_version_made_by_another_process_is_found(provider: Pkcs11Provider, token: SoftHsm) -> None:
    provider.probe()
    program = (
        "import sys; from vault.keys.pkcs11 import Pkcs11Provider; "
        "print(Pkcs11Provider(*sys.argv[1:]).create_version())"
    )
    words = [sys.executable, "-c", program, token.module, token.label, PIN, INSTANCE]
    ref = subprocess.run(
        words, env={**os.environ, **token.environment}, capture_output=True, text=True, check=True, timeout=HANG_SECONDS
    ).stdout.strip()
    assert provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE) == SECRET


def test_many_threads_at_once_are_served(provider: Pkcs11Provider) -> None:
    ref = provider.create_version()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE), range(40)))
    assert found == [SECRET] * 40


# -- Integrity or outage -----------------------------------------------------------------------------------------


def test_changed_bytes_on_a_device_that_is_well_are_told_as_such(provider: Pkcs11Provider) -> None:
    ref = provider.create_version()
    with pytest.raises(BlobError):
        provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), b"SRM1 another place")


def test_the_same_error_of_a_broken_device_is_an_outage(
    provider: Pkcs11Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)

    def broken(*_: object) -> bytes:
        raise GeneralError()

    with monkeypatch.context() as patch:
        patch.setattr(room, "_encrypt", broken)
        patch.setattr(room, "_decrypt", broken)
        with pytest.raises(KeyProviderUnavailable, match="GeneralError"):
            provider.unwrap(ref, wrapped, PLACE)
    assert provider.unwrap(ref, wrapped, PLACE) == SECRET


def test_a_device_that_gives_a_wrong_canary_is_not_believed_about_the_bytes(
    provider: Pkcs11Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    errors = [GeneralError()]

    def confused(*_: object) -> bytes:
        if errors:
            raise errors.pop()
        return bytes(32)

    monkeypatch.setattr(room, "_decrypt", confused)
    with pytest.raises(KeyProviderUnavailable):
        provider.unwrap(ref, wrapped, PLACE)


# -- Token, PIN and module ---------------------------------------------------------------------------------------


def test_a_token_that_is_pulled_out_is_an_outage_and_comes_back_by_itself(
    provider: Pkcs11Provider, token: SoftHsm
) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    with token.removed():
        for _ in range(3):
            with pytest.raises(KeyProviderUnavailable, match="strongroom is not there"):
                provider.unwrap(ref, wrapped, PLACE)
    assert provider.unwrap(ref, wrapped, PLACE) == SECRET


def test_behind_the_guard_an_outage_stays_short_and_passes(provider: Pkcs11Provider, token: SoftHsm) -> None:
    guarded = Guarded(provider)
    ref = guarded.create_version()
    wrapped = guarded.wrap(ref, SECRET, PLACE)
    with token.removed(), pytest.raises(KeyProviderUnavailable):
        guarded.unwrap(ref, wrapped, PLACE)
    assert Guarded(provider).unwrap(ref, wrapped, PLACE) == SECRET


def test_a_token_that_was_never_there_is_named(token: SoftHsm) -> None:
    with pytest.raises(KeyProviderUnavailable, match=r"token elsewhere is not there .* STRONGROOM_PKCS11_TOKEN"):
        open_token(token, label="elsewhere").probe()


def test_a_wrong_pin_is_told_once_and_never_tried_again(token: SoftHsm) -> None:
    tries: list[str] = []

    class Counting(Pkcs11Provider):
        def _log_in(self, token: pkcs11.Token) -> pkcs11.Session:
            tries.append("try")
            return super()._log_in(token)

    provider = Counting(token.module, token.label, "000000", INSTANCE)
    for _ in range(5):
        with pytest.raises(KeyProviderError, match=r"refuses the PIN \(PinIncorrect\).*PKCS11_PIN_FILE") as caught:
            Guarded(provider).probe()
        assert "000000" not in str(caught.value)
    assert tries == ["try"]


def test_the_last_try_before_the_token_locks_is_not_risked(token: SoftHsm) -> None:
    almost_locked: Any = types.SimpleNamespace(
        flags=TokenFlag.USER_PIN_FINAL_TRY, open=lambda **_: pytest.fail("The last try was spent.")
    )
    with pytest.raises(KeyProviderError, match="one more PIN attempt"):
        open_token(token)._log_in(almost_locked)


def test_two_providers_on_the_same_token_share_its_login(provider: Pkcs11Provider, token: SoftHsm) -> None:
    other = open_token(token)
    ref = provider.create_version()
    for _ in range(2):
        wrapped = provider.wrap(ref, SECRET, PLACE)
        assert other.unwrap(ref, wrapped, PLACE) == SECRET


def test_two_tokens_of_one_label_are_refused(tmp_path: Path) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(soft_hsm(tmp_path / "softhsm"))
        words = ["softhsm2-util", "--init-token", "--free", "--label", store.label, "--pin", PIN, "--so-pin", PIN]
        subprocess.run(
            words, env={**os.environ, **store.environment}, check=True, capture_output=True, timeout=HANG_SECONDS
        )
        with pytest.raises(KeyProviderError, match="Several tokens"):
            open_token(store).probe()


def test_a_module_that_is_none_names_the_setting(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.so"
    with pytest.raises(KeyProviderError, match="STRONGROOM_PKCS11_MODULE"):
        Pkcs11Provider(nothing, "strongroom", PIN, INSTANCE).probe()


def test_a_ref_of_another_provider_is_refused(provider: Pkcs11Provider) -> None:
    with pytest.raises(KeyProviderError, match="not a UUID"):
        provider.wrap("arn:aws:kms:eu-west-1:1:key/x", SECRET, PLACE)


def test_the_pin_is_not_in_its_repr(provider: Pkcs11Provider) -> None:
    provider.probe()
    assert PIN not in repr(provider)


def test_keys_lie_in_the_token_under_a_label_that_names_the_vault(provider: Pkcs11Provider) -> None:
    ref = provider.create_version()
    found = provider._with_session(
        lambda session: [key[Attribute.LABEL] for key in session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})]
    )
    assert found == [f"strongroom {INSTANCE} {ref}"]
