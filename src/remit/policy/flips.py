"""What a policy set beside the one in force would have answered otherwise, counted. Pure.

Only what policies decide is compared (step 7): limits, entitlements and approvals stand as they are,
so one that was used up meanwhile is no difference between the two sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from remit.policy.model import Answer, Code, Denial

EXAMPLES: Final = 5  # decisions that are named for each policy, the newest
_POLICIES: Final = 7  # the step that the organisation's policies are


class Kind(StrEnum):
    """What is counted."""

    ALLOW_TO_DENY = "allow_to_deny"
    DENY_TO_ALLOW = "deny_to_allow"
    BROKEN = "broken"  # the other set could not be decided by: an error in a policy, which refuses the call
    COMPARED = "compared"
    DROPPED = "dropped"  # not compared: there were more decisions than time


class Flip(NamedTuple):
    """One decision that the other set would turn, and which policy makes the difference."""

    kind: Kind
    policy: str


def flip(answer: Answer, other: Answer) -> Flip | None:
    """How `other`, the answer by another set, differs from the answer that was given; None if it does not."""
    stood, turned = answer.denial or answer.would_deny, other.denial or other.would_deny
    if stood is None:
        return None if turned is None else _denies(turned)
    if stood.code is Code.FORBIDDEN_BY_POLICY and turned is None:
        return Flip(Kind.DENY_TO_ALLOW, stood.policy or "")
    return None


def concerns(answer: Answer) -> bool:
    """Whether policies could make the answer another one: what was refused for anything else stays refused."""
    stood = answer.denial or answer.would_deny
    return stood is None or stood.code is Code.FORBIDDEN_BY_POLICY


def flip_own(stood: Denial | None, other: Denial | None, policies: Sequence[str], others: Sequence[str]) -> Flip | None:
    """The same of a question about the organisation's own types: what no policy permits is denied there, too.

    Args:
        stood: The denial that was given; None for an allow.
        other: That by another set.
        policies: Those that determined the answer that was given.
        others: Those that determined the other.
    """
    if stood is None and other is not None:
        # Nothing forbids it, and what permitted it is not there any more.
        return _denies(other) or Flip(Kind.ALLOW_TO_DENY, next(iter(policies), ""))
    if stood is not None and other is None:
        return Flip(Kind.DENY_TO_ALLOW, stood.policy or next(iter(others), ""))
    return None


def concerns_own(stood: Denial | None) -> bool:
    """Whether policies could make such an answer another one."""
    return stood is None or stood.code in (Code.FORBIDDEN_BY_POLICY, Code.NOT_GRANTED)


def _denies(turned: Denial) -> Flip | None:
    if turned.code is Code.FORBIDDEN_BY_POLICY:
        return Flip(Kind.ALLOW_TO_DENY, turned.policy or "")
    if turned.code is Code.ENFORCEMENT_UNAVAILABLE and turned.step >= _POLICIES:
        return Flip(Kind.BROKEN, "")
    return None


@dataclass(slots=True)
class Count:
    """How often, and the newest decisions."""

    count: int = 0
    examples: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, count: int, examples: Iterable[Mapping[str, Any]] = ()) -> None:
        """As many more, with examples of them."""
        self.count += count
        self.examples = newest([*self.examples, *examples])


def newest(examples: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The examples that are kept, newest first."""
    return sorted(examples, key=lambda each: (each["at"], each["decision"]), reverse=True)[:EXAMPLES]


Tally = dict[tuple[Kind, str], Count]
"""By kind and policy."""


def merged(tallies: Iterable[Tally]) -> Tally:
    """Their sum."""
    found: Tally = {}
    for tally in tallies:
        for key, count in tally.items():
            found.setdefault(key, Count()).add(count.count, count.examples)
    return found
