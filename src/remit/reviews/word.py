"""A person's word as it was given: sealed when it is, and looked at again wherever it counts (pure).

Else whoever can write the database answers in a person's place, and Remit does what they never said.
The seal holds where the answer stands, too: what was done, taken back or made void is not said again
by writing `staged` into its row.
"""

from __future__ import annotations

import hmac
from dataclasses import replace

from remit.kernel.canonical import canonical
from remit.kernel.errors import Malformed
from remit.reviews.model import Answer, Question


def seal_of(secret: bytes, answer: Answer, question: Question) -> str:
    """Hex HMAC-SHA-256 over who said what to which question and about what, where it stands, and what comes of it.

    Raises:
        Malformed: It has no canonical form, so it was never stored by Remit.
    """
    said = [
        answer.id, answer.said.value, answer.by, answer.behind, answer.at, answer.asked, answer.note, answer.to,
        answer.canary, answer.state.value, str(answer.due), dict(answer.done),
        question.id, question.kind.value, question.agent, question.about, dict(question.facts),
    ]  # fmt: skip
    return hmac.digest(secret, b"reviews/answer\n" + canonical(said), "sha256").hex()


def sealed(secret: bytes, answer: Answer, question: Question) -> Answer:
    """The answer as it stands now, under a seal of its own."""
    return replace(answer, seal=seal_of(secret, answer, question))


def given_so(secret: bytes, answer: Answer, question: Question) -> bool:
    """Whether this is what was said, and Remit left it where it stands."""
    try:
        expected = seal_of(secret, answer, question)
    except Malformed:
        return False
    return hmac.compare_digest(answer.seal.encode(), expected.encode())
