from __future__ import annotations

import pytest

from remit.policy import denial as refuse
from remit.policy.flips import EXAMPLES, Count, Flip, Kind, concerns, concerns_own, flip, flip_own, merged, newest
from remit.policy.model import Answer, Code, Denial

ALLOW = Answer()
SPENT = Answer(denial=Denial(code=Code.BUDGET_EXHAUSTED, step=10, title=""))


def forbidden(policy: str) -> Answer:
    return Answer(denial=refuse.forbidden(policy=policy, title=None))


def unavailable(step: int) -> Answer:
    return Answer(denial=refuse.unavailable(step=step, cause=""))


@pytest.mark.parametrize(
    ("answer", "other", "turned"),
    [
        (ALLOW, ALLOW, None),
        (ALLOW, forbidden("p"), Flip(Kind.ALLOW_TO_DENY, "p")),
        (ALLOW, SPENT, None),  # its own reservation was the last
        (ALLOW, unavailable(7), Flip(Kind.BROKEN, "")),
        (ALLOW, unavailable(1), None),  # the database was away meanwhile
        (forbidden("p"), ALLOW, Flip(Kind.DENY_TO_ALLOW, "p")),
        (forbidden("p"), forbidden("q"), None),
        (forbidden("p"), SPENT, None),
        (SPENT, forbidden("p"), None),
        (Answer(would_deny=forbidden("p").denial), ALLOW, Flip(Kind.DENY_TO_ALLOW, "p")),
        (ALLOW, Answer(would_deny=forbidden("p").denial), Flip(Kind.ALLOW_TO_DENY, "p")),
    ],
)
def test_only_what_policies_decide_is_a_flip(answer: Answer, other: Answer, turned: Flip | None) -> None:
    assert flip(answer, other) == turned


def test_what_policies_cannot_turn_is_not_decided_again() -> None:
    assert [concerns(each) for each in (ALLOW, forbidden("p"), SPENT)] == [True, True, False]


def test_sums_keep_the_newest_examples() -> None:
    key = (Kind.ALLOW_TO_DENY, "p")
    parts = [{key: Count(2, [{"decision": f"dec_{n}", "at": f"{n}"}])} for n in range(9)]
    summed = merged(parts)[key]
    assert summed.count == 18
    assert [each["decision"] for each in summed.examples] == ["dec_8", "dec_7", "dec_6", "dec_5", "dec_4"]
    assert len(newest(summed.examples)) == EXAMPLES


NOT_GRANTED = Denial(code=Code.NOT_GRANTED, step=7, title="")
UNFIT = Denial(code=Code.INVALID_ARGUMENTS, step=6, title="")


@pytest.mark.parametrize(
    ("stood", "other", "turned"),
    [
        ((None, ("read",)), (None, ("other",)), None),
        ((None, ("read",)), (forbidden("p").denial, ("p",)), Flip(Kind.ALLOW_TO_DENY, "p")),
        ((None, ("read",)), (NOT_GRANTED, ()), Flip(Kind.ALLOW_TO_DENY, "read")),
        ((None, ("read",)), (unavailable(7).denial, ()), Flip(Kind.BROKEN, "")),
        ((forbidden("p").denial, ("p",)), (None, ("read",)), Flip(Kind.DENY_TO_ALLOW, "p")),
        ((NOT_GRANTED, ()), (None, ("read",)), Flip(Kind.DENY_TO_ALLOW, "read")),
        ((NOT_GRANTED, ()), (forbidden("p").denial, ("p",)), None),
    ],
)
def test_of_own_types_what_no_policy_permits_is_denied_and_that_is_a_flip_too(
    stood: tuple[Denial | None, tuple[str, ...]], other: tuple[Denial | None, tuple[str, ...]], turned: Flip | None
) -> None:
    assert flip_own(stood[0], other[0], stood[1], other[1]) == turned
    assert concerns_own(stood[0])
    assert not concerns_own(UNFIT)
