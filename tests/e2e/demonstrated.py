"""A running demo that a browser looks at."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from tests.e2e.running import Home, ok, waited
from tests.e2e.test_e2e_demo import NEXT, Demo

from remit.demo.estate import COMBINATION

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
        """A question for a person, a call that waits, a secret that was changed, a freeze; the question's name."""
        files = self.folder / "estate"
        (files / "combinations").mkdir()
        (files / "combinations" / "crm.yaml").write_text(COMBINATION, encoding="utf-8")
        boundaries = files / "boundaries" / "boundaries.yaml"
        text = boundaries.read_text(encoding="utf-8")
        narrower = text.replace(
            "limits: {rate: 60/min", 'approval: {above: {amount: "99.00"}}\n      limits: {rate: 60/min'
        )
        boundaries.write_text(narrower, encoding="utf-8")
        ok(self.home.remit("apply", str(files)))
        arguments = ("--arg", "to=Acme", "--arg", "amount=123", "--arg", "currency=EUR")
        ok(self.home.remit("approval", "ask", "invoice-bot", "payments/transfer", *arguments, "--as", "lee"), 11)
        self.home.remit("secret", "rotate", "payments-key")
        self.home.remit("freeze", "owner", "lee", "--no-wait")  # who owns no agent: nothing stops

        def asked() -> str:
            found = ok(self.home.remit("review", "list", "--all", "--json")).json["questions"]
            return str(found[0]["question"]) if found else ""

        return waited(asked)

    def reports(self) -> list[str]:
        """What browsers reported of pages (CSP), from the server's log."""
        text = (self.folder / "logs" / "remit.log").read_text(encoding="utf-8")
        return [line for line in text.splitlines() if REPORTED in line]


@contextlib.contextmanager
def standing(home: Home) -> Iterator[Shown]:
    """A live demo; stopped at the end."""
    demo = Demo(home)
    try:
        yield Shown(demo, home)
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
        demo.rest()
