"""`--offline-for`: the last values of an environment, kept sealed on this machine for when the vault is away.

    <state folder>/offline/<server>-<place>.sealed     base64 of a blob (vault/crypto/envelope.py), mode 0600
    blob = sealed JSON: kept_us, used_us, values, warnings, globals_warnings, revision

The blob is bound to its place: the server's address, the environment, the options that choose values, and a digest of
the credential. Its key is in the system's keychain, or in a file of mode 0600. The values are used only if the vault
cannot be reached. Whatever the vault itself refuses stays refused.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vault.cli.files import write_private
from vault.cli.people import keychain
from vault.cli.state import read_private, state_path
from vault.cli.words import CliError, tell
from vault.client.address import Address
from vault.errors import (
    AuditUnavailable,
    BlobError,
    Forbidden,
    NotAuthenticated,
    NotFound,
    StrongroomError,
    TransportError,
    Unavailable,
    VaultLocked,
)
from vault.model.clock import HOUR_SECONDS, MINUTE_US, SECOND_US, Clock, now_us, rfc3339

if TYPE_CHECKING:
    from vault.client import Values
    from vault.crypto import Context, Key

RENEW_SECONDS = HOUR_SECONDS

_FOLDER = "offline"
_PURPOSE = "values kept by the command"
_NO_VAULT = "00000000-0000-0000-0000-000000000000"
"""The command does not know the id of the vault. The server's address is in the place."""

_CLOCK_STEPS_US = MINUTE_US
"""How far the clock of a machine may be set back without a notice, for example by NTP."""

_LOCK_TRIES = 50
_LOCK_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Origin:
    """Which values are kept: of which environment and server, by which options, for which credential."""

    url: str
    environment: str
    names: tuple[str, ...] | None
    globals: bool
    token: str

    def place(self) -> str:
        """Return a text that is different for every other origin. It does not reveal the token."""
        names = None if self.names is None else sorted(self.names)
        credential = hashlib.sha256(self.token.encode()).hexdigest()
        return json.dumps([_canonical(self.url), self.environment, names, self.globals, credential])


@dataclass(frozen=True, slots=True)
class _Kept:
    """The content of a copy: the values, when they were kept, and when they were last used. Microseconds."""

    kept_us: int
    used_us: int
    values: Values

    def as_json(self) -> bytes:
        """Return it as the plaintext to seal."""
        values = self.values
        content = {
            "kept_us": self.kept_us,
            "used_us": self.used_us,
            "values": dict(values),
            "warnings": values.warnings,
            "globals_warnings": values.globals_warnings,
            "revision": values.revision,
        }
        return json.dumps(content).encode()

    @classmethod
    def from_json(cls, plaintext: bytes) -> _Kept:
        """Read what `as_json` made. Raises `TransportError` for another content."""
        from vault.client import Values
        from vault.client.reading import read_member, read_number

        data = json.loads(plaintext)
        return cls(
            read_number(read_member(data, "kept_us")), read_number(read_member(data, "used_us")), Values.from_json(data)
        )


