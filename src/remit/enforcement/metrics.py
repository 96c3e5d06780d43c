"""What operators watch: decisions by result, refusals for want of Remit itself apart from them, and time."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from remit.enforcement.model import Outcome
from remit.enforcement.pace import ALLOW, DENY, OTHER, Pace
from remit.policy.model import Answer, Denial

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """Counters of the enforcement points."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.registry = registry
        self.decisions = Counter(
            "remit_decisions", "Committed decisions by result and denial code", ("result", "code"), registry=registry
        )
        self.unavailable = Counter(
            "remit_enforcement_unavailable",
            "Calls refused because nothing could be decided or recorded",
            ("reason",),
            registry=registry,
        )
        self.refused = Counter(
            "remit_refused", "Requests refused before a decision, by reason", ("reason",), registry=registry
        )
        outcomes = Counter("remit_outcomes", "What became of allowed calls", ("outcome",), registry=registry)
        self.outcomes = {outcome: outcomes.labels(outcome.value) for outcome in Outcome}
        self.seconds = Histogram(
            "remit_decision_seconds", "From a parsed call to its durable decision", buckets=_SECONDS, registry=registry
        )
        self.allowed = self.decisions.labels("allow", "")
        self.pace = Pace()

    def decided(self, answer: Answer) -> None:
        """Count a committed answer. What would be denied and goes on is no allow."""
        if answer.would_deny is not None:
            self.decisions.labels("would_deny", answer.would_deny.code.value).inc()
            self.pace.count(OTHER)
        else:
            self.answered(answer.denial)

    def failed(self, reason: str) -> None:
        """Count a call that nothing could decide, or record."""
        self.unavailable.labels(reason).inc()
        self.pace.count(OTHER)

    def answered(self, denial: Denial | None) -> None:
        """Count a committed yes (None) or no."""
        if denial is None:
            self.allowed.inc()
            self.pace.count(ALLOW)
        else:
            self.decisions.labels("deny", denial.code.value).inc()
            self.pace.count(DENY)
