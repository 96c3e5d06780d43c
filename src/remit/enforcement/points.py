"""What registered enforcement points ask: a decision for an agent's call, and later what became of it.

Each answer is a real decision through the one pipeline. A call that was let through is made by
the enforcement point, so only it can say how that ended: it has 15 minutes, then the outcome
is `not_observed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import msgspec

from remit.attestation.model import Caller
from remit.enforcement import authzen, authzen_self
from remit.enforcement.model import Admitted, EnforcementUnavailable, Outcome, Point
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.presented import TokenUseless
from remit.enforcement.questions import Questions
from remit.kernel.clock import MINUTE, Clock, Instant
from remit.kernel.errors import Conflict, InDoubt, Malformed, NotFound
from remit.kernel.names import DecisionId, ServerName, new_id
from remit.policy.model import Call, Code
from remit.storage.model import ConsumeProof

REPORT_WITHIN: Final = 15 * MINUTE
MOST_OPEN: Final = 200_000  # about 200 MB; beyond it the oldest are given up before their time
REPORTED: Final = (Outcome.OK, Outcome.ERROR, Outcome.NOT_SENT, Outcome.OUTCOME_UNKNOWN, Outcome.NOT_OBSERVED)
_EVERY: Final = 1.0  # seconds
_AT_ONCE: Final = 500
_UNKNOWN: Final = "there is no such decision"


class ProofUsed(Exception):
    """The proof with an agent's question was used before: 401."""


class Evaluated(msgspec.Struct, frozen=True):
    """A committed answer: the decision's id, and the body that says it.

    `token`: what is wrong with the agent's token that was shown, a code of RFC 6750 section 3.1; empty if nothing is.
    """

    decision: str
    body: Mapping[str, Any]
    token: str = ""