class Copy:
    """The values of one origin that are kept on this machine, and used for at most `allowed_seconds`."""

    def __init__(self, origin: Origin, allowed_seconds: int, clock: Clock = now_us) -> None:
        self._origin = origin
        self._allowed_seconds = allowed_seconds
        self._clock = clock
        place = hashlib.sha256(origin.place().encode()).hexdigest()[:32]
        self.path = _folder() / f"{_server(origin.url)}-{place}.sealed"

    def keep(self, values: Values) -> None:
        """Keep these values from now on. If that fails, say so: the program must start anyway."""
        try:
            with _locked():
                now = self._clock()
                self._write(_Kept(now, now, values))
        except (StrongroomError, OSError) as error:
            why = error.message if isinstance(error, StrongroomError) else f"{error.strerror}."
            tell(f"Warning: The values could not be kept for --offline-for. {why}")

    def instead_of(self, error: StrongroomError) -> Values:
        """Return the kept values if `error` says that the vault cannot be reached, with a warning. Otherwise raise it.

        A refusal of the vault deletes the copy. Raises `CliError` or `SettingsError` if the copy cannot be used.
        """
        self.note(error)
        if not is_away(error):
            raise error
        tell(f"Warning: {error.message}")
        with _locked():
            kept, now = self._read(), self._clock()
            self._check_time(kept, now)
            self._write(replace(kept, used_us=max(now, kept.used_us)))
        tell(
            f"Warning: The program gets the values of {_time(kept.kept_us)}. They are {_age(now - kept.kept_us)} old, "
            "and were kept on this machine (--offline-for)."
        )
        return kept.values

    def note(self, error: StrongroomError) -> None:
        """Delete the copy if `error` is a refusal: the credential has no right to the values any more."""
        if isinstance(error, NotAuthenticated | Forbidden | NotFound):
            self.forget()

    def forget(self) -> None:
        """Delete the copy."""
        _delete(self.path)

    def renew(self, read: Callable[[], Values]) -> None:
        """Keep the present values every hour, until the vault refuses them.

        The feed is silent while nothing changes, and the copy must not grow old meanwhile.
        """
        while True:
            time.sleep(RENEW_SECONDS)
            try:
                self.keep(read())
            except StrongroomError as error:
                self.note(error)
                if isinstance(error, NotAuthenticated | Forbidden):
                    return

    def _check_time(self, kept: _Kept, now: int) -> None:
        if now < kept.used_us - _CLOCK_STEPS_US:
            raise CliError(
                "The values that were kept on this machine are not used, because its clock was set back: their age is "
                "unknown."
            )
        if now - kept.kept_us > self._allowed_seconds * SECOND_US:
            raise CliError(
                f"The values that were kept on this machine are {_age(now - kept.kept_us)} old. --offline-for allows "
                f"{_age(self._allowed_seconds * SECOND_US)}."
            )

    def _read(self) -> _Kept:
        data = read_private(self.path, "file of kept values", "It is not used. Delete it.")
        if data is None:
            raise CliError(
                "No values are kept on this machine for this environment with these options and this credential."
            )
        from vault.crypto import open_blob

        try:
            key = self._key()
            if key is None:
                raise BlobError()
            return _Kept.from_json(open_blob(key, self._context(), base64.b64decode(data, validate=True)))
        except (BlobError, TransportError, ValueError):
            raise CliError(
                f"The file of kept values {self.path} is not used: it was changed, or belongs to something else, or "
                "its key is lost. Delete it."
            ) from None

    def _write(self, kept: _Kept) -> None:
        from vault.crypto import seal

        blob = seal(self._key() or self._new_key(), self._context(), kept.as_json(), padded=True)
        write_private(self.path, base64.b64encode(blob).decode(), replace=True)

    def _context(self) -> Context:
        from vault.crypto import context

        return context.stored_answer(_NO_VAULT, _PURPOSE, self._origin.place())

    def _key(self) -> Key | None:
        """Return the key of this server's copies, or None if there is none that can be read."""
        from vault.crypto import Key

        id, _, digits = keychain.load_key(self._origin.url).partition(":")
        try:
            return Key(id, bytes.fromhex(digits))
        except (BlobError, ValueError):
            return None

    def _new_key(self) -> Key:
        from vault.crypto import new_key

        made = new_key()
        keychain.save_key(self._origin.url, f"{made.id}:{made.secret.hex()}")
        return made


def forget_all(url: str) -> None:
    """Delete all values that are kept for the server at `url`, and their key."""
    found = sorted(_folder().glob(f"{_server(url)}-*.sealed"))
    for path in found:
        _delete(path)
    if found:
        keychain.forget_key(url)


def is_away(error: StrongroomError) -> bool:
    """Report whether `error` says that the vault cannot be reached, or that it cannot answer anybody.

    A locked vault refuses, and so does one that cannot record the read. An answer that is wrong, such as a certificate
    that is not trusted, may come from somebody else than the vault.
    """
    if isinstance(error, Unavailable):
        return not isinstance(error, VaultLocked | AuditUnavailable)
    from vault.client.transport import ConnectionLost, Unreachable

    # Without a network, some systems say that the server's name does not exist.
    return isinstance(error, Unreachable | ConnectionLost) or isinstance(error.__cause__, socket.gaierror)


def _folder() -> Path:
    return state_path(_FOLDER)


def _canonical(url: str) -> str:
    return Address.parse(url, plain_http=True).canonical


def _server(url: str) -> str:
    return hashlib.sha256(_canonical(url).encode()).hexdigest()[:16]


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        tell(f"Warning: The kept values {path} could not be deleted: {error.strerror}.")


@contextmanager
def _locked() -> Iterator[None]:
    """Let no other call of this command read or write copies meanwhile. Raises `CliError`.

    Two calls that start at once must not make two keys.
    """
    path = _folder() / "lock"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CliError(f"The file {path} cannot be opened: {error.strerror}.") from error
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A call that was stopped by Ctrl-Z must not keep others for ever.
            time.sleep(_LOCK_PAUSE_SECONDS)
        except OSError as error:
            raise CliError(f"The file {path} cannot be locked: {error.strerror}.") from error
        else:
            return
    raise CliError(f"Another strongroom command keeps the file {path} locked. Try again when it has ended.")


def _time(us: int) -> str:
    return rfc3339(us // SECOND_US * SECOND_US)


def _age(us: int) -> str:
    """Return a time as words, such as `3 hours 20 minutes`, rounded down."""
    minutes = max(0, us // MINUTE_US)
    days, hours = minutes // (24 * 60), minutes // 60 % 24
    parts = [(days, "day"), (hours, "hour"), (0 if days else minutes % 60, "minute")]
    told = [f"{count} {unit}" if count == 1 else f"{count} {unit}s" for count, unit in parts if count]
    return " ".join(told) or "less than a minute"
