from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pytest

from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.catalog.model import Server
from remit.enforcement.model import Admitted, EnforcementUnavailable, Outcome
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.streams import Streams, with_tokens
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import InDoubt, StorageUnavailable
from remit.kernel.names import ActionName, AgentName, DecisionId, InstanceId, PurposeName, RunId, ServerName, ToolName
from remit.policy.denial import unavailable
from remit.policy.model import Answer, Call, Code, Denial, Proposal
from remit.storage.memory import MemoryWriter
from remit.storage.model import (
    Activate,
    ActivationRow,
    Committed,
    ConsumeApproval,
    ConsumeProof,
    Entry,
    Release,
    Reserve,
    Work,
)

_numbers = itertools.count()
NOON = 1_795_521_600_000_000
ALLOW = Answer()
REVOKED = Answer(denial=Denial(code=Code.REVOKED, step=3, title="Stopped"))
BUDGET = Reserve(key="budget day b a", window=Instant(0), expires=Instant(NOON * 2), amount=4, limit=5)
RATE = Reserve(key="rate min b a", window=Instant(0), expires=Instant(NOON * 2), amount=1, limit=9)


class Facts:
    """A view, and a decision point that answers as told."""

    def __init__(self) -> None:
        self.epoch = 1
        self.is_fresh = True
        self.proposal: Proposal | Exception = Proposal(answer=ALLOW)
        self.noted: list[Any] = []
        self.prepared: list[str] = []
        self.anew: Proposal | None = None
        self.uses: list[tuple[str, Instant]] = []
        self.vain: list[tuple[str, str, Instant]] = []

    def view(self) -> Facts:
        return self

    def fresh(self, _now: Instant) -> bool:
        return self.is_fresh

    def server(self, _name: str) -> Server | None:
        return None

    def decide(self, _call: Call, _view: Any, *, now: Instant) -> Proposal:
        assert now == NOON
        if isinstance(self.proposal, Exception):
            raise self.proposal
        return self.proposal

    def frozen(self, _call: Call) -> Answer | None:
        return None

    def relaxed(self, proposal: Proposal, _call: Call, _view: Any) -> Proposal:
        return proposal

    def leaves(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("no server is observed here")

    def narrowed(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("lists are not the pipeline's")

    def conditions(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("lists are not the pipeline's")

    def rules(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("lists are not the pipeline's")

    def granted(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("lists are not the pipeline's")

    def ready(self, call: Call) -> bool:
        return call.caller.agent in self.prepared

    def prepare(self, agent: str, *, again: bool = False) -> None:
        self.prepared.append(agent)
        if again and self.anew is not None:
            self.proposal = self.anew

    def started(self, activation: Any) -> None:
        self.noted.append(activation)

    def justified(self, call: Call, at: Instant) -> None:
        self.uses.append((call.id, at))

    def refused(self, call: Call, denial: Denial, at: Instant) -> None:
        self.vain.append((call.id, denial.code.value, at))

    def failed(self, call: Call, at: Instant) -> None:
        self.vain.append((call.id, "error", at))

    def spent(self, _effect: Reserve | ConsumeApproval, _call: Call, _proposal: Proposal, *, now: Instant) -> Proposal:
        return Proposal(answer=Answer(denial=Denial(code=Code.BUDGET_EXHAUSTED, step=10, title=f"Spent at {now}")))

    def consumed(self, effect: Any) -> None:
        self.approvals = [*getattr(self, "approvals", []), effect]

    def recorded(self, _call: Call, proposal: Proposal, _view: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        denial = proposal.answer.denial
        return {"decision": "allow" if denial is None else "deny", "code": denial.code if denial else None}, {}

    def told(self, denial: Denial, _call: Call, *, epoch: int, evaluated_at: Instant) -> Mapping[str, Any]:
        return {"code": denial.code, "epoch": epoch, "evaluated_at": evaluated_at}

    def shown(self, _view: Any, _caller: Caller) -> Collection[ActionName]:
        return ()

    def used(self, reserved: Sequence[Reserve], values: Sequence[int]) -> None:
        self.noted.append((tuple(reserved), tuple(values)))

    def released(self, releases: Iterable[Release]) -> None:
        self.noted.append(tuple(releases))


class Records:
    def entry(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the port's
        about: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Entry:
        sealed = json.dumps([about, payload], default=str).encode() if payload is not None else b""
        return Entry(id or f"{kind}_{next(_numbers)}", json.dumps({"kind": kind, **fields}).encode(), sealed)


class Disk(MemoryWriter):
    def __init__(self) -> None:
        super().__init__()
        self.gone = False
        self.doubt: bool | None = None  # the next commit ends in doubt, and was made (True) or not
        self.works: list[Work] = []

    def submit_async(self, work: Work) -> asyncio.Future[Committed]:
        self.works.append(work)
        made, self.doubt = self.doubt, None
        if not self.gone and made is None:
            return super().submit_async(work)
        if made:
            super().submit_async(work)
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        future.set_exception(StorageUnavailable("gone") if made is None else InDoubt("gone"))
        return future

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(entry.header) for entry in self.entries]


class Desk:
    def __init__(self) -> None:
        self.facts = Facts()
        self.disk = Disk()
        self.open = OpenCalls()
        self.pipeline = Pipeline(
            decider=self.facts, records=Records(), writer=self.disk, recovery=self.open, clock=FixedClock(NOON)
        )

    def value(self, name: str, **labels: str) -> float:
        return self.pipeline.metrics.registry.get_sample_value(name, labels) or 0.0


def question(proof: str | None = None, *, number: int = 1) -> Call:
    return Call(
        id=DecisionId(f"dec_{number}"),
        caller=Caller(
            agent=AgentName("bot"),
            instance=InstanceId("i"),
            credential="c",
            purpose=PurposeName("work"),
            run=RunId("run_1"),
            token="tok_1",
            expires=Instant(NOON),
            bound=True,
        ),
        server=ServerName("s"),
        action=ActionName("s/t"),
        tool=ToolName("t"),
        arguments={},
        proof=None if proof is None else ConsumeProof(proof, Instant(NOON)),
    )


def play(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Desk())

    asyncio.run(main())


def test_an_allow_is_recorded_before_it_is_told() -> None:
    async def scenario(desk: Desk) -> None:
        admitted = await desk.pipeline.admit(question("p"))
        assert admitted.answer.allowed
        assert desk.disk.said() == [{"kind": "decision", "decision": "allow", "code": None}]
        assert "p" in desk.disk.proofs
        assert len(desk.open) == 1
        desk.pipeline.outcome(admitted, Outcome.OK)
        assert len(desk.open) == 1
        await desk.pipeline.drain()
        assert [e["kind"] for e in desk.disk.said()] == ["decision", "outcome"]
        assert len(desk.open) == 0

    play(scenario)


def test_an_outcome_travels_with_the_next_decision() -> None:
    async def scenario(desk: Desk) -> None:
        desk.pipeline.outcome(await desk.pipeline.admit(question()), Outcome.OK)
        await desk.pipeline.admit(question())
        assert len(desk.disk.works) == 2
        assert [e["kind"] for e in desk.disk.said()] == ["decision", "decision", "outcome"]

    play(scenario)


def test_an_outcome_survives_a_decision_that_does_not_commit() -> None:
    async def scenario(desk: Desk) -> None:
        desk.pipeline.outcome(await desk.pipeline.admit(question()), Outcome.OK)
        desk.disk.gone = True
        with pytest.raises(EnforcementUnavailable):
            await desk.pipeline.admit(question())
        desk.disk.gone = False
        await desk.pipeline.drain()
        assert [e["kind"] for e in desk.disk.said()] == ["decision", "outcome"]
        assert desk.value("remit_enforcement_unavailable_total", reason="storage") == 1
        assert len(desk.open) == 0

    play(scenario)


def test_outcomes_wait_for_the_disk() -> None:
    async def scenario(desk: Desk) -> None:
        admitted = await desk.pipeline.admit(question())
        desk.disk.gone = True
        desk.pipeline.outcome(admitted, Outcome.OK)
        await desk.pipeline.drain()
        assert len(desk.open) == 1
        desk.disk.gone = False
        await desk.pipeline.drain()
        assert len(desk.open) == 0

    play(scenario)


@pytest.mark.parametrize("made", [True, False])
def test_a_decision_in_doubt_is_refused_and_its_entry_made_true(made: bool) -> None:  # noqa: FBT001 - a case
    async def scenario(desk: Desk) -> None:
        desk.pipeline.outcome(await desk.pipeline.admit(question(number=1)), Outcome.OK)
        desk.disk.doubt = made
        with pytest.raises(EnforcementUnavailable):
            await desk.pipeline.admit(question(number=2))
        assert len(desk.open) == 2
        assert (await desk.pipeline.admit(question(number=3))).answer.allowed, "an entry in doubt held it up"
        await desk.pipeline.drain()
        told = {e["decision"]: e["outcome"] for e in desk.disk.said() if e["kind"] == "outcome"}
        assert told == ({"dec_1": "ok", "dec_2": "not_sent"} if made else {"dec_1": "ok"})
        assert len({entry.id for entry in desk.disk.entries}) == len(desk.disk.entries)
        assert list(desk.open._open) == ["dec_3"]

    play(scenario)


@pytest.mark.parametrize("made", [True, False])
def test_an_outcome_in_doubt_is_recorded_once(made: bool) -> None:  # noqa: FBT001 - a case
    async def scenario(desk: Desk) -> None:
        admitted = await desk.pipeline.admit(question())
        desk.disk.doubt = made
        desk.pipeline.outcome(admitted, Outcome.OK)
        await desk.pipeline.drain()
        desk.disk.gone = True
        await desk.pipeline.drain()
        assert len(desk.open) == 1
        desk.disk.gone = False
        await desk.pipeline.drain()
        assert [e["kind"] for e in desk.disk.said()] == ["decision", "outcome"]
        assert len(desk.open) == 0

    play(scenario)


@pytest.mark.parametrize("broken", ["view", "engine", "denial"])
def test_what_cannot_be_decided_is_never_an_allow(broken: str) -> None:
    async def scenario(desk: Desk) -> None:
        if broken == "view":
            desk.facts.is_fresh = False
        elif broken == "engine":
            desk.facts.proposal = RuntimeError("engine")
        else:
            denial = Denial(code=Code.ENFORCEMENT_UNAVAILABLE, step=7, title="x", retryable=True)
            desk.facts.proposal = Proposal(answer=Answer(denial=denial))
        with pytest.raises(EnforcementUnavailable):
            await desk.pipeline.admit(question("p"))
        assert [e["kind"] for e in desk.disk.said()] == ["unavailable"]
        assert desk.value("remit_decisions_total", result="allow", code="") == 0
        assert (
            sum(
                s.value
                for m in desk.pipeline.metrics.unavailable.collect()
                for s in m.samples
                if s.name.endswith("total")
            )
            == 1
        )

    play(scenario)


@pytest.mark.parametrize("error", [ValueError("gaps"), KeyError("state"), StorageUnavailable("gone")])
def test_what_cannot_be_loaded_is_recorded_and_refused(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever is wrong with a stored row: a 500 would leave no trace of the call in the log.
    def damaged(*_: object, **__: object) -> None:
        raise error

    async def scenario(desk: Desk) -> None:
        monkeypatch.setattr(desk.facts, "ready", lambda _call: False)
        monkeypatch.setattr(desk.facts, "prepare", damaged)
        with pytest.raises(EnforcementUnavailable):
            await desk.pipeline.admit(question("p"))
        assert [(e["kind"], e["reason"]) for e in desk.disk.said()] == [("unavailable", "storage")]

    play(scenario)


def test_a_replayed_proof_is_a_refusal_and_no_decision() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.pipeline.admit(question("p"))
        again = await desk.pipeline.admit(question("p"))
        assert again.answer.denial is not None
        assert again.answer.denial.code is Code.REPLAYED_PROOF
        assert [e["kind"] for e in desk.disk.said()] == ["decision", "refused"]
        assert not await desk.pipeline.refuse(
            question().caller, ConsumeProof("p", Instant(NOON)), server=ServerName("s"), reason="unknown_method"
        )

    play(scenario)


def test_a_failed_reservation_makes_the_matching_denial() -> None:
    async def scenario(desk: Desk) -> None:
        desk.facts.proposal = Proposal(answer=ALLOW, effects=(BUDGET,))
        first, second = [await desk.pipeline.admit(question(number=number)) for number in (1, 2)]
        assert first.answer.allowed
        assert second.answer.denial is not None
        assert second.answer.denial.code is Code.BUDGET_EXHAUSTED
        assert [e["code"] for e in desk.disk.said()] == [None, "budget_exhausted"]
        assert desk.facts.noted == [((BUDGET,), (4,))]
        assert len(desk.open) == 1

    play(scenario)


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Outcome.OK, {"budget": 4, "rate": 1}),
        (Outcome.ERROR, {"budget": 4, "rate": 1}),
        (Outcome.NOT_SENT, {"budget": 0, "rate": 0}),
        (Outcome.OUTCOME_UNKNOWN, {"budget": 4, "rate": 1}),
        (Outcome.CUT, {"budget": 4, "rate": 1}),
    ],
)
def test_what_a_call_gives_back(outcome: Outcome, left: dict[str, int]) -> None:
    async def scenario(desk: Desk) -> None:
        desk.facts.proposal = Proposal(answer=ALLOW, effects=(BUDGET, RATE))
        desk.pipeline.outcome(await desk.pipeline.admit(question()), outcome)
        await desk.pipeline.drain()
        assert {key[0].split()[0]: used for key, used in desk.disk.counters.items()} == left
        assert desk.value("remit_outcomes_total", outcome=outcome.value) == 1

    play(scenario)


def test_a_change_between_decision_and_forwarding_is_found() -> None:
    async def scenario(desk: Desk) -> None:
        streams = Streams(desk.pipeline.again, desk.pipeline.epoch)
        admitted = await desk.pipeline.admit(question())
        desk.facts.epoch, desk.facts.proposal = 2, Proposal(answer=REVOKED)
        with streams.running(admitted.call, epoch=admitted.epoch) as running:
            assert running.cut is REVOKED
        # Limits do not end a call: it is itself what used them up.
        spent = Answer(denial=Denial(code=Code.BUDGET_EXHAUSTED, step=10, title="x"))
        desk.facts.proposal = Proposal(answer=spent)
        with streams.running(admitted.call, epoch=admitted.epoch) as running:
            assert running.cut is None
        assert len(streams) == 0

    play(scenario)


def test_running_calls_are_cut_once() -> None:
    async def scenario(desk: Desk) -> None:
        streams = Streams(desk.pipeline.again, desk.pipeline.epoch)
        streams.bind(asyncio.get_running_loop())
        admitted: Admitted = await desk.pipeline.admit(question())
        cut: list[Answer | None] = []

        async def running() -> None:
            with streams.running(admitted.call, epoch=1) as call:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cut.append(call.cut)

        task = asyncio.ensure_future(running())
        await asyncio.sleep(0)
        streams.changed()
        await asyncio.sleep(0)
        assert not task.done()
        desk.facts.proposal = Proposal(answer=REVOKED)
        streams.changed()
        streams.changed()
        await task
        assert cut == [REVOKED]

    play(scenario)


START = Activate(("bot", "work", "s/t", "s"), 0, ActivationRow(1, "{}", NOON * 2, NOON, 0, 0, ""))


def test_a_start_that_somebody_made_first_is_decided_once_more_on_what_they_made() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.pipeline.admit(question("p", number=1))
        desk.facts.proposal = Proposal(answer=ALLOW, effects=(START,), verdicts=({"verdict": "start"},))
        assert (await desk.pipeline.admit(question("q", number=2))).answer.allowed
        desk.facts.anew = Proposal(answer=ALLOW)
        admitted = await desk.pipeline.admit(question("r", number=3))
        assert admitted.answer.allowed
        assert [e["kind"] for e in desk.disk.said()] == ["decision", "decision", "verdict", "decision"]
        assert desk.disk.said()[2]["decision"] == "dec_2"
        assert desk.facts.prepared == ["bot", "bot"]
        assert "r" in desk.disk.proofs
        assert len(desk.open) == 3

    play(scenario)


def test_a_start_that_never_succeeds_is_no_decision() -> None:
    async def scenario(desk: Desk) -> None:
        desk.facts.proposal = Proposal(answer=ALLOW, effects=(START,))
        await desk.pipeline.admit(question(number=1))
        with pytest.raises(EnforcementUnavailable):
            await desk.pipeline.admit(question(number=2))
        assert len(desk.open) == 1

    play(scenario)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_a_use_that_came_to_something_justifies(outcome: Outcome) -> None:
    async def scenario(desk: Desk) -> None:
        desk.pipeline.outcome(await desk.pipeline.admit(question()), outcome)
        assert desk.facts.uses == []
        await desk.pipeline.drain()
        assert desk.facts.uses == ([("dec_1", NOON)] if outcome is Outcome.OK else [])
        assert desk.facts.vain == ([("dec_1", "error", NOON)] if outcome is Outcome.ERROR else [])

    play(scenario)


def test_a_denial_is_told_once_it_is_recorded() -> None:
    async def scenario(desk: Desk) -> None:
        desk.facts.proposal = Proposal(answer=REVOKED)
        await desk.pipeline.admit(question())
        assert desk.facts.vain == [("dec_1", "revoked", NOON)]

    play(scenario)


@pytest.mark.parametrize(("shared", "step", "cut"), [(True, 1, True), (False, 1, False), (True, 7, False)])
def test_a_view_that_may_lack_a_stop_of_another_node_ends_what_runs(shared: bool, step: int, cut: bool) -> None:  # noqa: FBT001 - a table
    async def scenario(desk: Desk) -> None:
        streams = Streams(desk.pipeline.again, desk.pipeline.epoch, shared=shared)
        admitted = await desk.pipeline.admit(question())
        with streams.running(admitted.call, epoch=admitted.epoch) as running:
            running.task = None
            desk.facts.proposal = Proposal(answer=Answer(denial=unavailable(step=step, cause="stale")))
            await streams.sweep()
            assert (running.cut is not None) is cut

    play(scenario)


def test_a_revoked_token_ends_what_it_started() -> None:
    async def scenario(desk: Desk) -> None:
        revoked: set[str] = set()
        streams = Streams(
            with_tokens(revoked.__contains__, desk.pipeline.again),
            desk.pipeline.epoch,
            with_tokens(revoked.__contains__, lambda _: None),
        )
        admitted = await desk.pipeline.admit(question())
        with streams.running(admitted.call, epoch=admitted.epoch) as running:
            running.task = None
            streams.recheck(("token:other",))
            assert running.cut is None
            revoked.add("tok_1")
            streams.recheck(("token:tok_1",))
            assert running.cut is not None
            assert running.cut.denial is not None
            assert running.cut.denial.code is Code.REVOKED
        with streams.running(admitted.call, epoch=0) as late:
            assert late.cut is not None

    play(scenario)
