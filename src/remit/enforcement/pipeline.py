"""From a call to a committed decision, and from what became of it to a recorded outcome. Every front uses this one.

Recorded before it leaves: nothing may be forwarded until `admit` has returned, and it
returns only once the decision is durable. The committed answer is the decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from remit.attestation.model import Caller
from remit.enforcement import lanes, outcomes
from remit.enforcement.answers import Answers
from remit.enforcement.doorstep import Doorstep
from remit.enforcement.doubts import MAX_WAITING, RETRY_SECONDS, Doubts
from remit.enforcement.metered import split
from remit.enforcement.metrics import Metrics
from remit.enforcement.model import Admitted, EnforcementUnavailable, Outcome
from remit.enforcement.outcomes import ANEW, Anew, Doubt, Waiting, asked_by, told_of
from remit.enforcement.passing import Passing
from remit.enforcement.ports import Decider, Records, Recovery, View
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import InDoubt, RemitError
from remit.kernel.names import ServerName
from remit.logs import logger
from remit.policy.model import Answer, Call, Code, Denial, Proposal
from remit.storage.model import Activate, ConsumeApproval, ConsumeProof, Effect, Entry, Mark, Reserve, Work
from remit.storage.ports import Writer

log = logger(__name__)

# An outcome waits this long for a decision to travel with: one commit then carries both.
_RIDE_SECONDS: Final = 0.005
_MOST_ATTEMPTS: Final = 24  # each one knows a fact more, and a rule hardly has so many
Aside = Callable[[Call, Answer, Any, Instant], None]  # told of each committed decision, with its view; quick
_REPLAYED: Final = Answer(
    denial=Denial(code=Code.REPLAYED_PROOF, step=2, title="This proof was used before; make a new one for each request")
)


class Pipeline:
    """Decides, records and settles calls. Belongs to one event loop.

    Args:
        decider: The policy decision point. `records`: makes entries.
        writer: Makes them durable, with the decisions' effects.
        recovery: Told which allowed calls are open.
        clock: Where `now` comes from.
        metrics: Counters.
    """

    def __init__(
        self,
        *,
        decider: Decider,
        records: Records,
        writer: Writer,
        recovery: Recovery,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._decider = decider
        self._records = records
        self._writer = writer
        self._recovery = recovery
        self._clock = clock
        self.metrics = metrics or Metrics()
        self.aside: Aside | None = None
        self.doorstep = Doorstep(records=records, writer=writer, clock=clock, metrics=self.metrics)
        self.answers = Answers(
            decider=decider, records=records, writer=writer, clock=clock, metrics=self.metrics,
            unavailable=self._unavailable,
        )  # fmt: skip
        self.passing = Passing(decider=decider, writer=writer, clock=clock, metrics=self.metrics)
        self._waiting: list[Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._settling: set[asyncio.Future[Any]] = set()
        self._doubts = Doubts(writer, keep=self._keep, closed=self._closed)

    async def admit(self, call: Call) -> Admitted:
        """Decide `call` durably.

        Raises:
            EnforcementUnavailable: Nothing could be decided or recorded; nothing may be forwarded.
        """
        started = time.perf_counter()
        admitted, attempts = await self._attempt(call), 1
        while not isinstance(admitted, Admitted):
            if attempts == _MOST_ATTEMPTS or (isinstance(admitted, Activate) and attempts > 1 + len(call.otherwise)):
                raise self._unavailable("contention", None, call)
            call = await self._anew(call, admitted)
            admitted = await self._attempt(call)
            attempts += 1
        self.metrics.seconds.observe(time.perf_counter() - started)
        self.metrics.decided(admitted.answer)
        lanes.decided()
        if (denial := admitted.answer.denial) is not None:
            self._decider.refused(call, denial, admitted.evaluated_at)
        return admitted

    async def _anew(self, call: Call, failed: Anew) -> Call:
        """The call as it is asked once more, because the committed state was not as it was decided on.

        The proof is used. Somebody was faster in starting the same entitlement; or of what its run did before, the
        writer knows otherwise.
        """
        if isinstance(failed, Activate):
            await self._load(call, again=True)
            return replace(call, proof=None)
        return replace(call, proof=None, otherwise=call.otherwise | {failed.key})

    async def _attempt(self, call: Call) -> Admitted | Anew:
        """Decide and commit once; the effect that failed if the committed state was not the one decided on."""
        if not self._decider.ready(call):
            await self._load(call)
        now, view = self._clock.now(), self._decider.view()
        proposal = self._propose(call, view, now=now)
        if proposal.answer.allowed:
            # Before the writer has it, so that the mark of the calls without an outcome never passes it.
            self._recovery.note_open(call.id)
        answer, granted = await self._commit(call, proposal, view, now=now)
        if not isinstance(answer, Answer):
            self._recovery.note_closed(call.id)
            return answer
        if self.aside is not None:
            self.aside(call, answer, view, now)
        if answer.denial is not None:
            self._recovery.note_closed(call.id)
        if answer.denial or answer.would_deny:  # nothing is reserved: a failed reservation undid the others
            return Admitted(call, answer, view.epoch, now, view.server(call.server))
        reserved, meter = split(outcomes.reserves(proposal.effects), granted)
        if answer.opening is not None:
            call = replace(call, under=answer.opening)  # it ends with the opening, and what it uses is not renewed
        return Admitted(call, answer, view.epoch, now, view.server(call.server), reserved, meter, proposal.after)

    async def _load(self, call: Call, *, again: bool = False) -> None:
        try:
            await asyncio.to_thread(self._decider.prepare, call.caller.principal, again=again)
        except Exception as error:  # what cannot be read decides nothing, whatever is wrong with it
            raise self._unavailable("storage", error, call) from error

    def again(self, call: Call) -> Answer:
        """The answer `call` would get now, with nothing recorded: for calls that are already running."""
        return self._decider.decide(call, self._decider.view(), now=self._clock.now()).answer

    def frozen(self, call: Call) -> Answer | None:
        """The denial of a call that a freeze covers now, else None."""
        return self._decider.frozen(call)

    def epoch(self) -> int:
        """The newest view's epoch."""
        return self._decider.view().epoch

    def told(self, admitted: Admitted, denial: Denial) -> dict[str, Any]:
        """A denial of this call as the agent gets it."""
        return dict(self._decider.told(denial, admitted.call, epoch=admitted.epoch, evaluated_at=admitted.evaluated_at))

    def told_now(self, admitted: Admitted, denial: Denial) -> dict[str, Any]:
        """A denial that ends this call while it runs, as the agent gets it: of this moment, not of its decision's."""
        return dict(self._decider.told(denial, admitted.call, epoch=self.epoch(), evaluated_at=self._clock.now()))

    async def refuse(
        self,
        caller: Caller,
        proof: ConsumeProof | None,
        *,
        server: ServerName,
        reason: str,
        **fields: str,
    ) -> bool:
        """Record that a request was refused before any decision; true if its proof had not been used before.

        Raises:
            EnforcementUnavailable: It could not be recorded.
        """
        self.metrics.refused.labels(reason).inc()
        said = {"agent": caller.agent, "instance": caller.instance, "server": server, "reason": reason, **fields}
        work = Work((self._records.entry("refused", said),), (proof,) if proof else (), self._replayed(caller, server))
        try:
            return (await self._writer.submit_async(work)).failed is None
        except RemitError as error:
            raise self._unavailable("storage", error) from error

    async def conclude(self, admitted: Admitted, outcome: Outcome, *, detail: str = "", cause: str = "") -> None:
        """As `outcome`, and wait until it is recorded: what the run does next may stand on it.

        If it cannot be recorded, what stands on it will be refused; the answer need not wait for that.
        """
        if (future := self.outcome(admitted, outcome, detail=detail, cause=cause)) is not None:
            await asyncio.wait([future])

    def outcome(
        self, admitted: Admitted, outcome: Outcome, *, detail: str = "", cause: str = ""
    ) -> asyncio.Future[Any] | None:
        """Record what became of an allowed call. Nobody need wait: it goes with the next decision, or soon alone.

        `cause` is what cut it: a freeze's id, or the code that it would be denied with now. What commits with it goes
        at once, and is returned.
        """
        self.metrics.outcomes[outcome].inc()
        if detail:
            log.info("call ended", decision=admitted.call.id, outcome=outcome.value, detail=detail)
        waiting = outcomes.ended(self._records, admitted, outcome, cause)
        if effects := outcomes.effects_of(admitted, outcome):
            return self._settle([waiting], effects)
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_RIDE_SECONDS, self._flush)
        return None

    async def settle(self, admitted: Admitted, outcome: Outcome) -> None:
        """Record durably what an enforcement point says became of its call.

        Raises:
            EnforcementUnavailable: It is not recorded. After an `InDoubt` it will be, unless it is already.
        """
        waiting, effects = outcomes.ended(self._records, admitted, outcome), outcomes.effects_of(admitted, outcome)
        try:
            await self._writer.submit_async(Work((waiting.entry,), effects))
        except RemitError as error:
            if isinstance(error, InDoubt):
                self._doubts.add([Doubt(waiting)])
            raise self._unavailable("storage", error) from error
        self.metrics.outcomes[outcome].inc()
        self._closed([waiting])
        self._decider.released(outcomes.releases(effects))

    async def drain(self) -> None:
        """Make every outcome told so far durable."""
        self._flush()
        self._doubts.settle()
        while self._settling:
            await asyncio.wait(set(self._settling))

    def incident(self, what: str, *, call: Call, detail: str) -> None:
        """Record that something happened which should not."""
        log.error("incident", what=what, decision=call.id, detail=detail)
        fields = {"what": what, "decision": call.id, "agent": call.caller.agent, "action": call.action}
        self._keep(self._writer.submit_async(Work((self._records.entry("incident", fields),))))

    def _propose(self, call: Call, view: View, *, now: Instant) -> Proposal:
        if not view.fresh(now):
            raise self._unavailable("stale_view", None, call)
        try:
            proposal = self._decider.decide(call, view, now=now)
        except Exception as error:
            # No engine, no decision (invariant 1); whatever broke must never read as an allow.
            raise self._unavailable("engine", error, call) from error
        denial = proposal.answer.denial
        if denial is not None and denial.code is Code.ENFORCEMENT_UNAVAILABLE:
            raise self._unavailable("engine", None, call, denial.cause or denial.title)
        return proposal

    async def _commit(
        self, call: Call, proposal: Proposal, view: View, *, now: Instant
    ) -> tuple[Answer | Anew, tuple[int, ...]]:
        """The committed answer, or what makes it be decided anew; and what its reservations got."""
        effects: tuple[Effect, ...] = proposal.effects
        if call.proof is not None and call.proof not in effects:
            effects = (call.proof, *effects)
        failed_answer: list[Answer] = []
        riders = self._board()

        def otherwise(effect: Effect) -> tuple[Entry, ...]:
            if isinstance(effect, ANEW):
                return tuple(rider.entry for rider in riders)  # it is decided once more
            entry, answer = self._failed(effect, call, proposal, view, now=now)
            failed_answer.append(answer)
            return (entry, *(rider.entry for rider in riders))

        try:
            entry = self._decision(call, proposal, view)
            verdicts = [self._records.entry("verdict", {"decision": call.id, **said}) for said in proposal.verdicts]
            work = Work((entry, *verdicts, *(rider.entry for rider in riders)), effects, otherwise)
            committed = await self._writer.submit_async(work)
        except RemitError as error:
            self._not_committed(call, proposal, riders, error)
            raise self._unavailable("storage", error, about=call) from error
        if riders:
            # What is durable is closed while this call is on its way: nobody waits for that.
            asyncio.get_running_loop().call_soon(self._closed, riders)
        if isinstance(committed.failed, ANEW):
            return committed.failed, ()
        if committed.failed is not None:
            failed = failed_answer or [self._failed(committed.failed, call, proposal, view, now=now)[1]]
            await self._left(call, failed[-1], outcomes.marks(effects))
            return failed[-1], ()
        outcomes.noted(self._decider, proposal, committed)
        return proposal.answer, committed.granted

    async def _left(self, call: Call, answer: Answer, left: tuple[Mark, ...]) -> None:
        """Note what the writer undid with the rest, of a call that goes on all the same."""
        if answer.would_deny is None or not left:
            return
        try:
            await self._writer.submit_async(Work((), left))
        except RemitError as error:
            self._doubts.add([Doubt(told_of(self._records, call, Outcome.NOT_SENT, observed=True), given=call.id)])
            raise self._unavailable("storage", error, about=call) from error

    def _not_committed(self, call: Call, proposal: Proposal, riders: list[Waiting], error: RemitError) -> None:
        """The call is refused and never leaves; what of it may be recorded all the same is made true."""
        if not isinstance(error, InDoubt):
            self._waiting[:0] = riders
            self._recovery.note_closed(call.id)
            return
        # Riders must not travel with another decision: one that is recorded already would make each one fail.
        doubts = [Doubt(rider) for rider in riders]
        if proposal.answer.allowed:
            # Its entry may say that it was let through. It stays open until its outcome does not say otherwise.
            doubts.append(Doubt(told_of(self._records, call, Outcome.NOT_SENT), given=call.id))
        self._doubts.add(doubts)

    def _decision(self, call: Call, proposal: Proposal, view: View) -> Entry:
        fields, payload = self._decider.recorded(call, proposal, view)
        return self._records.entry("decision", fields, id=call.id, about=f"agent:{call.caller.agent}", payload=payload)

    def _failed(self, effect: Effect, call: Call, was: Proposal, view: View, *, now: Instant) -> tuple[Entry, Answer]:
        if isinstance(effect, (Reserve, ConsumeApproval)):
            spent = self._decider.relaxed(self._decider.spent(effect, call, was, now=now), call, view)
            return self._decision(call, spent, view), spent.answer
        return self._replayed(call.caller, call.server)(effect)[0], _REPLAYED

    def _replayed(self, caller: Caller, server: str) -> Callable[[Effect], tuple[Entry, ...]]:
        fields = {"agent": caller.agent, "instance": caller.instance, "server": server, "reason": "replayed_proof"}
        return lambda _effect: (self._records.entry("refused", fields),)

    def _unavailable(
        self,
        reason: str,
        error: BaseException | None,
        call: Call | None = None,
        detail: str = "",
        *,
        about: Call | None = None,
    ) -> EnforcementUnavailable:
        """The error to raise, counted and logged. `call`: recorded too; `about`: only told of."""
        self.metrics.failed(reason)
        detail = detail or (f"{error!r} {getattr(error, 'detail', '')}" if error else reason)
        log.error("enforcement unavailable", reason=reason, detail=detail[:500])
        if call is not None:
            fields = {"agent": call.caller.agent, "action": call.action, "reason": reason, **asked_by(call.caller)}
            entry, effects = self._records.entry("unavailable", fields), (call.proof,) if call.proof else ()
            self._keep(self._writer.submit_async(Work((entry,), effects)))
        told = outcomes.undecided(self._decider, call or about, epoch=self.epoch(), now=self._clock.now())
        return EnforcementUnavailable("Remit cannot decide or record this now", detail=detail, told=told)

    def _board(self) -> list[Waiting]:
        riders, self._waiting = self._waiting, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return riders

    def _flush(self) -> None:
        if riders := self._board():
            self._settle(riders, ())

    def _settle(self, riders: list[Waiting], effects: tuple[Effect, ...]) -> asyncio.Future[Any]:
        future = self._writer.submit_async(Work(tuple(rider.entry for rider in riders), effects))
        self._keep(future)
        future.add_done_callback(lambda done: self._settled(done, riders, effects))
        return future

    def _settled(self, done: asyncio.Future[Any], riders: list[Waiting], effects: tuple[Effect, ...]) -> None:
        if done.cancelled():
            return
        if done.exception() is None:
            self._closed(riders)
            self._decider.released(outcomes.releases(effects))
            return
        if isinstance(done.exception(), InDoubt):
            self._doubts.add([Doubt(rider) for rider in riders])
            return
        # The database is gone. What cannot be recorded in time is found open at restart: outcome_unknown.
        self._waiting = (riders + self._waiting)[:MAX_WAITING]
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._flush)

    def _closed(self, riders: list[Waiting]) -> None:
        for rider in riders:
            if rider.used is not None:
                # Before it is closed: what is neither noted nor open would be missing after a crash.
                self._decider.justified(rider.used, self._clock.now())
            if rider.failed is not None:
                self._decider.failed(rider.failed, self._clock.now())
            self._recovery.note_closed(rider.decision)

    def _keep(self, future: asyncio.Future[Any]) -> None:
        self._settling.add(future)
        future.add_done_callback(self._kept)

    def _kept(self, future: asyncio.Future[Any]) -> None:
        self._settling.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            log.error("not recorded", detail=repr(error))
