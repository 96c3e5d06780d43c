"""Questions about the organisation's own types: judged by its policies, recorded, and only then answered.

No boundary is asked, for nothing that an organisation declares can be an agent or a server of Remit's. No call
follows through Remit, so no outcome is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.enforcement import authzen
from remit.enforcement.answers import Answers
from remit.enforcement.model import Point
from remit.enforcement.ports import Judges, View
from remit.kernel.canonical import encode
from remit.kernel.clock import Instant
from remit.kernel.names import DecisionId
from remit.policy.declared.judge import Asked, Judgement, Thing
from remit.policy.model import Code, Denial
from remit.policy.record import ENGINE, denial_payload

Aside = Callable[[DecisionId, Asked, Judgement, Any, Instant], None]  # told of each committed answer, with its view
_UNDECLARED: Final = Denial(code=Code.NOT_VISIBLE, step=2, title="Nothing grants this")


class OwnTypes:
    """Answers them. Belongs to the pipeline's event loop."""

    def __init__(self, *, answers: Answers, judges: Judges, docs: str) -> None:
        self._answers = answers
        self._judges = judges
        self._docs = docs
        self.aside: Aside | None = None

    async def evaluate(self, decision: DecisionId, question: authzen.Question, point: Point) -> Mapping[str, Any]:
        """Decide durably; the answer's body.

        Raises:
            EnforcementUnavailable: Nothing could be decided or recorded.
        """
        view = self._answers.view()
        found = self.judge(question, point, view)
        await self._record(decision, question, point, found, view)
        if self.aside is not None:
            self.aside(decision, asked(question), found, view, self._answers.now())
        if found.denial is None:
            return authzen.ALLOWED
        if found.denial.code is Code.NOT_VISIBLE:
            return authzen.hidden(question, docs=self._docs)
        return authzen.refused(question, found.denial, docs=self._docs)

    def judge(self, question: authzen.Question, point: Point, view: View) -> Judgement:
        """The answer to a question, with nothing recorded.

        Raises:
            EnforcementUnavailable: There is none.
        """
        found = self._judges.judge(asked(question), view, instance=point.instance)
        if found.denial is not None and found.denial.code is Code.ENFORCEMENT_UNAVAILABLE:
            raise self._answers.undecided(found.denial.cause or "")
        return found

    async def unknown(self, decision: DecisionId, question: authzen.Question, point: Point) -> Mapping[str, Any]:
        """Record and answer a question about what does not exist here, or not for this agent."""
        await self._answers.decision(decision, authzen.recorded(question, point), _UNDECLARED)
        return authzen.hidden(question, docs=self._docs)

    async def _record(
        self, decision: DecisionId, question: authzen.Question, point: Point, found: Judgement, view: View
    ) -> None:
        fields: dict[str, Any] = authzen.recorded(question, point)
        if found.denial is not None and found.denial.code is Code.NOT_VISIBLE:
            await self._answers.decision(decision, fields, found.denial)
            return
        fields |= {**self._judges.judged_by(view), "named": list(found.policies)}
        if found.denial is not None and found.denial.policy is not None:
            fields["policy"] = found.denial.policy
        sent = question.sent
        said = {"subject": sent.subject, "action": sent.action, "resource": sent.resource, "context": sent.context}
        payload: dict[str, Any] = {"engine": ENGINE, "epoch": view.epoch, "sent": encode(said).decode("utf-8")}
        if found.denial is not None:
            payload["denial"] = denial_payload(found.denial)
        await self._answers.decision(decision, fields, found.denial, payload=payload)


def asked(question: authzen.Question) -> Asked:
    """The question as the policy room takes it."""
    sent = question.sent
    return Asked(
        subject=Thing(*question.subject, sent.subject),
        action=question.action,
        resource=Thing(*question.resource, sent.resource),
        action_properties=sent.action,
        context=sent.context,
    )
