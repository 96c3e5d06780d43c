"""OpenID AuthZEN 1.0, access evaluations: several questions in one request (pure).

An item's own subject, action, resource or context takes the place of the default as a whole (section "Default
values"): nothing of the default shows through. An item that is no question is a decision of false; the others stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from remit.enforcement.authzen import Question, an_object, question
from remit.kernel.errors import Malformed

MOST: Final = 100
_PARTS: Final = ("subject", "action", "resource", "context")


class Semantic(StrEnum):
    """After which answer the rest is not asked."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends(self, *, allowed: bool) -> bool:
        """Whether an answer is the last one."""
        return self is (Semantic.PERMIT_ON_FIRST_PERMIT if allowed else Semantic.DENY_ON_FIRST_DENY)


@dataclass(frozen=True, slots=True)
class Batch:
    """The questions in order; an error in the place of one that is none."""

    items: tuple[Question | Malformed, ...]
    semantic: Semantic


def batch(body: object) -> Batch | Question:
    """Read a request. Without `evaluations`, or with none in it, it is a single question.

    Raises:
        Malformed: The request as a whole is none, asks for a semantic that is not known, or for more than `MOST`.
    """
    if not isinstance(body, dict):
        raise Malformed("a JSON object is expected")
    semantic = _semantic(body)
    items = body.get("evaluations", [])
    if not isinstance(items, list):
        raise Malformed("evaluations must be a list")
    if not items:
        return question(body)
    if len(items) > MOST:
        raise Malformed(f"evaluations holds over {MOST} questions", try_="ask in several requests")
    defaults = {name: an_object(body, name) for name in _PARTS if name in body}
    return Batch(tuple(_item(item, defaults) for item in items), semantic)


def _semantic(body: Mapping[str, Any]) -> Semantic:
    said = an_object(body, "options", needed=False).get("evaluations_semantic", Semantic.EXECUTE_ALL.value)
    try:
        return Semantic(said)
    except ValueError as error:
        known = ", ".join(each.value for each in Semantic)
        raise Malformed("options.evaluations_semantic is not known", try_=f"known are {known}") from error


def _item(item: object, defaults: Mapping[str, Any]) -> Question | Malformed:
    if not isinstance(item, dict):
        return Malformed("a question is a JSON object")
    try:
        return question({**defaults, **{name: item[name] for name in _PARTS if name in item}})
    except Malformed as error:
        return error


def not_a_question(error: Malformed) -> dict[str, Any]:
    """The answer in the place of an item that is no question."""
    said = {"type": "urn:remit:error:malformed", "title": error.public, "status": 400, "code": "malformed"}
    return {"decision": False, "context": said}
