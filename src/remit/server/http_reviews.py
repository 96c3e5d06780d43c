"""`/v1/reviews`: questions that only people decide, their answers, and who has seen the boundaries in force."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from remit.access.activation import ActivationKey, activation_id
from remit.kernel.clock import rfc3339
from remit.kernel.errors import Malformed
from remit.reviews.model import CHOICES, NEVER, Acknowledgement, Answer, AnswerState, Question, QuestionState
from remit.reviews.row import due_of
from remit.reviews.schedule import Course, ends
from remit.reviews.service import ReviewService
from remit.reviews.shown import BOOKKEEPING, JOINED, news_of, shown_standing, spoke_against, standing
from remit.reviews.subject import names_of
from remit.server.door import Ask, Door, actor
from remit.server.operators import Authority

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """Reviews over HTTP."""

    reviews: ReviewService
    authority: Authority

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/reviews", summary="My open questions (?person=NAME, ?all=true), oldest first",
                action="readQuestions", handle=self.queue, query=("person", "all", "limit"),
            ),
            Door(
                method="GET", path="/v1/reviews/quality", summary="How people reviewed in the last 90 days",
                action="readQuestions", handle=self.quality,
            ),
            Door(
                method="GET", path="/v1/reviews/acknowledgement", summary="What would be acknowledged now",
                action="readQuestions", handle=self.to_acknowledge,
            ),
            Door(
                method="GET", path="/v1/reviews/acknowledgements", summary="Who acknowledged which set, newest first",
                action="readQuestions", handle=self.acknowledgements,
            ),
            Door(
                method="POST", path="/v1/reviews/acknowledgements",
                summary="Acknowledge the boundaries in force, by their digest or its first characters",
                action="acknowledge", handle=self.acknowledge, body="json",
                fields={"digest": "string", "note": "string?"}, status=201,
            ),
            Door(
                method="GET", path="/v1/reviews/{question}",
                summary="One question: use, what each answer takes away, a recommendation and its reason",
                action="readQuestions", handle=self.show,
            ),
            Door(
                method="POST", path="/v1/reviews/{question}/answer",
                summary="Say keep, narrow, end, trust or distrust, or ask somebody; staged for a while",
                action=lambda ask: self._action(self.reviews.find(ask.path["question"])), handle=self.answer,
                body="json", fields={"said": "string", "note": "string?", "to": "string?", "shown": "integer?"},
                owners=lambda ask: self._people(self.reviews.find(ask.path["question"])),
            ),
            Door(
                method="POST", path="/v1/reviews/answers/{answer}/undo", summary="Take an answer back",
                action=lambda ask: self._action(self._answered(ask)), handle=self.undo, body="json",
                owners=lambda ask: [*self._people(self._answered(ask)), self.reviews.answer_of(ask.path["answer"]).by],
            ),
        ]  # fmt: skip

    def queue(self, ask: Ask) -> dict[str, Any]:
        """Whoever may answer what is no owner's sees it in their own queue."""
        person, everybody = ask.query.get("person", ask.operator.person), ask.query.get("all") == "true"
        general = person == ask.operator.person and self.authority.allows(ask.operator, "answerDoubt")
        most = ask.number("limit", default=100, most=_MOST)
        found = self.reviews.queue(None if everybody else person, general=general, most=most)
        return {"person": None if everybody else person, "questions": [_question(each) for each in found]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One question."""
        found = self.reviews.show(ask.path["question"])
        return {
            **_question(found.question),
            "serial": found.question.serial,
            "entitlements": [_entitlement(found.question, key) for key in found.keys],
            "facts": _facts(found.question),
            "preview": dict(found.preview),
            "may_answer": sorted(self.reviews.may_answer(found.question)),
            "answers": [_answer(each) for each in found.answers],
        }

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Answer; `shown` is the `serial` under which the question was shown, 1 where none is said."""
        body, question, by = ask.body, ask.path["question"], actor(ask)
        note, to, shown = body.get("note") or "", body.get("to") or "", body.get("shown", 1)
        shown = 1 if shown is None else shown
        return _answer(self.reviews.answer(question, body["said"], by=by, note=note, to=to, shown=shown))

    def undo(self, ask: Ask) -> dict[str, Any]:
        """Undo; what would widen waits for its owner."""
        answer, waits = self.reviews.undo(ask.path["answer"], by=actor(ask))
        return {**_answer(answer), "waits": sorted(waits)}

    def quality(self, ask: Ask) -> dict[str, Any]:
        """Figures of each person."""
        if ask.query:
            raise Malformed("this call takes no query")
        found = self.reviews.qualities()
        return {"reviewers": [{"person": person, **asdict(each)} for person, each in sorted(found.items())]}

    def to_acknowledge(self, _ask: Ask) -> dict[str, Any]:
        """The digest, and what changed since the last one."""
        found = self.reviews.acknowledging.now()
        return {
            "digest": found.digest,
            "boundaries": len(found.boundaries),
            "before": None if found.before is None else _acknowledgement(found.before),
            **{name: list(each) for name, each in asdict(found.changes).items()},
        }

    def acknowledge(self, ask: Ask) -> dict[str, Any]:
        """Acknowledge what was looked at, and nothing else."""
        note = ask.body.get("note") or ""
        return _acknowledgement(self.reviews.acknowledging.acknowledge(ask.body["digest"], by=actor(ask), note=note))

    def acknowledgements(self, _ask: Ask) -> dict[str, Any]:
        """Every one."""
        found = self.reviews.acknowledging.acknowledgements()
        return {"acknowledgements": [_acknowledgement(each) for each in found]}

    def _answered(self, ask: Ask) -> Question:
        return self.reviews.find(self.reviews.answer_of(ask.path["answer"]).question)

    @staticmethod
    def _action(question: Question) -> str:
        return "answerDoubt" if question.general else "answerQuestion"

    def _people(self, question: Question) -> Collection[str]:
        return self.reviews.may_answer(question)


def _question(each: Question) -> dict[str, Any]:
    course = Course(each.tier, each.asked, each.stage, each.moved)
    next_ = due_of(each)
    return {
        "question": each.id,
        "kind": each.kind.value,
        "agent": each.agent,
        "about": each.about,
        "action": _action_of(each),
        "tier": each.tier.value,
        "why": each.why,
        "state": each.state.value,
        "stage": each.stage.value,
        "assigned": each.assigned,
        "asked": rfc3339(each.asked),
        "due": rfc3339(ends(course)),
        "next": rfc3339(next_) if each.state is QuestionState.OPEN and next_ != NEVER else None,
        "recommendation": each.recommendation.value,
        "reason": each.reason,
        "choices": [said.value for said in CHOICES[each.kind]],
    }


def _action_of(each: Question) -> str | None:
    """What is used; of several entitlements, how many more there are."""
    action, more = each.facts.get("action"), len(names_of(each)) - 1
    if not isinstance(action, str):
        return None
    return f"{action} and {more} more" if more and action else action


def _entitlement(question: Question, key: ActivationKey) -> dict[str, Any]:
    """One that is asked about: where it stands, and what speaks against it, as far as an answer covers that."""
    about, facts = activation_id(key), question.facts
    stands = standing(question.kind, str(facts.get("state", "")), question.why) if question.canary else None
    return {
        "action": key.action,
        "purpose": key.purpose,
        "scope": key.scope,
        "stands": stands or shown_standing(question, about) or None,
        "against": sorted(spoke_against(question, about) or ()),
    }


def _facts(each: Question) -> dict[str, Any]:
    """What is known, with times as people read them, and what changed since it was asked, in order."""
    last = each.facts.get("last_use")
    shown: dict[str, Any] = {"last_use": rfc3339(last)} if isinstance(last, int) and last > 0 else {}
    if changed := [news.what for news in news_of(each, 1) if news.what != JOINED]:
        shown["changed"] = changed
    return {name: value for name, value in each.facts.items() if name not in BOOKKEEPING} | shown


def _answer(each: Answer) -> dict[str, Any]:
    staged = each.state is AnswerState.STAGED
    return {
        "answer": each.id,
        "question": each.question,
        "said": each.said.value,
        "by": each.by,
        "at": rfc3339(each.at),
        "note": each.note,
        "to": each.to or None,
        "state": each.state.value,
        "undo_until": rfc3339(each.due) if staged else None,
        "taken": list(each.done.get("taken", ())),
        "because": each.done.get("why") or each.done.get("failed"),
    }


def _acknowledgement(each: Acknowledgement) -> dict[str, Any]:
    return {
        "acknowledgement": each.id,
        "by": each.by,
        "at": rfc3339(each.at),
        "digest": each.digest,
        "boundaries": len(each.boundaries),
        "note": each.note,
    }
