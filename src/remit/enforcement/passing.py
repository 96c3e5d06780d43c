"""What is written down beside the decision before anything passes.

Bytes of results, where a boundary limits how many those may be; what a call leaves that would be denied and goes on.
"""

from __future__ import annotations

from remit.enforcement.doubts import Doubts
from remit.enforcement.metrics import Metrics
from remit.enforcement.model import Admitted, EnforcementUnavailable, Outcome
from remit.enforcement.outcomes import Doubt, told_of, undecided
from remit.enforcement.ports import Decider, Records, View
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import RemitError
from remit.policy.model import Call, Denial, Proposal
from remit.storage.model import Work
from remit.storage.ports import Writer


class Passing:
    """Counts results against a volume, and notes what is left. Belongs to the pipeline's event loop."""

    def __init__(
        self, *, decider: Decider, records: Records, writer: Writer, doubts: Doubts, clock: Clock, metrics: Metrics
    ) -> None:
        self._decider = decider
        self._records = records
        self._writer = writer
        self._doubts = doubts
        self._clock = clock
        self._metrics = metrics

    async def count(self, admitted: Admitted, size: int) -> Denial | None:
        """Count `size` bytes of a call's result before they go on; the denial if the boundary's volume is used up.

        Raises:
            EnforcementUnavailable: It could not be counted; nothing may go on.
        """
        if (meter := admitted.meter) is None:
            return None
        if (wanted := meter.wants(size, now=self._clock.now())) is not None:
            try:
                committed = await self._writer.submit_async(Work((), (wanted,)))
            except RemitError as error:
                self._metrics.unavailable.labels("storage").inc()
                raise EnforcementUnavailable("Remit cannot count this result now", detail=repr(error)) from error
            if committed.failed is not None:
                told = Proposal(answer=admitted.answer)
                return self._decider.spent(wanted, admitted.call, told, now=self._clock.now()).answer.denial
            meter.granted += committed.granted[0]
            self._decider.used((wanted,), committed.used)
        meter.passed += size
        return None

    async def leave(self, call: Call, view: View, *, now: Instant) -> None:
        """Note what a call leaves whose decision is recorded, that would be denied and goes on.

        Raises:
            EnforcementUnavailable: It could not be noted; the call may not go on.
        """
        if not (marks := self._decider.leaves(call, view, now=now)):
            return
        try:
            await self._writer.submit_async(Work((), marks))
        except RemitError as error:
            self._metrics.unavailable.labels("storage").inc()
            self._doubts.add([Doubt(told_of(self._records, call, Outcome.NOT_SENT, observed=True))])
            told = undecided(self._decider, call, epoch=view.epoch, now=now)
            raise EnforcementUnavailable("Remit cannot record this now", detail=repr(error), told=told) from error
