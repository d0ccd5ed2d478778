"""A tab of the browser that forgives nothing: what it complains of fails the test, unless the test expects it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, WebError

from tests.browser.places import Person, Place

COOKIE = "__Host-strongroom"
AXE = Path(__file__).parent.parent / "interop" / "node" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (360, 1440)
THEMES = ("light", "dark")
SCREENSHOTS = "STRONGROOM_SCREENSHOTS"
"""Names a folder; where it is set, every page that is inspected leaves its picture there."""

# Chromium writes such a report to the console only for what it enforces itself; this hears every one.
_LISTENER = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP report: ${event.effectiveDirective} blocked ${event.blockedURI} ${event.sample}`));
"""

# The rules of WCAG 2.2 at levels A and AA, and what axe calls best practice; or those alone that are named.
_RUN_AXE = """
async (rules) => (await axe.run(document, {
  resultTypes: ["violations"], ...(rules.length ? { runOnly: { type: "rule", values: rules } } : {}),
})).violations.flatMap((violation) =>
  violation.nodes.map((node) => `${violation.id}: ${node.target.join(" ")}: ${node.failureSummary}`))
"""

_RULES: dict[str, list[str]] = {"light": [], "dark": ["color-contrast", "link-in-text-block"]}
"""A theme changes colours and nothing else: the other rules would find the same again, which takes minutes."""

_TOO_WIDE = """
() => document.scrollingElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map((element) => `wider than the window: ${element.outerHTML.slice(0, 120)}`)
"""


@dataclass
class Watch:
    """All that a browser context complains of, and what the test said would come."""

    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        """Listen to every page of the context, those that open others too."""
        context.add_init_script(_LISTENER)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("requestfailed", self._failed)

    def unexplained(self) -> list[str]:
        """Complaints that nobody expected, and expectations that did not come true."""
        surprises = [seen for seen in self.complaints if not any(re.search(text, seen) for text in self.expected)]
        missing = [text for text in self.expected if not any(re.search(text, seen) for seen in self.complaints)]
        return [*surprises, *(f"expected, but never seen: {text}" for text in missing)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _error(self, error: WebError) -> None:
        self.complaints.append(f"uncaught: {error.error}")

    def _failed(self, request: Request) -> None:
        # The test was faster than the page: it went on while an icon was on its way.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"request failed: {request.method} {request.url}: {request.failure}")


@dataclass
class Tab:
    """One page in a context (a cookie jar) of its own. `page` is Playwright's."""

    place: Place
    context: BrowserContext
    page: Page
    watch: Watch

    def go(self, path: str) -> Response:
        """Load a page of the place; its answer."""
        answer = self.page.goto(self.place.url + path)
        assert answer is not None
        return answer

    def become(self, person: Person) -> Person:
        """Be logged in as somebody from now on, without the login page."""
        secret, url = self.place.cookie(person), self.place.url
        self.context.add_cookies(
            [{"name": COOKIE, "value": secret, "url": url, "secure": True, "httpOnly": True, "sameSite": "Strict"}]
        )
        return person

    def log_in(self, person: Person, path: str = "/environments") -> None:
        """Log in through the page, on the way to another."""
        self.go(path)
        self.page.get_by_label("Username").fill(person.username)
        self.page.get_by_label("Password").fill(person.password)
        self.page.get_by_role("button", name="Log in", exact=True).click()
        self.page.wait_for_url(self.place.url + path)

    def expects(self, complaint: str) -> None:
        """The browser will complain of this (a regular expression), and it is right. It must come."""
        self.watch.expected.append(complaint)

    def expects_status(self, status: int) -> None:
        """A page will answer with this status, of which Chromium complains in its console."""
        self.expects(f"responded with a status of {status} ")

    def inspect(self, name: str) -> None:
        """Fail where the page as it stands is not accessible, or wider than a window, in both themes and widths.

        `name` is what its pictures are called, where pictures are wanted.
        """
        found: list[str] = []
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            for theme in THEMES:
                self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # Playwright takes only literal texts
                found += [f"{theme}, {width} px: {text}" for text in self._looked_at(_RULES[theme])]
                self._picture(f"{name}-{theme}-{width}")
        assert not found, "\n".join(found)

    def _looked_at(self, rules: list[str]) -> list[str]:
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        faults: list[str] = self.page.evaluate(_RUN_AXE, rules) + self.page.evaluate(_TOO_WIDE)
        return faults

    def _picture(self, name: str) -> None:
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
