"""What the log and the owners are told of questions and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, rfc3339
from remit.people.change import Actor, Changed, record
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.reviews.model import Question
from remit.storage.ports import Transaction

REMIT: Final = Actor(by="remit")


def log(
    tx: Transaction, records: Records, question: Question, change: str, *, by: Actor, more: Mapping[str, Any]
) -> None:
    """One entry about a question. That it is made up stands in none of them."""
    said = {"question": question.kind.value, "agent": question.agent, "about": question.about, **more}
    changed = Changed(what="question", name=question.id, change=change, before=None, after=None, more=said)
    record(tx, records, changed, by=by)


def notify(tx: Transaction, question: Question, what: str, *, now: Instant, more: Mapping[str, Any]) -> None:
    """Tell the owner of the agent."""
    said = {
        "what": what,
        "question": question.id,
        "kind": question.kind.value,
        "about": question.about,
        "to": question.assigned,
        "reason": question.reason,
        "recommendation": question.recommendation.value,
        "at": rfc3339(now),
    }
    if isinstance(action := question.facts.get("action"), str):
        said["action"] = action
    SqlNotices(tx.connection).put(question.agent, canonical(said | dict(more)).decode("utf-8"))
