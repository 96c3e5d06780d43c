from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.agents.bindings.id_jag import ID_JAG, JWT_BEARER
from remit.attestation.assertion import AssertionRefused
from remit.kernel.clock import Instant
from remit.tokens.asserted import TYPE_ID_JAG, narrowed, said
from remit.tokens.model import TokenRefused

ISSUER, OWN = "https://idp.example.test", "https://remit.example.test"
CLAIMS: dict[str, Any] = {"iss": ISSUER, "sub": "p", "aud": OWN, "jti": "j", "client_id": "bot"}
NAMES = st.sampled_from(["pay", "audit", "ship"])
PLACES = st.sampled_from([f"{OWN}/mcp/{name}" for name in ("a", "b", "c")])


def read(typ: str = TYPE_ID_JAG, **changes: Any) -> Any:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return said(claims, header={"typ": typ}, issuer=ISSUER, audience=OWN, ends=Instant(9))


def detail(name: str) -> dict[str, str]:
    return {"type": "remit_purpose", "purpose": name}


@given(st.lists(NAMES), st.lists(NAMES), st.none() | NAMES)
@pytest.mark.requirement("jag:narrow")
def test_no_purpose_is_asked_for_that_it_does_not_name(scope: list[str], details: list[str], asked: str | None) -> None:
    words = " ".join(["openid", *(f"purpose:{name}" for name in scope)])
    found = read(scope=words, authorization_details=[detail(name) for name in details])
    named = set(scope) & set(details)
    assert found.purposes == named
    form = {} if asked is None else {"scope": (f"purpose:{asked}",)}
    if asked in named or (asked is None and len(named) == 1):
        assert narrowed(form, found)["scope"][0].removeprefix("purpose:") in named
    else:
        with pytest.raises(TokenRefused) as caught:
            narrowed(form, found)
        assert caught.value.error.value == "invalid_scope"


@given(st.none() | st.lists(PLACES), st.lists(PLACES))
@pytest.mark.requirement("jag:narrow")
def test_no_resource_is_asked_for_that_it_does_not_name(resource: list[str] | None, asked: list[str]) -> None:
    form = {"resource": tuple(asked)} if asked else {}
    found = read(resource=resource)
    if resource is None or set(asked) <= set(resource):
        after = narrowed(form, found).get("resource", ())
        assert set(after) <= set(resource if resource is not None else asked)
        assert asked == [] or after == tuple(asked)
    else:
        with pytest.raises(TokenRefused) as caught:
            narrowed(form, found)
        assert caught.value.error.value == "invalid_target"


def test_what_it_leaves_open_stays_as_it_was_asked() -> None:
    form = {"scope": ("purpose:pay",), "resource": (OWN,), "grant_type": ("x",)}
    assert narrowed(form, read()) == form


def test_each_issuer_has_its_own_ids() -> None:
    other = said(CLAIMS | {"iss": OWN}, header={"typ": ""}, issuer=OWN, audience=OWN, ends=Instant(9))
    assert other.use.key != read().use.key
    assert read(sub="q").use.key == read().use.key


def test_a_plain_assertion_names_no_client() -> None:
    assert (read("", client_id="bot").profile, read("", client_id="bot").client) == (JWT_BEARER, None)
    assert (read().profile, read().client) == (ID_JAG, "bot")


NAMED = st.sampled_from([*CLAIMS, "cnf", "scope", "resource", "authorization_details"])
SAID = (
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.text(), max_size=2)
)


@given(st.dictionaries(NAMED, SAID, max_size=4))
def test_whatever_it_says_it_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        found = read(**changes)
    except AssertionRefused:
        return
    assert (found.issuer, found.use.expires) == (ISSUER, 9)
    assert found.client is not None
