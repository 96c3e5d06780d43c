"""A person's word as it was given: sealed when it is, and looked at again before it is carried out (pure).

Else whoever can write the database answers in a person's place, and Remit does what they never said.
"""

from __future__ import annotations

import hmac

from remit.kernel.canonical import canonical
from remit.reviews.model import Answer, Question


def seal_of(secret: bytes, answer: Answer, question: Question) -> str:
    """Hex HMAC-SHA-256 over who said what to which question, about what, and when."""
    said = [
        answer.id, answer.said.value, answer.by, answer.behind, answer.at, answer.canary,
        question.id, question.kind.value, question.agent, question.about, dict(question.facts),
    ]  # fmt: skip
    return hmac.digest(secret, b"reviews/answer\n" + canonical(said), "sha256").hex()


def given_so(secret: bytes, answer: Answer, question: Question) -> bool:
    """Whether this is what was said."""
    return hmac.compare_digest(answer.seal.encode(), seal_of(secret, answer, question).encode())
