"""What the tests of the pages ask for: a browser, servers, and tabs that forgive nothing.

| fixture       | what it is                                                                    |
|---------------|-------------------------------------------------------------------------------|
| `place`       | a server on PostgreSQL with Redis, for all tests here; people are new in each |
| `small_place` | the same on SQLite alone                                                      |
| `open_tab`    | opens tabs: `open_tab(place)`, `open_tab(place, ada)`, with Playwright's options |
| `tab`         | a tab of a stranger at `place`                                                |
| `ada`, `prod` | a person, and the path of her environment                                     |

All run in one group (tests/support/groups.py), in one process: they share the servers and the browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.browser.places import Authority, Person, Place, open_place
from tests.browser.tabs import Tab, Watch
from tests.support.servers import Postgres, Redis
from tests.support.vaults import add_environment, reconnect

# It ends what hangs: Playwright's limit cannot grow on a busy machine.
_TIMEOUT_MS = 60_000
# Without motion, so that no test meets a colour on its way to another.
_OPTIONS: dict[str, Any] = {
    "viewport": {"width": 1440, "height": 800},
    "locale": "en-GB",
    "reduced_motion": "reduce",
}


class OpenTab(Protocol):
    """Opens tabs that are closed, and asked for their complaints, when the test is over."""

    def __call__(self, place: Place, person: Person | None = None, *, browser: Browser = ..., **options: Any) -> Tab:
        """A tab with a cookie jar of its own, logged in as `person`; `options` are Playwright's for a context."""
        ...


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate of every server here."""
    return Authority.made_in(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="package")
def browser(authority: Authority) -> Iterator[Browser]:
    """One for all tests here."""
    with chromium(authority.key_hash) as launched:
        yield launched


@pytest.fixture(scope="package")
def _place(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, postgres: Postgres, redis_server: Redis
) -> Iterator[Place]:
    postgres.ensure_running()
    redis_server.ensure_running()
    url = postgres.create_database()
    with open_place(tmp_path_factory.mktemp("place"), authority, url, redis_server.url) as place:
        yield place
    postgres.ensure_running()
    postgres.drop_database(url)


@pytest.fixture
def place(_place: Place, postgres: Postgres, redis_server: Redis) -> Place:
    """A server on PostgreSQL with Redis."""
    # Tests that run in between may have stopped them.
    postgres.ensure_running()
    redis_server.ensure_running()
    reconnect(_place.vault)
    return _place


@pytest.fixture(scope="package")
def small_place(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A server on SQLite, without Redis."""
    folder = tmp_path_factory.mktemp("small-place")
    with open_place(folder, authority, f"sqlite:///{folder / 'data' / 'strongroom.db'}") as place:
        yield place


@pytest.fixture
def ada(place: Place) -> Person:
    return place.newcomer("ada")


@pytest.fixture
def prod(place: Place, ada: Person) -> str:
    """The path of Ada's environment."""
    made = add_environment(place.vault, ada.principal, "prod", A="1", B="2", C="3", D="4")
    return f"/environments/{made.id}"


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[OpenTab]:
    """A maker of tabs, as many as a test needs."""
    tabs: list[Tab] = []

    def make(place: Place, person: Person | None = None, *, browser: Browser = browser, **options: Any) -> Tab:
        context = browser.new_context(**_OPTIONS | options)
        context.set_default_timeout(_TIMEOUT_MS)
        watch = Watch()
        watch.follow(context)
        tab = Tab(place, context, context.new_page(), watch)
        tabs.append(tab)
        if person is not None:
            tab.become(person)
        return tab

    yield make
    for tab in tabs:
        tab.context.close()
    unexplained = [complaint for tab in tabs for complaint in tab.watch.unexplained()]
    assert not unexplained, "\n".join(unexplained)


@pytest.fixture
def tab(open_tab: OpenTab, place: Place) -> Tab:
    """A tab of a stranger at `place`."""
    return open_tab(place)
