"""What is told outside: where it may go, what it carries, and that it is tried again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from remit.kernel.canonical import canonical
from remit.kernel.clock import FixedClock, Instant
from remit.outbound.model import Endpoint
from remit.requests.deliveries import CALLBACK, MAIL, WEBHOOK, SqlDeliveries
from remit.server.notifying import Mailing, Notifying
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry

NOON = Instant(1_795_608_000_000_000)
HOOK, BACK = "http://127.0.0.1:1/hook", "http://127.0.0.1:2/back"


class Records:
    def entry(self, kind: str, fields: Any, **_: Any) -> Entry:
        return Entry("inc_1", canonical({"kind": kind, **fields}))


class Keys:
    """A key that signs; None while there is none."""

    active: Any = None


class Desk:
    def __init__(self, *, leads: bool = True, mailing: Mailing | None = None) -> None:
        self.writer, self.clock, self.keys = MemoryWriter(), FixedClock(NOON), Keys()
        records: Any = Records()
        keys: Any = self.keys
        self.it = Notifying(
            writer=self.writer, reader=self.writer, records=records, clock=self.clock, keys=keys,
            issuer="https://remit.test", webhooks=(HOOK,), callbacks=frozenset({Endpoint("127.0.0.1", 2)}),
            own=frozenset(), mailing=mailing, leads=lambda: leads,
        )  # fmt: skip
        self.sent: list[tuple[str, str, str, dict[str, str], bytes | None]] = []

    def tell(self, way: str, target: str, **body: Any) -> None:
        said = {"event": "approval_asked", **body}
        self.writer.change(lambda tx: SqlDeliveries(tx.connection).add(way, target, said, due=NOON))

    def round(self) -> int:
        return asyncio.run(self.it.round())

    def left(self) -> list[Any]:
        return self.writer.read(lambda connection: SqlDeliveries(connection).due(Instant(2**60), 99))


def test_nothing_goes_to_a_url_before_there_is_a_key_and_it_is_tried_again() -> None:
    desk = Desk()
    desk.tell(WEBHOOK, HOOK)
    assert desk.round() == 0
    (left,) = desk.left()
    assert (left.tries, left.due) == (1, NOON + 5_000_000)
    assert desk.round() == 0
    assert desk.left()[0].tries == 1, "not before its time"


@pytest.mark.parametrize(
    ("way", "target"),
    [
        (WEBHOOK, "http://127.0.0.1:3/other"),  # no operator wrote that
        (WEBHOOK, BACK),
        (CALLBACK, HOOK),  # what is open to webhooks is not open to agents
        (CALLBACK, "http://169.254.169.254/"),
    ],
)
def test_a_row_in_the_database_sends_remit_nowhere_else(way: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Server-side request forgery: what is stored is judged again when it is sent."""
    desk = Desk()
    desk.keys.active = object()

    async def dialled(*_: Any, **__: Any) -> None:
        raise AssertionError("it was called")

    monkeypatch.setattr("remit.outbound.session.Outbound.request", dialled)
    monkeypatch.setattr("remit.server.notifying.signed", lambda *_, **__: "token")
    desk.tell(way, target)
    assert desk.round() == 0
    assert desk.left()[0].tries == 1


def test_what_does_not_lead_tells_nothing() -> None:
    desk = Desk(leads=False)
    desk.tell(MAIL, "dana@example.test", subject="s", text="t")
    assert desk.round() == 0
    assert desk.left()[0].tries == 0


def test_what_nobody_takes_for_a_day_is_an_incident() -> None:
    desk = Desk()
    desk.tell(MAIL, "dana@example.test", subject="s", text="t")
    for _ in range(40):
        desk.clock.at += 3_600_000_000
        desk.round()
    assert desk.left() == []
    (entry,) = desk.writer.entries
    assert b'"what":"undelivered"' in entry.header
    assert b"dana@example.test" not in entry.header


def test_a_relay_that_is_not_there_is_a_failure_like_any_other() -> None:
    desk = Desk(mailing=Mailing(host="127.0.0.1", port=1, sender="remit@example.test"))
    desk.tell(MAIL, "dana@example.test", subject="s", text="t")
    assert desk.round() == 0
    assert desk.left()[0].tries == 1


def test_what_cannot_be_sent_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that breaks the mail library would have everything else told again every second, and nothing kept."""
    desk = Desk(mailing=Mailing(host="127.0.0.1", port=1, sender="remit@example.test"))
    sent: list[str] = []

    async def posted(_: Notifying, delivery: Any) -> str:
        sent.append(delivery.target)
        return ""

    monkeypatch.setattr(Notifying, "_post", posted)
    desk.tell(MAIL, "a@[x.test", subject="s", text="t")
    desk.tell(WEBHOOK, HOOK)
    assert desk.round() == 1
    desk.round()
    assert sent == [HOOK]
    assert [(each.way, each.tries) for each in desk.left()] == [(MAIL, 1)]
