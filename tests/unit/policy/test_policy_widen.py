from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.policy.cedar import CedarEngine
from remit.policy.organisation import read
from remit.policy.widen import widenings

ENGINE = CedarEngine()
POLICIES = [
    f'@id("{effect}-{number}")\n{effect} (principal, action == Remit::Action::"s/t{number}", resource){when};\n'
    for effect in ("forbid", "permit")
    for number in range(3)
    for when in ("", ' when { principal == Remit::Agent::"a" }')
]
ANY = st.lists(st.sampled_from(range(len(POLICIES))), unique_by=lambda at: at // 2, max_size=6)


def files(chosen: list[int]) -> dict[str, str]:
    return {f"{at % 2}.cedar": "".join(POLICIES[each] for each in chosen if each % 2 == at) for at in range(2)}


def widens(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return widenings(read(before, ENGINE), read(after, ENGINE))


@given(ANY, ANY)
def test_it_widens_iff_a_forbid_is_lost_or_a_permit_won(before: list[int], after: list[int]) -> None:
    forbids, permits = set(range(6)), set(range(6, 12))
    lost = (set(before) - set(after)) & forbids
    gained = (set(after) - set(before)) & permits
    assert bool(widens(files(before), files(after))) == bool(lost or gained)


def test_each_loss_and_gain_is_named() -> None:
    assert widens(files([0]), files([1, 6])) == [
        "the forbid forbid-0 is removed or changed",
        "the permit permit-0 is added",
    ]


@pytest.mark.parametrize(
    "after",
    [
        "// said why\n" + POLICIES[0],
        POLICIES[0].replace("forbid-0", "renamed"),
        POLICIES[0].replace(" (principal, ", "(\n  principal,\n  "),
        '@title("No")\n' + POLICIES[0] + POLICIES[2],
    ],
)
def test_how_it_is_written_says_nothing(after: str) -> None:
    assert widens({"a.cedar": POLICIES[0]}, {"b.cedar": after}) == []


@pytest.mark.parametrize(
    "after",
    [
        POLICIES[0].replace(";", " unless { false };"),
        POLICIES[0].replace('action == Remit::Action::"s/t0"', 'action in [Remit::Action::"s/t0"]'),
        POLICIES[0].replace("forbid (principal", 'forbid (principal == Remit::Agent::"a"'),
        POLICIES[0].replace(", resource", ', resource == Remit::Server::"s"'),
        "// forbid nothing\n",
        POLICIES[0].replace("forbid (", "permit ("),
    ],
)
def test_every_other_change_of_a_forbid_widens(after: str) -> None:
    """Even one that forbids more: whether it does is not decided here."""
    assert widens({"a.cedar": POLICIES[0]}, {"a.cedar": after})
