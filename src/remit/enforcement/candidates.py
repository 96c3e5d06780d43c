"""What may fill the gap of a search, by name and in order; and whether a question about an agent would be allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from remit.enforcement import authzen
from remit.enforcement import authzen_coaz as coaz
from remit.enforcement.authzen_search import Gap, Search
from remit.enforcement.model import EnforcementUnavailable, Point
from remit.enforcement.ports import Judges, View
from remit.kernel.errors import Malformed
from remit.kernel.names import DecisionId, PurposeName, split_action
from remit.policy.model import Code

# Without arguments a search asks whether there are any with which the call is allowed.
_FOR_WANT_OF_ARGUMENTS = frozenset({Code.INVALID_ARGUMENTS, Code.CONSTRAINT_VIOLATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Lists them from memory.

    Args:
        judges: The policy room.
        purposes: The purposes of an agent; None if there is no such agent.
    """

    judges: Judges
    purposes: Callable[[str], Sequence[PurposeName] | None]

    def names(self, asked: Search, view: View) -> Sequence[str]:
        """Of the organisation's own types: entities that are stored, and actions that are declared. Of Remit's own:
        what the agent's boundaries name, and the agents whose boundaries name it. In COAZ's spelling: nothing, for an
        evaluation takes it for a question about an agent's call, whatever is declared under these names.

        Raises:
            EnforcementUnavailable: What the organisation declared cannot be read.
        """
        question = asked.question
        if authzen.own(question):
            return self._ours(asked)
        if coaz.spoken(question):
            return ()
        if (fault := self.judges.fault(view)) is not None:
            raise EnforcementUnavailable("Remit cannot decide this now", detail=fault)
        if asked.gap is Gap.ACTION:
            return self.judges.declared_actions(view, question.subject[0], question.resource[0])
        return self.judges.declared_ids(view, (question.subject if asked.gap is Gap.SUBJECT else question.resource)[0])

    def _ours(self, asked: Search) -> Sequence[str]:
        question = asked.question
        if asked.gap is Gap.SUBJECT:
            return (
                self.judges.agents_naming(question.action) if _server(question.action) == question.resource[1] else ()
            )
        named = self.judges.named(question.subject[1])
        if asked.gap is Gap.RESOURCE:
            return (_server(question.action),) if question.action in named else ()
        return sorted(each for each in named if _server(each) == question.resource[1])

    def may(self, question: authzen.Question, point: Point) -> bool | EnforcementUnavailable:
        """Whether a question about an agent's call would be allowed now. Blocks: for a thread.

        Raises:
            Malformed: Purpose or arguments are of another type.
        """
        question = authzen.with_arguments(question)
        own = self.purposes(question.subject[1])
        for purpose in own or () if question.purpose is None else (question.purpose,):
            one = msgspec.structs.replace(question, purpose=purpose)
            call = authzen.call(one, id=DecisionId(""), point=point, purposes=own)
            if call is None:
                continue
            denial = self.judges.answer_now(call).denial
            if denial is None or (question.arguments is None and denial.code in _FOR_WANT_OF_ARGUMENTS):
                return True
            if denial.code is Code.ENFORCEMENT_UNAVAILABLE:
                return EnforcementUnavailable("Remit cannot decide this now", detail=denial.cause or "")
        return False


def _server(action: str) -> str:
    try:
        return split_action(action)[0]
    except Malformed:
        return ""
