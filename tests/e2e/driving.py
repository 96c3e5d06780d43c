"""Debian's Chromium, driven by Playwright: a person's window on the console, and what is asked of every page in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, ViewportSize, sync_playwright
from playwright.sync_api import TimeoutError as TooLate  # the name is a builtin's
from starlette.routing import compile_path
from tests.e2e import chromium

from remit.console.pages.every import PAGES

WIDE: Final[ViewportSize] = {"width": 1360, "height": 1000}
NARROW: Final[ViewportSize] = {"width": 360, "height": 780}
THEMES: Final = ("light", "dark")
# Conformance to WCAG 2.2 at level AA takes all of the older criteria too.
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OF_COLOURS: Final = ("color-contrast", "link-in-text-block")  # axe-core's rules that look at colours
_AXE: Final = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_LEADS: Final = re.compile(r"/console(?!/static)(?:/|$)")
_PATTERNS: Final = {each.path: compile_path(f"/console{each.path}")[0] for each in PAGES}
_SIDEWAYS: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_BEYOND: Final = """() => [...document.querySelectorAll('body *')].filter((each) => !each.closest('.wide, pre, nav')
    && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map((each) => each.outerHTML.slice(0, 120)).slice(-4)"""
# How high the letters of drawings (SVG) are on the screen, whatever the drawing was scaled to.
_LETTERS: Final = """() => [...document.querySelectorAll('svg text')].map((each) => [
    parseFloat(getComputedStyle(each).fontSize) * Math.abs(each.getScreenCTM().d), each.textContent.slice(0, 40)])"""
# Of links in drawings (SVG) too, whose `href` is no text.
_ADDRESSES: Final = "(all) => all.map((each) => new URL(each.getAttribute('href'), location.href).href)"
# What can be reached by Tab and shows nothing when it is: neither an outline nor a shadow of at least two pixels.
_UNSEEN: Final = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, '
    + 'summary, [tabindex="0"]')].filter((each) => each.checkVisibility() && !each.disabled).filter((each) => {
      each.focus({ focusVisible: true, preventScroll: true });
      const style = getComputedStyle(each);
      return document.activeElement !== each || style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2;
    }).map((each) => each.outerHTML.slice(0, 160))"""


@dataclass
class Window:
    """One person's browser window, and what it complained of."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of this server and let it settle."""
        answer = self.page.goto(f"{self.base}{path}", wait_until="load")
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}\n{self.page.inner_text('body')}"

    def go_until(self, path: str, shown: str) -> None:
        """Open a page, again and again until it shows something."""
        for _ in range(20):
            self.go(path)
            with contextlib.suppress(TooLate):
                self.page.locator(shown).first.wait_for(timeout=5_000)
                return
        raise AssertionError(f"{path} does not show {shown}")

    def theme(self, name: str) -> None:
        """Light or dark, as the button keeps it."""
        self.page.context.add_cookies(
            [{"name": "remit_theme", "value": name, "url": f"{self.base}/console", "sameSite": "Strict"}]
        )

    def links(self) -> list[str]:
        """Where the page's links into the console lead, without their queries."""
        found: list[str] = self.page.eval_on_selector_all("a[href]", _ADDRESSES)
        paths = [urlsplit(each) for each in found if each.startswith(self.base)]
        return list(dict.fromkeys(each.path for each in paths if _LEADS.match(each.path)))

    def violations(self, *, rules: Sequence[str] = ()) -> list[str]:
        """What axe-core finds, with where it is: of all criteria, or of some rules alone."""
        self.page.evaluate(_AXE)
        found: list[dict[str, Any]] = self.page.evaluate(
            "(only) => axe.run(document, { runOnly: only, resultTypes: ['violations'] }).then((all) => all.violations)",
            {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": _TAGS},
        )
        return [
            f"{each['id']}: {each['help']}\n    {node['html'][:240]}\n    {node.get('failureSummary', '')[:400]}"
            for each in found
            for node in each["nodes"]
        ]

    def sideways(self) -> int:
        """By how many pixels the page scrolls to the side."""
        return int(self.page.evaluate(_SIDEWAYS))

    def beyond(self) -> list[str]:
        """What reaches beyond the right edge, outside of what scrolls by itself."""
        found: list[str] = self.page.evaluate(_BEYOND)
        return found

    def letters(self) -> list[tuple[float, str]]:
        """Every text in a drawing, with the size that it has on the screen in CSS pixels."""
        found: list[list[Any]] = self.page.evaluate(_LETTERS)
        return [(round(size, 1), said) for size, said in found]

    def unseen(self) -> list[str]:
        """What the keyboard reaches and nobody sees it."""
        found: list[str] = self.page.evaluate(_UNSEEN)
        return found

    def picture(self, where: Path) -> None:
        """All of the page, as it looks, up to a length that a person can still look at."""
        self.page.evaluate("document.activeElement?.blur()")
        height = min(4000, int(self.page.evaluate("document.documentElement.scrollHeight")))
        size = self.page.viewport_size or WIDE
        self.page.screenshot(
            path=where, full_page=True, clip={"x": 0, "y": 0, "width": size["width"], "height": height}
        )


def which(path: str) -> str | None:
    """The page (`Page.path`) that a path leads to: the first that fits, as the server has it."""
    return next((name for name, pattern in _PATTERNS.items() if pattern.match(unquote(path))), None)


@contextlib.contextmanager
def windows() -> Iterator[BrowserContext]:
    """A browser of its own, with nothing kept; ended at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.PROGRAM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        try:
            yield browser.new_context(viewport=WIDE, reduced_motion="reduce")
        finally:
            browser.close()


def opened(context: BrowserContext, link: str) -> Window:
    """A window that is signed in by a link."""
    parts = urlsplit(link)
    window = Window(context.new_page(), f"{parts.scheme}://{parts.netloc}")

    def heard(said: ConsoleMessage) -> None:
        graphics = "GL Driver Message" in said.text  # drawn without a graphics card, that is slow
        if said.type in {"error", "warning"} and not graphics:
            window.complaints.append(f"{window.page.url}: {said.text}")

    window.page.on("console", heard)
    window.page.on("pageerror", lambda error: window.complaints.append(f"{window.page.url}: {error}"))
    window.page.goto(link)
    return window
