"""Who a provider's person is here, and what they may: nobody and nothing unless it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.admitted import person_of, roles_of, value_of
from remit.console.provider import Provider
from remit.kernel.errors import Forbidden
from remit.kernel.names import OwnerName
from remit.people.model import Owner

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["safety", "staff"])


def provider(**changed: Any) -> Provider:
    said: dict[str, Any] = {
        "name": "Example", "issuer": "https://id.example", "client_id": "remit", "secret_file": Path("/x"),
        "role_claim": "groups", "roles": {"safety": "security", "staff": "viewer"}, **changed,
    }  # fmt: skip
    return Provider(**said)


def owner(name: str, email: str, *, active: bool = True) -> Owner:
    return Owner(owner=OwnerName(name), name=name, email=email, active=active)


DANA = owner("dana", "Dana@Example.test")


@given(said=VALUES | st.lists(VALUES, max_size=6))
def test_a_role_is_had_by_a_value_that_was_named_and_by_nothing_else(said: Any) -> None:
    values = said if isinstance(said, list) else [said] if isinstance(said, str) else []
    named = {"safety": "security", "staff": "viewer"}
    wanted = {named[each] for each in values if isinstance(each, str) and each in named}
    if wanted:
        assert roles_of({"groups": said}, provider()) == wanted
    else:
        with pytest.raises(Forbidden):
            roles_of({"groups": said}, provider())


@given(verified=VALUES)
def test_an_address_counts_only_where_it_is_verified(verified: Any) -> None:
    claims = {"email": "dana@example.test", "email_verified": verified}
    if verified is True:
        assert value_of(claims, provider()) == "dana@example.test"
    else:
        with pytest.raises(Forbidden):
            value_of(claims, provider())
        with pytest.raises(Forbidden):
            roles_of(claims, provider(role_claim="email", roles={"dana@example.test": "owner"}))


def test_registered_people_are_found_by_their_address() -> None:
    assert person_of("dana@example.test", provider(), [DANA]) == "dana"


@pytest.mark.parametrize(
    "owners",
    [[], [owner("dana", "dana@example.test", active=False)], [DANA, owner("lee", "dana@example.test")],
     [owner("lee", "dana@example.test.evil.test")], [owner("lee", "dana@example.te\u017ft")]],
)  # fmt: skip
def test_nobody_a_person_who_left_and_one_of_two_are_not_let_in(owners: list[Owner]) -> None:
    with pytest.raises(Forbidden):
        person_of("dana@example.test", provider(), owners)


@pytest.mark.parametrize(
    ("said", "email"),
    [("\u017fam@example.test", "sam@example.test"), ("\u212aim@example.test", "Kim@example.test"),
     ("stra\u00dfe@example.test", "strasse@example.test")],
)  # fmt: skip
def test_an_address_that_only_folds_into_anothers_is_nobodys(said: str, email: str) -> None:
    with pytest.raises(Forbidden):
        person_of(said, provider(), [owner("sam", email)])
    assert person_of(said, provider(), [owner("sam", said)]) == "sam"


def test_people_who_are_named_are_who_the_file_says_unless_they_left() -> None:
    named = provider(people={"s-1": "sam", "d-1": "dana"}, person="sub")
    assert person_of("s-1", named, [DANA]) == "sam"
    assert person_of("d-1", named, [DANA]) == "dana"
    with pytest.raises(Forbidden):
        person_of("dana@example.test", named, [DANA])
    with pytest.raises(Forbidden):
        person_of("d-1", named, [owner("dana", "x@example.test", active=False)])
