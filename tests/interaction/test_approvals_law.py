"""The law of approvals: whatever happens in whatever order, a call passes once for each, and as it was approved."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.interaction.approvals_world import BOT, OVER, Approvals

from remit.kernel.clock import MINUTE
from remit.kernel.errors import RemitError
from remit.people.change import Actor
from remit.policy.model import Answer, Call
from remit.requests.wanted import Wanted

PEOPLE = ("dana", "lee", "mo")
AMOUNTS = ("300.00", "300.0")  # the same number, and not the same call
WHICH = st.integers(0, 3)
ACTS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(AMOUNTS), st.sampled_from((f"agent:{BOT}", *PEOPLE))),
    st.tuples(st.sampled_from(["approve", "deny", "cancel"]), WHICH, st.sampled_from(PEOPLE)),
    st.tuples(st.just("call"), st.sampled_from(AMOUNTS), st.integers(1, 3)),
    st.tuples(st.just("together"), st.sampled_from(AMOUNTS), st.sampled_from(PEOPLE), st.sampled_from(AMOUNTS)),
    st.tuples(st.just("later"), st.sampled_from([1, 10, 14, 24 * 60])),
    st.tuples(st.just("restart")),
)


class Run:
    """One history."""

    def __init__(self) -> None:
        self.world = Approvals()
        self.known: list[str] = []
        self.asked: dict[str, tuple[str, str]] = {}  # request: the amount, who asked
        self.passed: list[tuple[Call, Answer]] = []

    def act(self, verb: str, *said: Any) -> None:
        with suppress(RemitError):
            getattr(self, verb)(*said)

    def ask(self, amount: str, asker: str) -> None:
        call = self.world.call(OVER | {"amount": Decimal(amount)})
        denial = self.world.policy.tried(call, self.world.facts.view(), now=self.world.rig.clock.now()).denial
        block = denial and self.world.binder.block(call, denial, self.world.rig.clock.now())
        token = block["binding_token"] if block and asker.startswith("agent:") else None
        if token is None and asker.startswith("agent:"):
            return
        found = self.world.requests.ask(Wanted(call=call, asker=asker, token=token), by=Actor(by=asker))
        if found.request not in self.asked:
            self.known.append(found.request)
            self.asked[found.request] = amount, asker

    def approve(self, which: int, person: str) -> None:
        self.world.requests.approve(self.one(which), by=Actor(by=person))

    def deny(self, which: int, person: str) -> None:
        self.world.requests.deny(self.one(which), by=Actor(by=person))

    def cancel(self, which: int, person: str) -> None:
        self.world.requests.cancel(self.one(which), by=Actor(by=person))

    def call(self, amount: str, times: int) -> None:
        calls = [self.world.call(OVER | {"amount": Decimal(amount)}) for _ in range(times)]
        self.passed += [(each.call, each.answer) for each in self.world.at_once(*calls) if each.answer.allowed]

    def together(self, amount: str, person: str, called: str) -> None:
        """What mostly happens: it asks, somebody answers, it calls."""
        self.act("ask", amount, f"agent:{BOT}")
        self.act("approve", len(self.known) - 1, person)
        self.act("call", called, 2)

    def later(self, minutes: int) -> None:
        self.world.later(minutes * MINUTE)

    def restart(self) -> None:
        """All that was in memory is gone."""
        self.world.facts._consumed.clear()
        self.world.rig.writer.read(lambda c: self.world.facts.load(c, epoch=self.world.rig.writer.epoch))

    def one(self, which: int) -> str:
        return self.known[which % len(self.known)] if self.known else "arq_0"


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTS, max_size=25))
def test_a_call_passes_once_for_each_approval_and_as_it_was_approved(acts: list[tuple[Any, ...]]) -> None:
    run = Run()
    for verb, *said in acts:
        run.act(verb, *said)
    world = run.world
    requests = {each.approval: each for each in world.requests.listing() if each.approval}
    allowed = [entry for entry in world.entries("decision") if entry["decision"] == "allow"]
    used = [answer.approval for _, answer in run.passed]
    assert [entry["approval"] for entry in allowed] == used, "and the log says so"
    assert len(set(used)) == len(used), "each approval once"
    for call, answer in run.passed:
        request = requests[str(answer.approval)]
        amount, asker = run.asked[request.request]
        assert str(dict(call.arguments or {})["amount"]) == amount, "the very call that was asked about"
        assert request.binding == world.binder.binding(call)
        assert world.requests.used_by(request.request) == call.id
        assert asker not in request.yes
        assert set(request.yes) <= {"dana", "lee"}, "only who answers for the agent"


def test_the_law_is_about_calls_that_pass() -> None:
    """Histories in which nothing ever passes would prove nothing."""
    run = Run()
    for act in (("ask", "300.00", f"agent:{BOT}"), ("approve", 0, "lee"), ("call", "300.0", 1), ("call", "300.00", 3)):
        run.act(*act)
    run.act("together", "300.00", "lee", "300.0")
    run.act("together", "300.00", "lee", "300.00")
    assert [str(call.arguments and call.arguments["amount"]) for call, _ in run.passed] == ["300.00", "300.00"]
