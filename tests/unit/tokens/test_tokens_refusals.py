from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.attestation.model import Attested
from remit.kernel.clock import DAY, SECOND, Instant
from remit.kernel.names import AgentName
from remit.storage.memory import MemoryWriter
from remit.storage.model import ConsumeProof, Entry
from remit.tokens import refusals as refusals_module
from remit.tokens.check import TokenInvalid
from remit.tokens.model import OAuthError, TokenRefused
from remit.tokens.refusals import BadTokens, Budget, Refusals

REFUSED = TokenRefused(OAuthError.INVALID_CLIENT, "no", reason="why")


class Records:
    def __init__(self) -> None:
        self.fields: list[Any] = []

    def entry(self, kind: str, fields: Any, **_: Any) -> Entry:
        self.fields.append({"kind": kind, **fields})
        return Entry(f"ref_{len(self.fields)}", b"{}")


def attested(name: str) -> Attested:
    return Attested(agent=AgentName(name), credential="thumb", method="private_key_jwt")


@given(st.lists(st.integers(0, 3 * SECOND), max_size=400))
def test_a_budget_is_never_exceeded(gaps: list[int]) -> None:
    budget, now, taken = Budget(every=SECOND, burst=5), 0, []
    for gap in gaps:
        now += gap
        if budget.take(Instant(now)) is not None:
            taken.append(now)
    for index, start in enumerate(taken):
        window = [each for each in taken[index:] if each < start + 10 * SECOND]
        assert len(window) <= 5 + 10


def test_what_is_not_recorded_is_counted() -> None:
    budget = Budget(every=SECOND, burst=2)
    assert [budget.take(Instant(10 * SECOND)) for _ in range(5)] == [0, 0, None, None, None]
    assert budget.take(Instant(11 * SECOND)) == 3
    assert budget.take(Instant(100 * SECOND)) == 0


def test_strangers_cannot_fill_the_disk() -> None:
    """A million requests a day leave 14,460 entries."""
    writer, records = MemoryWriter(), Records()
    refusals = Refusals(writer, records)
    for number in range(0, DAY, DAY // 100_000):
        refusals.record(REFUSED, attested=None, uses=(), now=Instant(number))
    assert len(writer.entries) <= 60 + DAY // (6 * SECOND)
    assert sum(each.get("suppressed", 0) for each in records.fields) + len(records.fields) >= 99_990


def test_a_noisy_stranger_does_not_hide_an_agent() -> None:
    writer, records = MemoryWriter(), Records()
    refusals = Refusals(writer, records)
    for _ in range(1000):
        refusals.record(REFUSED, attested=None, uses=(), now=Instant(0))
    refusals.record(REFUSED, attested=attested("a"), uses=(), now=Instant(0))
    refusals.record(REFUSED, attested=attested("b"), uses=(), now=Instant(0))
    assert [each.get("agent") for each in records.fields[-2:]] == ["a", "b"]
    assert len(records.fields) == 62


def test_a_name_that_was_only_claimed_is_not_recorded() -> None:
    writer, records = MemoryWriter(), Records()
    Refusals(writer, records).record(REFUSED, attested=None, uses=(), now=Instant(0))
    assert records.fields == [{"kind": "refused", "door": "token", "error": "invalid_client", "reason": "why"}]


def test_a_replayed_assertion_is_recorded_too() -> None:
    writer, records = MemoryWriter(), Records()
    refusals = Refusals(writer, records)
    for _ in range(2):
        refusals.record(
            REFUSED, attested=attested("a"), uses=(ConsumeProof("assertion:a:1", Instant(9)),), now=Instant(0)
        )
    assert len(writer.entries) == 2
    assert list(writer.proofs) == ["assertion:a:1"]


def shown(
    error: str, description: str = "the token is not valid", *, detail: str = "", token: str = "", agent: str = ""
) -> TokenInvalid:
    found = TokenInvalid(error, description, "DPoP", detail=detail)
    found.token, found.agent = token, agent
    return found


def test_a_bad_token_leaves_an_entry_that_says_why_and_names_nobody() -> None:
    records = Records()
    made = BadTokens(records).entry(
        shown("invalid_token", detail="signature", token="tok_1"), now=Instant(0), door="mcp", server="payments"
    )
    assert made is not None
    said = {"door": "mcp", "server": "payments", "error": "invalid_token", "reason": "signature", "token": "tok_1"}
    assert records.fields == [{"kind": "refused"} | said]


def test_who_shows_nothing_begins_and_leaves_no_entry() -> None:
    records = Records()
    assert BadTokens(records).entry(shown("", "a token is needed"), now=Instant(0), door="mcp") is None
    assert records.fields == []


def test_bad_tokens_cannot_fill_the_disk_and_nonces_hide_none_of_them() -> None:
    records = Records()
    bad = BadTokens(records)
    for number in range(0, DAY, DAY // 20_000):
        bad.entry(shown("use_dpop_nonce"), now=Instant(number), door="mcp")
    assert len(records.fields) <= 60 + DAY // (6 * SECOND)
    before = len(records.fields)
    for _ in range(100):
        bad.entry(shown("invalid_token", detail="x" * 999), now=Instant(DAY), door="mcp")
    found = records.fields[before:]
    assert len(found) == 60
    assert {len(each["reason"]) for each in found} == {200}
    assert bad.entry(shown("invalid_token"), now=Instant(DAY + 6 * SECOND), door="mcp") is not None
    assert records.fields[-1]["suppressed"] == 40


def test_an_agents_tokens_have_a_budget_that_neither_strangers_nor_other_agents_spend() -> None:
    records = Records()
    bad = BadTokens(records)
    for _ in range(100):
        bad.entry(shown("invalid_token"), now=Instant(0), door="mcp")
        bad.entry(shown("invalid_token", token="tok_n", agent="noisy"), now=Instant(0), door="mcp")
        bad.entry(shown("use_dpop_nonce", token="tok_1", agent="bot"), now=Instant(0), door="mcp")
    assert len(records.fields) == 180
    made = bad.entry(shown("invalid_token", token="tok_1", agent="bot"), now=Instant(0), door="mcp")
    assert made is not None
    assert records.fields[-1]["token"] == "tok_1"
    assert "suppressed" not in records.fields[-1]
    assert all("agent" not in each for each in records.fields)
    assert bad.entry(shown("invalid_token", agent="noisy"), now=Instant(SECOND), door="mcp") is not None
    assert records.fields[-1]["suppressed"] == 40


def test_there_are_not_ever_more_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals_module, "_MOST_AGENTS", 2)
    bad = BadTokens(Records())
    for name in ("a", "b", "a", "c", "d"):
        bad.entry(shown("invalid_token", agent=name), now=Instant(0), door="mcp")
    assert [name for name, _ in bad._agents] == ["c", "d"]
