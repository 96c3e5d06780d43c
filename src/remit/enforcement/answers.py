"""Answers to questions about no agent's call: made on a fresh view, and recorded before they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.enforcement.metrics import Metrics
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.ports import Decider, Records, View
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import RemitError
from remit.kernel.names import DecisionId
from remit.policy.model import Denial
from remit.storage.model import Work
from remit.storage.ports import Writer

_OPERATORS: Final = "operators"  # owner of the data key for what is about no agent


class Answers:
    """Records them. Belongs to the pipeline, and to its event loop.

    Args:
        decider: Whose view is asked for.
        records: Makes entries.
        writer: Makes them durable.
        clock: Where `now` comes from.
        metrics: Counters.
        unavailable: Makes the error for a reason, an error or none, no call, and a detail; and counts it.
    """

    def __init__(
        self,
        *,
        decider: Decider,
        records: Records,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        unavailable: Callable[[str, BaseException | None, None, str], EnforcementUnavailable],
    ) -> None:
        self._decider = decider
        self._records = records
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._unavailable = unavailable

    def view(self) -> View:
        """The newest view.

        Raises:
            EnforcementUnavailable: It may be stale, so nothing is decided on it.
        """
        found = self._decider.view()
        if not found.fresh(self._clock.now()):
            raise self._unavailable("stale_view", None, None, "")
        return found

    def now(self) -> Instant:
        """The time."""
        return self._clock.now()

    def undecided(self, cause: str) -> EnforcementUnavailable:
        """What to raise where a question cannot be decided."""
        return self._unavailable("engine", None, None, cause)

    async def decision(
        self,
        decision: DecisionId,
        fields: Mapping[str, Any],
        denial: Denial | None,
        *,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a decision durably, after which nothing is forwarded.

        Args:
            decision: Its id.
            fields: What was asked.
            denial: The answer; None for an allow, which only the organisation's own types get.
            payload: What was sent with it, to be sealed.

        Raises:
            EnforcementUnavailable: It could not be recorded.
        """
        said = {**fields, "decision": "allow" if denial is None else "deny", "forwarded": False}
        if denial is not None:
            said |= {"code": denial.code.value, "step": denial.step}
        about = None if payload is None else _OPERATORS
        await self.noted("decision", said, id=decision, about=about, payload=payload)
        self._metrics.answered(denial)

    async def noted(self, kind: str, fields: Mapping[str, Any], **how: Any) -> None:  # noqa: ANN401 - as `Records.entry`
        """Record something durably, alone.

        Raises:
            EnforcementUnavailable: It could not be recorded.
        """
        try:
            await self._writer.submit_async(Work((self._records.entry(kind, fields, **how),)))
        except RemitError as error:
            raise self._unavailable("storage", error, None, "") from error
