"""Which use an entitlement is judged by, and which reason the log says that a transition left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from remit.access.activation import Usage
from remit.certification.estate.model import Row
from remit.certification.estate.records import later_use
from remit.certification.estate.words import Word, words
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.errors import IntegrityFailed
from remit.storage.bundle import compress, pack

FIRST = 20_000
KEY = ("bot", "work", "s/t", "s")


def bundled(entries: list[dict[str, Any]], *more: bytes) -> Any:
    """A log of one entry to a bundle."""
    raw = [*(canonical({"time": "2026-11-24T00:00:00.000001Z", **each}) for each in entries), *more]
    found = [(1, compress(pack([each]))) for each in raw]

    def rows(_query: str, _values: Any) -> Iterator[tuple[Any, ...]]:
        yield from found

    return rows


def daily(days: int) -> Usage:
    return Usage(Instant((FIRST + days - 1) * DAY), Micros(7), days, (1,) * min(20, days - 1))


def row(days: int) -> Row:
    return Row(0, 0, 0, 0, (FIRST + days - 1) * DAY, days, ",".join(["1"] * min(20, days - 1)))


@pytest.mark.parametrize("days", [2, 21, 40])
def test_what_the_days_say_stands_where_it_is_later_and_only_there(days: int) -> None:
    kept, clock = daily(days), Micros(99)
    assert later_use(kept, row(days), began=FIRST - 1, clock=clock) is kept
    assert later_use(kept, row(days - 1), began=FIRST - 1, clock=clock) is kept
    again = later_use(kept, row(days + 1), began=FIRST - 1, clock=clock)
    assert again == Usage(daily(days + 1).last, clock, days + 1, daily(days + 1).gaps)


def test_use_from_before_days_were_written_down_stands() -> None:
    kept, few = daily(9), Row(0, 0, 0, 0, (FIRST + 9) * DAY, 1, "")
    assert later_use(kept, few, began=FIRST + 9, clock=Micros(99)) is kept


def said(verdict: str, to: str, **more: Any) -> dict[str, Any]:
    names = {"agent": "bot", "purpose": "work", "action": "s/t", "time": "2026-11-24T00:00:00.000001Z"}
    return {"kind": "verdict", **names, "verdict": verdict, "to": to, **more}


def judged(to: str, reason: str, facts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return said("keep", to, reason=reason, statement={"facts": facts, **more})


ACTIVE = {"state": "active", "why": ""}
SEVERED = {"state": "suspended", "why": "credential_exposed", "under": "lapsed", "under_why": "idle"}


@pytest.mark.parametrize(
    ("entry", "state", "why"),
    [
        (said("start", "active"), "active", ""),
        (said("suspend", "suspended", by="dana"), "suspended", "suspended"),
        (said("lapse", "lapsed", by="dana"), "lapsed", "let_lapse"),
        (said("lapse", "suspended", by="dana"), "suspended", None),
        (said("unkeep", "at_risk", by="dana"), "at_risk", None),
        (judged("lapsed", "idle", ACTIVE), "lapsed", "idle"),
        (judged("lapsed", "ended", SEVERED), "lapsed", "idle"),
        (judged("suspended", "toxic_combination", SEVERED, under=["lapsed", "idle"]), "suspended", "toxic_combination"),
        (judged("suspended", "critical_signal", {"state": "suspended", "why": "x"}), "suspended", "critical_signal"),
        (judged("needs_usage", "other", {"state": "needs_usage", "why": "record_incomplete"}), "needs_usage",
         "record_incomplete"),
        (judged("lapsed", "idle", {"state": "active"}), "lapsed", None),
    ],
)  # fmt: skip
def test_the_reason_that_a_transition_left(entry: dict[str, Any], state: str, why: str | None) -> None:
    found = words(bundled([entry]), {KEY: 3})
    assert found.of == {3: Word(state, why, found.newest)}


def test_the_last_word_counts_until_a_person_accepts_what_is_there() -> None:
    entries = [said("start", "active"), said("suspend", "suspended"), {"kind": "change", "what": "agent"}]
    assert words(bundled(entries), {KEY: 0}).of[0].state == "suspended"
    assert [*words(bundled(entries), {}).strays] == [KEY]
    names = dict(zip(("agent", "purpose", "action", "scope"), KEY, strict=True))
    accepted = {"kind": "incident", "what": "entitlement_accepted", **names}
    assert words(bundled([*entries, accepted]), {KEY: 0}).of == {}
    assert words(bundled([*entries, accepted]), {}).strays == {}


def test_a_log_that_cannot_be_read_says_nothing() -> None:
    with pytest.raises(IntegrityFailed, match="damaged"):
        words(lambda _query, _values: iter([(1, b"no bundle")]), {})
    with pytest.raises(IntegrityFailed, match="damaged"):
        words(bundled([], canonical({"kind": "verdict", "agent": 5})), {})
    with pytest.raises(IntegrityFailed, match="damaged"):
        words(bundled([], canonical({"kind": "heartbeat"})), {})
