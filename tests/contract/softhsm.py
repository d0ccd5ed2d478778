"""A SoftHSM2 token in a directory of its own, for the tests of the `pkcs11` provider. The library is the real one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import HANG_SECONDS

PIN, SO_PIN = "271828", "31415926"
PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftHsm:
    """A token store. Tokens are told apart by label; SoftHSM reads its configuration when it is initialised."""

    folder: Path
    label: str

    @property
    def module(self) -> str:
        return next(place for place in PLACES if Path(place).exists())

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @contextmanager
    def removed(self) -> Iterator[None]:
        """The token pulled out, and put back afterwards."""
        tokens, elsewhere = self.folder / "tokens", self.folder / "elsewhere"
        tokens.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(tokens)


@contextmanager
def soft_hsm(folder: Path, label: str = "strongroom") -> Iterator[SoftHsm]:
    """A new token with `PIN`; until the end, this process's SoftHSM looks for its tokens here."""
    (folder / "tokens").mkdir(parents=True)
    store = SoftHsm(folder, label)
    Path(store.environment["SOFTHSM2_CONF"]).write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    words = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]
    subprocess.run(
        words, env={**os.environ, **store.environment}, check=True, capture_output=True, timeout=HANG_SECONDS
    )
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ.update(store.environment)
    try:
        yield store
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
