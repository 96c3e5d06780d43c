"""OpenID AuthZEN 1.0, the search APIs: a question with a gap, and pages of what fills it (pure).

The id of what is searched for is ignored. What a page's token says is `search_tokens`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from remit.enforcement.authzen import Question, Sent, a_text, an_object
from remit.kernel.errors import Malformed

MOST: Final = 1_000  # results on a page
_USUAL: Final = 100


class Gap(StrEnum):
    """What is searched for."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A well-formed search. In `question` the gap is empty."""

    gap: Gap
    question: Question
    limit: int
    token: str | None

    def filled(self, name: str) -> Question:
        """The question with a candidate in the gap."""
        if self.gap is Gap.ACTION:
            return msgspec.structs.replace(self.question, action=name)
        if self.gap is Gap.SUBJECT:
            return msgspec.structs.replace(self.question, subject=(self.question.subject[0], name))
        return msgspec.structs.replace(self.question, resource=(self.question.resource[0], name))

    def result(self, name: str) -> dict[str, str]:
        """A candidate as it is answered."""
        if self.gap is Gap.ACTION:
            return {"name": name}
        return {"type": (self.question.subject if self.gap is Gap.SUBJECT else self.question.resource)[0], "id": name}


def search(gap: Gap, body: object) -> Search:
    """Read a search request. Unknown members are ignored, and so is what is said of the gap beside its type.

    Raises:
        Malformed: A member is missing or of another type.
    """
    if not isinstance(body, dict):
        raise Malformed("a JSON object is expected")
    subject, resource = an_object(body, "subject"), an_object(body, "resource")
    action: Mapping[str, Any] = {} if gap is Gap.ACTION else an_object(body, "action")
    sent = Sent(
        subject={} if gap is Gap.SUBJECT else an_object(subject, "properties", needed=False),
        action=an_object(action, "properties", needed=False),
        resource={} if gap is Gap.RESOURCE else an_object(resource, "properties", needed=False),
        context=an_object(body, "context", needed=False),
    )
    page = an_object(body, "page", needed=False)
    return Search(
        gap=gap,
        question=Question(
            subject=(a_text(subject, "type"), "" if gap is Gap.SUBJECT else a_text(subject, "id")),
            action="" if gap is Gap.ACTION else a_text(action, "name"),
            resource=(a_text(resource, "type"), "" if gap is Gap.RESOURCE else a_text(resource, "id")),
            sent=sent,
        ),
        limit=_limit(page),
        token=(a_text(page, "token") or None) if "token" in page else None,
    )


def _limit(page: Mapping[str, Any]) -> int:
    found = page.get("limit", _USUAL)
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise Malformed("page.limit is a whole number from 1")
    return min(found, MOST)
