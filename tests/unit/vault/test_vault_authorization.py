"""Asking a person for their own account, and whose account a call uses: laws, and the examples of the RFCs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.attestation.model import Caller, Link
from remit.catalog.injection import OauthUser
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId, SecretName
from remit.vault.acting import person_behind
from remit.vault.authorization import LIFETIME, Pending, answered, challenge, code_of, request_url
from remit.vault.connection import NotConnected, key_owner, place

NOON = Instant(1_795_608_000_000_000)
CREDENTIAL = OauthUser(
    secret=SecretName("mail"), authorize_url="https://mail.test/authorize?prompt=consent",
    token_url="https://mail.test/token", client_id="remit & co", scope="mail offline_access",
    issuer="https://mail.test",
)  # fmt: skip
PENDING = Pending(
    person="dana", secret="mail", credential=CREDENTIAL, verifier="v" * 64,
    redirect_uri="https://remit.test/v1/secrets/mail/connected", ends=Instant(NOON + LIFETIME),
)  # fmt: skip
GOOD = {"code": "c0de", "state": "s", "iss": "https://mail.test"}
CALLER = Caller(
    agent=AgentName("bot"), instance=InstanceId("i"), credential="c", purpose=PurposeName("work"), run=RunId("run_1"),
    token="tok_1", expires=NOON, bound=True,
)  # fmt: skip
OWNERS = {"bot": "dana", "chief": "lee", "orphan": "", "left": "max"}
NAMES = st.sampled_from(["dana", "lee", "max", "nobody", "https://idp.test#dana", ""])


def code(pending: Pending = PENDING, fields: dict[str, str] = GOOD, **at: Any) -> str:
    said: dict[str, Any] = {"secret": "mail", "person": "dana", "now": NOON} | at
    return code_of(pending, fields, **said)


def test_the_challenge_is_that_of_the_rfc() -> None:
    """RFC 7636 appendix B."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1), st.booleans())
def test_what_is_asked_is_read_as_it_was_meant(state: str, own_query: bool) -> None:  # noqa: FBT001 - hypothesis'
    url = CREDENTIAL.authorize_url if own_query else "https://mail.test/authorize"
    pairs = parse_qsl(urlsplit(request_url(replace_url(url), state=state)).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    assert dict(pairs) == ({"prompt": "consent"} if own_query else {}) | {
        "response_type": "code", "client_id": "remit & co", "redirect_uri": PENDING.redirect_uri,
        "scope": "mail offline_access", "state": state, "code_challenge": challenge(PENDING.verifier),
        "code_challenge_method": "S256",
    }  # fmt: skip


def replace_url(url: str) -> Pending:
    return replace(PENDING, credential=replace(CREDENTIAL, authorize_url=url))


def test_the_good_answer_gives_its_code() -> None:
    assert code() == "c0de"
    assert code(replace(PENDING, credential=replace(CREDENTIAL, issuer="")), {"code": "x"}) == "x"


@pytest.mark.parametrize(
    ("fields", "at", "says"),
    [
        (GOOD, {"now": PENDING.ends}, "ten minutes"),
        (GOOD, {"secret": "other"}, "another secret"),
        (GOOD, {"person": "lee"}, "somebody else"),
        (GOOD | {"iss": "https://evil.test"}, {}, "authorization server"),
        (GOOD | {"iss": "https://mail.test/"}, {}, "authorization server"),
        ({"code": "c0de"}, {}, "authorization server"),
        ({"error": "access_denied", "iss": "https://mail.test"}, {}, "access_denied"),
        (GOOD | {"error": "access_denied"}, {}, "access_denied"),
        (GOOD | {"error": "<script>\n"}, {}, "says no"),
        (GOOD | {"code": ""}, {}, "no code"),
        (GOOD | {"code": "c" * 2049}, {}, "no code"),
    ],
)
def test_any_other_answer_is_refused(fields: dict[str, str], at: dict[str, Any], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        code(fields=fields, **at)


def test_an_issuer_that_nobody_named_is_not_believed() -> None:
    with pytest.raises(Malformed, match="authorization server"):
        code(replace(PENDING, credential=replace(CREDENTIAL, issuer="")))


@given(st.dictionaries(st.sampled_from(["code", "state", "iss", "error"]), st.text(max_size=8)), NAMES, NAMES)
def test_a_code_comes_only_of_what_was_asked_for(fields: dict[str, str], secret: str, person: str) -> None:
    try:
        found = code(fields=fields, secret=secret or "mail", person=person)
    except Malformed:
        return
    assert (found, fields["iss"], person) == (fields["code"], CREDENTIAL.issuer, "dana")
    assert "error" not in fields


@given(st.lists(st.tuples(st.sampled_from(["code", "state", "x"]), st.text(max_size=5)), max_size=5))
def test_a_parameter_that_stands_there_twice_is_refused(pairs: list[tuple[str, str]]) -> None:
    if len(dict(pairs)) == len(pairs):
        assert answered(urlencode(pairs)) == dict(pairs)
    else:
        with pytest.raises(Malformed, match="twice"):
            answered(urlencode(pairs))


@given(NAMES, st.sampled_from(sorted(OWNERS)), st.booleans(), st.sampled_from(["", "owner"]))
def test_whose_account(person: str, agent: str, delegated: bool, otherwise: str) -> None:  # noqa: FBT001 - hypothesis'
    """The person behind the call; the owner, of whose access it is, only without one and where the document says so."""
    link = Link(
        agent=AgentName("chief"), instance=InstanceId("i"), credential="c", run=RunId("run_0"), token="tok_0"
    )  # fmt: skip
    caller = replace(CALLER, agent=AgentName(agent), person=person, links=(link,) if delegated else ())
    credential = replace(CREDENTIAL, otherwise=otherwise)
    expected = person or ((OWNERS["chief"] if delegated else OWNERS[agent]) if otherwise else "")
    active = {"dana", "lee"}
    try:
        found = person_behind(caller, credential, owner=lambda name: OWNERS[name], active=active.__contains__)
    except NotConnected:
        assert expected not in active
    else:
        assert found == expected
        assert found in active


def test_nobody_known_has_no_account() -> None:
    with pytest.raises(NotConnected):
        person_behind(None, replace(CREDENTIAL, otherwise="owner"), owner=lambda _: "dana", active=lambda _: True)


@given(st.tuples(*[st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}", fullmatch=True)] * 4))
def test_two_connections_share_no_key_and_no_place(names: tuple[str, str, str, str]) -> None:
    secret, person, other, another = names
    same = (secret, person) == (other, another)
    assert (key_owner(secret, person) == key_owner(other, another)) == same
    assert (place(secret, person, 1) == place(other, another, 1)) == same
    assert key_owner(secret, person) != f"secret:{other}"
