"""Bytes of results, counted before they go on to the agent, where a boundary limits how many those may be."""

from __future__ import annotations

from remit.enforcement.metered import Meter
from remit.enforcement.metrics import Metrics
from remit.enforcement.model import Admitted, EnforcementUnavailable
from remit.enforcement.ports import Decider
from remit.kernel.clock import Clock
from remit.kernel.errors import RemitError
from remit.policy.model import Denial, Proposal
from remit.storage.model import Reserve, Work
from remit.storage.ports import Writer


class Passing:
    """Counts results against a volume. Belongs to the pipeline's event loop."""

    def __init__(self, *, decider: Decider, writer: Writer, clock: Clock, metrics: Metrics) -> None:
        self._decider = decider
        self._writer = writer
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
                return self._used_up(admitted, meter, wanted)
            meter.granted += committed.granted[0]
            self._decider.used((wanted,), committed.used)
        meter.passed += size
        return None

    def _used_up(self, admitted: Admitted, meter: Meter, wanted: Reserve) -> Denial | None:
        """The denial; None on a server that is only observed: the result goes on, and all that was left is used."""
        call, told = admitted.call, Proposal(answer=admitted.answer)
        spent = self._decider.spent(wanted, call, told, now=self._clock.now())
        denial = self._decider.relaxed(spent, call, self._decider.view()).answer.denial
        if denial is None:
            meter.passed = meter.granted
        return denial
