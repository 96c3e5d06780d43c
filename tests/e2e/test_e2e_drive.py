"""A person drives the console in a real browser against a running demo, and every page of it is looked at.

Pictures of every page in both themes are left in the folder that `REMIT_PICTURES` names (else in the test's own).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.e2e import chromium
from tests.e2e.running import Home, ok, waited
from tests.e2e.test_e2e_demo import NEXT, Demo

from remit.console.pages.every import PAGES
from remit.demo.estate import COMBINATION

driving: ModuleType = pytest.importorskip("tests.e2e.driving", reason="playwright is not installed: make")

pytestmark = [
    pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium"),
    pytest.mark.timeout(240),
]
REPORTED = "a page tried what it may not"


class Shown:
    """A demo that a browser looks at: the link it prints, its commands, what its server wrote down."""

    def __init__(self, demo: Demo, home: Home) -> None:
        said = "".join(demo.lines(NEXT))
        self.link = re.search(r"http\S+/console\?login=\S+", said)[0]  # type: ignore[index]
        (self.folder,) = home.path.glob("remit-demo-*")
        url = self.link.partition("/console")[0]
        self.home = Home(home.path, {"REMIT_URL": url, "REMIT_TOKEN_FILE": str(self.folder / "remit" / "admin.token")})

    def link_as(self, person: str) -> str:
        """A link that signs `person` in: the demo runs with --dev."""
        return str(ok(self.home.remit("console", "--json", "--as", person)).json["url"])

    def something_waits(self) -> str:
        """A question for a person, a call that waits for a yes, and a secret that was changed; the question's name."""
        files = self.folder / "estate"
        (files / "combinations").mkdir()
        (files / "combinations" / "crm.yaml").write_text(COMBINATION, encoding="utf-8")
        boundaries = files / "boundaries" / "boundaries.yaml"
        text = boundaries.read_text(encoding="utf-8")
        narrower = text.replace("limits: {rate: 60/min", 'approval: {above: {amount: "99.00"}}\n      limits: {rate: 60/min')
        boundaries.write_text(narrower, encoding="utf-8")
        ok(self.home.remit("apply", str(files)))
        arguments = ("--arg", "to=Acme", "--arg", "amount=123", "--arg", "currency=EUR")
        ok(self.home.remit("approval", "ask", "invoice-bot", "payments/transfer", *arguments, "--as", "lee"), 11)
        self.home.remit("secret", "rotate", "payments-key")

        def asked() -> str:
            found = ok(self.home.remit("review", "list", "--all", "--json")).json["questions"]
            return str(found[0]["question"]) if found else ""

        return waited(asked)

    def reports(self) -> list[str]:
        """What browsers reported of pages (CSP), from the server's log."""
        text = (self.folder / "logs" / "remit.log").read_text(encoding="utf-8")
        return [line for line in text.splitlines() if REPORTED in line]


@pytest.fixture
def shown(home: Home) -> Iterator[Shown]:
    """A live demo; stopped at the end."""
    demo = Demo(home)
    try:
        yield Shown(demo, home)
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
        demo.rest()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("REMIT_PICTURES") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def places(window: object, start: list[str]) -> dict[str, str]:
    """One address for each of the pages: found by following links, as a person would."""
    found: dict[str, str] = {}
    waiting, seen = list(start), set[str]()
    while waiting and len(found) < len(PAGES):
        path = waiting.pop(0)
        name = driving.which(path)
        if path in seen or name is None or name in found:
            continue
        seen.add(path)
        window.go(path)  # type: ignore[attr-defined]
        found[name] = path
        waiting += window.links()  # type: ignore[attr-defined]
    return found


def test_every_page_is_whole_in_both_themes(shown: Shown, pictures: Path) -> None:
    shown.something_waits()
    wrong: list[str] = []
    with driving.windows() as context:
        window = driving.opened(context, shown.link)
        found = places(window, [f"/console{each.path}" for each in PAGES if "{" not in each.path])
        unseen = {each.path for each in PAGES} - set(found)
        assert not unseen, f"no link leads to {sorted(unseen)}"
        for name, path in found.items():
            for theme in driving.THEMES:
                window.theme(theme)
                window.go(path)
                wrong += [f"{path}, {theme}: {each}" for each in window.violations()]
                window.picture(pictures / f"{name.strip('/').replace('/', '-') or 'overview'}-{theme}.png")
            wrong += [f"{path}, not seen when reached by Tab: {each}" for each in window.unseen()]
            window.page.set_viewport_size(driving.NARROW)
            if window.sideways() > 0:
                wrong.append(f"{path}: scrolls sideways by {window.sideways()} px at 360 px")
            window.picture(pictures / f"{name.strip('/').replace('/', '-') or 'overview'}-narrow.png")
            window.page.set_viewport_size(driving.WIDE)
        wrong += window.complaints
    print(f"pictures: {pictures}")
    wrong += shown.reports()
    assert not wrong, "\n".join(wrong)