class Points:
    """Decides for enforcement points, and takes their reports. Belongs to the pipeline's event loop.

    Args:
        pipeline: Decides, records and settles.
        questions: Tells what a question is about.
        header: The public header of a decision in the log. Blocks, and raises NotFound.
        clock: Where `now` comes from.
        docs: Where the pages about codes are.
        most: How many outcomes may be waited for.
        node: This node, where several share a database; the outcome is waited for by the one that decided.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        questions: Questions,
        header: Callable[[str], Mapping[str, Any]],
        clock: Clock,
        docs: str,
        most: int = MOST_OPEN,
        node: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._pipeline = pipeline
        self._questions = questions
        self._header = header
        self._clock = clock
        self._docs = docs
        self._most = most
        self._node = node
        self._open: dict[str, Admitted] = {}  # in the order in which they were decided

    async def evaluate(self, asked: authzen.Question, point: Point) -> Evaluated:
        """Decide durably.

        Raises:
            Malformed: The request contradicts itself.
            EnforcementUnavailable: Nothing could be decided or recorded.
        """
        decision = DecisionId(new_id("dec"))
        own_types = self._questions.own_types
        if not self._questions.about_agents(asked):
            return Evaluated(decision, await own_types.evaluate(decision, asked, point))
        try:
            call = self._questions.call(decision, asked, point)
        except TokenUseless:
            return Evaluated(decision, await own_types.unknown(decision, asked, point), "invalid_token")
        if call is None:
            return Evaluated(decision, await own_types.unknown(decision, asked, point))
        return await self._answered(call, asked)

    async def evaluate_own(self, asked: authzen.Question, caller: Caller, proof: ConsumeProof | None) -> Evaluated:
        """Decide durably what an agent asks for itself; its proof is used, whatever comes of it.

        Raises:
            NotItsOwn: It asks for another. Recorded.
            ProofUsed: Its proof was used before. Recorded.
            EnforcementUnavailable: Nothing could be decided or recorded.
        """
        try:
            call = authzen_self.call(asked, id=DecisionId(new_id("dec")), caller=caller, proof=proof)
        except authzen_self.NotItsOwn:
            server = authzen_self.server_of(asked) or ServerName("")
            if not await self._pipeline.refuse(caller, proof, server=server, reason="asked_for_another"):
                raise ProofUsed from None
            raise
        return await self._answered(call, asked)

    async def _answered(self, call: Call, asked: authzen.Question) -> Evaluated:
        admitted, decision = await self._pipeline.admit(call), call.id
        denial = admitted.answer.denial
        if denial is None:
            self._await_outcome(admitted)
            return Evaluated(decision, authzen.allowed(admitted.answer))
        if denial.code is Code.REPLAYED_PROOF:
            raise ProofUsed
        if denial.code is Code.NOT_VISIBLE:
            return Evaluated(decision, authzen.hidden(asked, docs=self._docs))
        body = authzen.denied(self._pipeline.told(admitted, denial))
        return Evaluated(decision, body if call.approval is None else authzen.after_approval(body, denial))

    def not_sent(self, decisions: Iterable[str]) -> None:
        """What was let through is not made after all: its answer was not given."""
        for decision in decisions:
            if (held := self._open.pop(decision, None)) is not None:
                self._pipeline.outcome(held, Outcome.NOT_SENT)

    async def report(self, point: Point, decision: str, outcome: str) -> None:
        """Record what became of a decision of this enforcement point's own, durably and once.

        Raises:
            Malformed: No outcome that can be reported.
            NotFound: No decision of its own.
            Conflict: Its outcome is recorded, or it was a denial.
            EnforcementUnavailable: It could not be recorded.
        """
        if outcome not in REPORTED:
            raise Malformed(f"an outcome is one of {', '.join(REPORTED)}")
        held = self._open.get(decision)
        if held is None:
            raise await asyncio.to_thread(self._closed, point, decision)
        asker = held.call.caller
        if not _asked(point, pep=asker.pep, instance=asker.instance, cooperative=asker.cooperative):
            raise NotFound(_UNKNOWN)
        del self._open[decision]  # before anything is awaited: of two reports at once, one is a conflict
        try:
            await self._pipeline.settle(held, Outcome(outcome))
        except EnforcementUnavailable as error:
            if not isinstance(error.__cause__, InDoubt):
                self._open[decision] = held
            raise

    async def run(self) -> None:
        """Give up, until cancelled, what was not reported in time."""
        while True:
            await asyncio.sleep(_EVERY)
            for _ in range(self._most // _AT_ONCE + 1):
                if not self.give_up():
                    break
                await asyncio.sleep(0)  # other requests are served between two batches

    def give_up(self) -> int:
        """Record `not_observed` for a batch of what is due; how many it was."""
        before = Instant(self._clock.now() - REPORT_WITHIN)
        due = [held for held in islice(self._open.values(), _AT_ONCE) if held.evaluated_at <= before]
        for held in due:
            self._not_observed(held)
        return len(due)

    def _await_outcome(self, admitted: Admitted) -> None:
        # The arguments are in the log; nothing that follows needs them, and there may be many of these.
        self._open[admitted.call.id] = msgspec.structs.replace(admitted, call=replace(admitted.call, arguments=None))
        while len(self._open) > self._most:
            self._not_observed(next(iter(self._open.values())))

    def _not_observed(self, held: Admitted) -> None:
        del self._open[held.call.id]
        self._pipeline.outcome(held, Outcome.NOT_OBSERVED)

    def _closed(self, point: Point, decision: str) -> NotFound | Conflict:
        """What to say of a decision that waits for no outcome."""
        try:
            header = self._header(decision)
        except NotFound:
            return NotFound(_UNKNOWN)
        said = {name: header.get(name) for name in ("pep", "instance", "cooperative")}
        if header.get("kind") != "decision" or not _asked(point, **said):
            return NotFound(_UNKNOWN)
        if header.get("forwarded") is not True:
            why = "was denied" if header.get("decision") == "deny" else "is about no agent's call"
            return Conflict(f"this question {why}: there is no outcome to report")
        if header.get("node") != self._node():
            return Conflict("another node waits for this outcome, or has recorded it", try_="report to who answered")
        return Conflict("the outcome of this decision is recorded already")


def _asked(point: Point, *, pep: object, instance: object, cooperative: object) -> bool:
    """Whether this enforcement point asked for a decision. Of an agent's copies, each reports its own only."""
    return pep == point.name and (not cooperative or instance == point.instance)
