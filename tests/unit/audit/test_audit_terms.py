"""What entries are found by: the index never hides what the entries themselves say, and packs what it holds."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.audit.terms import BYTES, STRETCH, Sought, indexed, packed, slots, unpacked, words
from remit.kernel.clock import Instant, parse_date_end, rfc3339

_NAMES = st.sampled_from(
    ["invoice-bot", "payments/transfer", "dana", "Ünïcode Bot", "\u202eevil", "<b>x</b>", "a" * 300]
)
_SAID = st.fixed_dictionaries(
    {"kind": st.sampled_from(["decision", "outcome", "change"]), "time": st.integers(1, 2**50).map(rfc3339)},
    optional={
        "agent": _NAMES, "action": _NAMES, "target_name": _NAMES, "by": _NAMES, "code": _NAMES, "run": _NAMES,
        "decision": st.sampled_from(["allow", "deny", "would_deny", "dec_1"]),
        "name": st.one_of(_NAMES, st.integers(), st.none()),
        "credential": st.one_of(st.just("k"), st.fixed_dictionaries({"secret": _NAMES})),
    },
)  # fmt: skip
_ASKED = st.builds(
    Sought,
    fields=st.one_of(
        st.dictionaries(
            st.sampled_from(["agent", "action", "target_name", "person", "answer", "secret", "run", "kind"]),
            _NAMES,
            max_size=2,
        ),
        st.fixed_dictionaries({"agent": _NAMES, "answer": st.sampled_from(["allow", "deny", "would_deny"])}),
    ),
    text=st.sampled_from(["", "bot", "INVOICE bot", "evil", "ünïcode", "nowhere", "a" * 300]),
    since=st.one_of(st.none(), st.integers(1, 2**50).map(Instant)),
    until=st.one_of(st.none(), st.integers(1, 2**50).map(Instant)),
)  # fmt: skip


@given(st.lists(_SAID, min_size=1, max_size=40), _ASKED)
def test_whatever_answers_by_its_own_words_is_in_the_index(entries: list[dict[str, Any]], sought: Sought) -> None:
    found = indexed([json.dumps(each).encode() for each in entries])
    for slot, entry in enumerate(entries):
        if sought.takes(entry):
            assert all(found.places.get(each, 0) >> slot & 1 for each in sought.terms())
            assert found.earliest <= parse_date_end(entry["time"]) <= found.latest


@given(st.sets(st.integers(0, STRETCH - 1)))
def test_places_come_back_as_they_were(places: set[int]) -> None:
    bits = sum(1 << each for each in places)
    assert unpacked(packed(bits)) == bits
    assert len(packed(bits)) <= BYTES
    assert list(slots(bits)) == sorted(places, reverse=True)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_what_cannot_be_read_is_no_answer_and_no_failure(raw: list[bytes]) -> None:
    assert indexed(raw).latest >= indexed(raw).earliest


def test_an_agents_refusals_are_looked_for_where_it_was_refused() -> None:
    """By one term that only they have: not by what the agent and the refusals of all others have in every stretch."""
    kept = [{"kind": "decision", "agent": "bot", "decision": said, "time": rfc3339(1)} for said in ("allow", "deny")]
    found = indexed([json.dumps(each).encode() for each in kept])
    (only,) = Sought(fields={"agent": "bot", "answer": "deny"}).terms()
    assert found.places[only] == 0b10
    assert Sought(fields={"agent": "other", "answer": "deny"}).terms()[0] not in found.places


def test_a_decision_is_no_answer_to_the_name_of_its_outcome() -> None:
    outcome = {"kind": "outcome", "decision": "dec_1", "time": rfc3339(1)}
    assert not Sought(fields={"answer": "dec_1"}).takes(outcome)


def test_words_are_letters_and_digits_without_case() -> None:
    assert words("Payments/transfer_ALL 7") == ["payments", "transfer", "all", "7"]
    assert words("-- <>") == []
