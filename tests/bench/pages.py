"""Measures how soon a page shows something, in a real browser on this machine."""

from __future__ import annotations

import statistics

from playwright.sync_api import Page

from tests.bench.cases import Measured
from tests.bench.table import Line, at_most_seconds
from tests.browser.chromium import chromium
from tests.browser.places import Authority
from tests.browser.tabs import COOKIE
from tests.support.vaults import as_session, log_in
from vault import settings
from vault.app import open_vault

_LOADS = 20
_VARIABLES = 50

_FIRST_PAINT = """
() => new Promise((resolve) => new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") resolve(entry.startTime);
}).observe({ type: "paint", buffered: true }))
"""


def first_paint(server: Measured) -> list[Line]:
    """Measure from the click to the first words of an environment's page, in a browser with its files in the cache."""
    secret, environment_id = _prepared(server)
    origin = server.server.url
    with chromium(Authority(server.server.data_dir / "tls").key_hash) as browser:
        context = browser.new_context()
        context.add_cookies([{"name": COOKIE, "value": secret, "url": origin, "secure": True, "httpOnly": True}])
        page = context.new_page()
        times = [_paint(page, f"{origin}/environments/{environment_id}") for _ in range(_LOADS + 1)][1:]
    median = statistics.median(times)
    figures = f"median {median * 1e3:.0f} ms of {_LOADS}, longest {max(times) * 1e3:.0f} ms"
    return [at_most_seconds(f"first paint, {_VARIABLES} variables", server.name, figures, median, 0.15)]


def _paint(page: Page, url: str) -> float:
    page.goto(url)
    milliseconds: float = page.evaluate(_FIRST_PAINT)
    return milliseconds / 1000


def _prepared(server: Measured) -> tuple[str, str]:
    """Return a session for the pages, and the environment to show."""
    vault = open_vault(settings.load(server.store.env))
    try:
        person = as_session(vault, log_in(vault, server.store.user).secret)
        found = vault.environments.environments.list(person, name=f"of-{_VARIABLES}", limit=1)
        return log_in(vault, server.store.user, "web", "127.0.0.1").secret, found[0].id
    finally:
        vault.storage.close()
