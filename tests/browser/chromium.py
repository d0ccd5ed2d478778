"""Debian's Chromium, driven by Playwright, which brings no browser of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserType, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_ARGUMENTS = (
    # The tests run as root in containers, where Chromium's own sandbox does not start.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # The list below the address bar is a page in a process of its own, and starting it costs more than the page tested.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
)


@contextmanager
def chromium(key_hash: str) -> Iterator[Browser]:
    """A browser that trusts the server's key with this hash and no other; all else that it knows of TLS counts."""
    with sync_playwright() as playwright, launched(playwright.chromium, key_hash) as browser:
        yield browser


@contextmanager
def launched(kind: BrowserType, key_hash: str, **options: Any) -> Iterator[Browser]:
    """The same, where Playwright runs already; `options` are its own."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    assert program, "Chromium is not installed; `make test` installs it on Debian and Ubuntu."
    trust = f"--ignore-certificate-errors-spki-list={key_hash}"
    browser = kind.launch(executable_path=program, args=[*_ARGUMENTS, trust], **options)
    try:
        yield browser
    finally:
        browser.close()
