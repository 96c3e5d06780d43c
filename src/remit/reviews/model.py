"""Questions that only a person can decide, and what people said to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from remit.catalog.model import Tier
from remit.kernel.clock import Instant

NEVER: Final = Instant(2**62)  # nothing happens by itself any more


class Kind(StrEnum):
    """What is asked."""

    NEEDS_HUMAN = "needs_human"  # about an activation
    BOUNDARY_DUE = "boundary_due"  # about a boundary at which no person has looked for long
    USAGE_DOUBTED = "usage_doubted"  # about a server whose record of use is hard to believe
    CADENCE_WANTED = "cadence_wanted"  # about an activation that comes and goes again and again
    TOXIC = "toxic"  # about what nobody should hold together
    BREAKGLASS_REVIEW = "breakglass_review"  # about an emergency opening


class QuestionState(StrEnum):
    """Open until somebody answers; open again when that answer is taken back or made void."""

    OPEN = "open"
    ANSWERED = "answered"
    VOIDED = "voided"  # made up, and answered in a batch that was made void
    EXPIRED = "expired"  # its term is over, and what happens then has happened
    SETTLED = "settled"  # what it asked about is gone


class Stage(StrEnum):
    """How far the term of an open question has run."""

    ASKED = "asked"
    REMINDED = "reminded"
    REMINDED_AGAIN = "reminded_again"
    ESCALATED = "escalated"
    OVER = "over"


class Said(StrEnum):
    """What a person can say."""

    KEEP = "keep"
    NARROW = "narrow"
    END = "end"
    ASK = "ask"
    TRUST = "trust"
    DISTRUST = "distrust"


class AnswerState(StrEnum):
    """Staged until the time to take it back is over."""

    STAGED = "staged"
    APPLIED = "applied"
    UNDONE = "undone"
    VOIDED = "voided"


# What can be said to each kind of question.
CHOICES: Final[Mapping[Kind, tuple[Said, ...]]] = {
    Kind.NEEDS_HUMAN: (Said.KEEP, Said.NARROW, Said.END, Said.ASK),
    Kind.BOUNDARY_DUE: (Said.KEEP, Said.NARROW, Said.END, Said.ASK),
    Kind.USAGE_DOUBTED: (Said.TRUST, Said.DISTRUST, Said.ASK),
    Kind.CADENCE_WANTED: (Said.KEEP, Said.END, Said.ASK),
    Kind.TOXIC: (Said.KEEP, Said.NARROW, Said.END, Said.ASK),
    Kind.BREAKGLASS_REVIEW: (Said.KEEP, Said.END, Said.ASK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. A value: every step makes a new one."""

    id: str  # `qst_`
    kind: Kind
    agent: str  # "" for what concerns several
    about: str
    why: str  # the machine's reason, one word
    tier: Tier  # decides how long it may wait
    asked: Instant
    assigned: str  # whose queue it is in; "" for security and operators
    facts: Mapping[str, Any]
    recommendation: Said
    reason: str  # one sentence
    moved: Instant  # when it came to its stage
    state: QuestionState = QuestionState.OPEN
    stage: Stage = Stage.ASKED
    barred: tuple[str, ...] = ()  # whose answers to it were made void
    handed: str = ""  # whom an accountable person asked to decide it
    canary: bool = False  # made up, to see whether it is looked at; never shown

    @property
    def requester(self) -> str:
        """Who asked for what this is about: nobody decides on their own request."""
        said = self.facts.get("requested_by")
        return said if isinstance(said, str) else ""

    @property
    def joined(self) -> tuple[str, ...]:
        """What it came to be about as well after it was asked, in the order in which it came."""
        said = self.facts.get("joined")
        return tuple(map(str, said)) if isinstance(said, list) else ()

    @property
    def serial(self) -> int:
        """1 when it is asked, and one more with all that joins or changes: an answer says what its person was shown."""
        said = self.facts.get("serial")
        return said if isinstance(said, int) else 1 + len(self.joined)

    @property
    def general(self) -> bool:
        """Whether it is no owner's, but security's and operators'."""
        return self.kind is Kind.USAGE_DOUBTED or not self.agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody said to a question, and what became of it."""

    id: str  # `ans_`
    question: str
    said: Said
    by: str
    behind: str = ""  # whose token it was, where that is another's (`--dev` only)
    at: Instant
    note: str = ""
    to: str = ""  # for ask: whom
    state: AnswerState = AnswerState.STAGED
    due: Instant  # when it is carried out
    asked: Instant  # when the question was
    canary: bool = False
    done: Mapping[str, Any] = field(default_factory=dict)  # what carrying it out did; what an undo needs
    seal: str = ""  # that it was given so (`word`); gone once it was taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A named person has seen a whole set of boundaries in force."""

    id: str  # `ack_`
    by: str
    at: Instant
    digest: str  # hex SHA-256 of the statement
    note: str
    boundaries: Mapping[str, str]  # name -> `VERSION DIGEST` of each, so that the next one can say what changed
