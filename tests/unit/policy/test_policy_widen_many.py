"""What proving costs does not grow with the square of the policies."""

from __future__ import annotations

from typing import Any

import pytest

from remit.policy import organisation, widen
from remit.policy.cedar import CedarEngine
from remit.policy.organisation import Policy

MANY = 40


def forbids(limit: int) -> organisation.Organisation:
    """One for each agent, of the same action."""
    texts = {
        f"{number}.cedar": f'@id("p{number}") forbid (principal == Remit::Agent::"a{number}", '
        f'action == Remit::Action::"pay/send", resource) when {{ context.input.amount > {limit} }};'
        for number in range(MANY)
    }
    return organisation.read(texts, CedarEngine())


def test_policies_about_other_principals_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    about = widen.Side.about

    def counted(side: widen.Side, asked: Any, *, forbids: bool) -> list[Any]:
        found = list(about(side, asked, forbids=forbids))
        compared.append(len(found))
        return found

    monkeypatch.setattr(widen.Side, "about", counted)
    assert len(widen.widenings(forbids(100), forbids(200))) == MANY
    assert widen.widenings(forbids(200), forbids(100)) == []
    assert max(compared) == 1


@pytest.mark.parametrize("scope", ["principal", 'principal in Remit::Owner::"dana"', 'principal == Remit::Agent::"a1"'])
def test_a_policy_about_everybody_or_the_same_one_still_proves(scope: str) -> None:
    gone = '@id("gone") forbid (principal == Remit::Agent::"a1", action, resource);'
    before = organisation.read({"a.cedar": gone}, CedarEngine())
    after = organisation.read({"a.cedar": f'@id("other") forbid ({scope}, action, resource);'}, CedarEngine())
    assert bool(widen.widenings(before, after)) is ("Owner" in scope)


def test_what_validating_cannot_prove_is_not_validated() -> None:
    asked: list[str] = []

    def validated(policy: Policy) -> bool:
        asked.append(policy.id)
        return True

    assert len(widen.widenings(forbids(100), forbids(200), validated=validated)) == MANY
    assert asked == []


@pytest.mark.parametrize("fits", [True, False])
def test_where_validating_decides_it_is_asked_once_and_of_the_one_policy(fits: bool) -> None:  # noqa: FBT001 - a row
    """Of a policy that does not validate a test may be an error, which stops calls: taking it away is no narrowing."""
    scope, run = '(principal, action == Remit::Action::"pay/send", resource)', 'context.run == "x"'
    before, after = (
        organisation.read({"a.cedar": f'@id("p") forbid {scope} when {{ {tests} }};'}, CedarEngine())
        for tests in (f"context.input.amount > 100 && {run}", run)
    )
    asked: list[str] = []

    def validated(policy: Policy) -> bool:
        asked.append(policy.text)
        return fits

    assert bool(widen.widenings(before, after, validated=validated)) is not fits
    assert asked[:1] == [before.policies[0].text]
    assert set(asked) == {before.policies[0].text}
