"""Which calls used a version of a secret, or may have: as the log says it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.audit.conftest import Ledger

from remit.audit.credential_uses import Called, CredentialUses, Sought
from remit.kernel.clock import HOUR, Instant
from remit.kernel.names import made_at, new_id

SECRET, SERVER = "api-key", "api"
ACTION = f"{SERVER}:GET /x"


def decided(ledger: Ledger, *, action: str = ACTION, forwarded: bool = True) -> str:
    made = new_id("dec")
    fields = {"action": action, "agent": "bot", "purpose": "work", "forwarded": forwarded}
    ledger.record(ledger.recorder.entry("decision", fields, id=made))
    return made


def ended(ledger: Ledger, decision: str, outcome: str, *, action: str = ACTION, **credential: Any) -> None:
    said = {"credential": {"secret": SECRET, **credential}} if credential else {}
    fields = {"decision": decision, "agent": "bot", "purpose": "work", "action": action, "outcome": outcome, **said}
    ledger.record(ledger.recorder.entry("outcome", fields))


def listed(
    ledger: Ledger, version: int = 1, *, most: int = 1000, made: int = 0, until: Instant | None = None
) -> list[Called]:
    sought = Sought(secret=SECRET, version=version, servers={SERVER}, made=Instant(made), until=until)
    uses, found, after = CredentialUses(ledger.database.reader), list[Called](), None
    while True:
        page = uses.page(sought, after=after, most=most)
        found += page.calls
        if (after := page.more) is None:
            return found


def test_a_call_that_says_so_used_it(ledger: Ledger) -> None:
    first, second = decided(ledger), decided(ledger)
    ended(ledger, first, "ok", version=1)
    ended(ledger, second, "ok", version=2)
    assert [(each.decision, each.certain, each.at) for each in listed(ledger)] == [(first, True, made_at(first))]
    assert [each.decision for each in listed(ledger, 2)] == [second]


def test_a_call_that_left_twice_used_both(ledger: Ledger) -> None:
    one = decided(ledger)
    ended(ledger, one, "ok", version=2, also=[1])
    assert [each.decision for each in listed(ledger, 1)] == [each.decision for each in listed(ledger, 2)] == [one]


def test_a_call_that_was_killed_before_its_outcome_may_have_used_it(ledger: Ledger) -> None:
    killed, unsent, elsewhere = decided(ledger), decided(ledger), decided(ledger, action="other:GET /x")
    ended(ledger, killed, "outcome_unknown")
    ended(ledger, unsent, "not_sent")
    ended(ledger, elsewhere, "outcome_unknown", action="other:GET /x")
    assert [(each.decision, each.outcome, each.certain) for each in listed(ledger)] == [
        (killed, "outcome_unknown", False)
    ]


def test_a_call_under_way_may_use_it_and_what_was_refused_does_not(ledger: Ledger) -> None:
    going = decided(ledger)
    decided(ledger, forwarded=False)
    assert [(each.decision, each.outcome, each.certain) for each in listed(ledger)] == [(going, "open", False)]


def test_who_may_have_used_it_called_while_it_was_there(ledger: Ledger) -> None:
    late = decided(ledger)
    ended(ledger, late, "outcome_unknown")
    assert listed(ledger, until=Instant((made_at(late) or 0) - HOUR)) == []


def test_what_was_recorded_before_the_version_is_not_read(ledger: Ledger) -> None:
    moments = []
    for _ in range(20):
        ended(ledger, decided(ledger), "ok", version=1)
        moments.append(ledger.clock.now())
        ledger.clock.at += HOUR
    for at, moment in enumerate(moments):
        assert len(listed(ledger, made=moment)) == 20 - at


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["used", "other", "killed", "unsent", "elsewhere"]), max_size=30), st.integers(1, 7))
def test_pages_lose_nothing_and_repeat_nothing(kinds: list[str], most: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Ledger(Path(folder) / "remit.db")) as ledger:
        wanted = []
        for kind in kinds:
            action = "other:GET /x" if kind == "elsewhere" else ACTION
            made = decided(ledger, action=action)
            outcome = {"killed": "outcome_unknown", "unsent": "not_sent"}.get(kind, "ok")
            credential = {"used": {"version": 1}, "other": {"version": 2}}.get(kind, {})
            if kind == "elsewhere":
                ended(ledger, made, "ok", action=action)
            else:
                ended(ledger, made, outcome, action=action, **credential)
            wanted += [made] if kind in {"used", "killed"} else []
        assert [each.decision for each in listed(ledger, most=most)] == wanted
