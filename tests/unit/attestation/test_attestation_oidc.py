from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.attestation.issuer import ASKED, BASE, PLATFORMS, Key, bound, claims, key_set, trust

from remit.attestation import oidc, svid
from remit.attestation.assertion import AssertionRefused
from remit.attestation.conditions import holds
from remit.attestation.oidc import Word
from remit.attestation.ports import Bound
from remit.kernel.clock import HOUR, SECOND, Instant
from remit.keys import foreign

SECONDS = 1_795_608_000
NOW = Instant(SECONDS * SECOND)
KEYS = {name: Key("RS256", f"{name}-1", use="jwt-svid" if name == "spiffe" else "sig") for name in PLATFORMS}
TRUSTS = {name: trust(name, key) for name, key in KEYS.items()}
BOUND = {name: bound(name) for name in PLATFORMS}


def keys_of(platform: str) -> foreign.KeySet:
    return foreign.key_set(key_set(KEYS[platform]), use=KEYS[platform].use)


def attest(
    platform: str, token: str, *lets_in: Bound, now: int = NOW, keys: foreign.KeySet | None = None, trusted: Any = None
) -> Word:
    asked: dict[str, Any] = {
        "trust": trusted or TRUSTS[platform], "keys": keys or keys_of(platform),
        "bound": lets_in or (BOUND[platform],), "now": Instant(now),
    }  # fmt: skip
    return svid.attest(token, issuer=BASE, **asked) if platform == "spiffe" else oidc.attest(token, **asked)


def signed(platform: str, key: Key | None = None, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    return (key or KEYS[platform]).sign(claims(platform, now=SECONDS, **changes), **(header or {}))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_token_in_the_platforms_shape_lets_its_agent_in(platform: str) -> None:
    word = attest(platform, signed(platform))
    assert word.credential == BOUND[platform].credential
    assert word.credential.startswith(f"{platform}:")
    assert word.replay is not None
    assert word.replay.startswith(f"word:{TRUSTS[platform].trust}:")
    assert word.expires == (SECONDS + 360) * SECOND


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": [BASE, "https://other.example"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ...}, "aud"),
        ({"aud": BASE + "/"}, "aud"),
        ({"exp": SECONDS}, "exp"),
        ({"exp": ...}, "exp"),
        ({"iat": SECONDS + 61}, "iat"),
        ({"iat": SECONDS - 25 * 3600}, "iat"),
        ({"nbf": SECONDS + 61}, "nbf"),
        ({"jti": 7}, "jti"),
        ({"jti": ""}, "jti"),
    ],
)
@pytest.mark.requirement("oidc:audience")
def test_what_a_token_must_say(platform: str, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssertionRefused, match="client authentication failed") as refused:
        attest(platform, signed(platform, **changes))
    assert reason in refused.value.reason


@pytest.mark.requirement("oidc:issuer")
@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each != "spiffe"])
@pytest.mark.parametrize("issuer", ["https://issuer.example.evil.test", "https://ISSUER.example", "", None, ["x"]])
def test_the_issuer_is_the_trusts_byte_for_byte(platform: str, issuer: object) -> None:
    with pytest.raises(AssertionRefused):
        attest(platform, signed(platform, iss=issuer))


def test_a_trailing_slash_is_another_issuer() -> None:
    with pytest.raises(AssertionRefused):
        attest("oidc", signed("oidc", iss="https://issuer.example/"))


def test_a_token_says_when_it_was_issued_but_an_svid_need_not() -> None:
    with pytest.raises(AssertionRefused, match="client"):
        attest("oidc", signed("oidc", iat=...))
    assert attest("spiffe", signed("spiffe", iat=..., nbf=...)).replay
    with pytest.raises(AssertionRefused):
        attest("spiffe", signed("spiffe", iat=..., exp=SECONDS + 3601))


def test_an_old_token_is_refused_although_it_has_not_expired() -> None:
    old = signed("kubernetes", exp=SECONDS + 10**6)
    assert attest("kubernetes", old, now=NOW + HOUR - SECOND).expires == NOW + HOUR + 60 * SECOND
    with pytest.raises(AssertionRefused):
        attest("kubernetes", old, now=NOW + HOUR)


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "wit+jwt"])
def test_a_token_of_another_type_is_no_word_about_a_workload(typ: str) -> None:
    for platform in PLATFORMS:
        with pytest.raises(AssertionRefused):
            attest(platform, signed(platform, header={"typ": typ}))


@pytest.mark.requirement("spiffe:jwt-svid")
def test_types_that_are_taken() -> None:
    assert attest("oidc", signed("oidc", header={"typ": ...}))
    assert attest("spiffe", signed("spiffe", header={"typ": "JOSE"}))
    with pytest.raises(AssertionRefused):
        attest("oidc", signed("oidc", header={"typ": "JOSE"}))


@pytest.mark.parametrize("header", [{"kid": ...}, {"kid": "other"}, {"alg": "none"}, {"alg": "HS256"}, {"alg": "RS512"},
                                    {"crit": ["x"], "x": 1}, {"jku": "https://evil.test/keys"}])  # fmt: skip
def test_headers_that_are_refused(header: dict[str, Any]) -> None:
    for platform in PLATFORMS:
        with pytest.raises(AssertionRefused):
            attest(platform, signed(platform, header=header))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512"])
def test_algorithms_are_those_that_the_operator_named(algorithm: str) -> None:
    key = Key(algorithm, "k")
    keys = foreign.key_set(key_set(key))
    named = trust("oidc", key, algorithms=[algorithm])
    assert attest("oidc", signed("oidc", key), keys=keys, trusted=named)
    other = trust("oidc", key, algorithms=["EdDSA"])
    with pytest.raises(AssertionRefused):
        attest("oidc", signed("oidc", key), keys=keys, trusted=other)


def test_the_same_words_are_used_once_however_they_are_signed() -> None:
    key = Key("ES256", "k")
    keys, named = foreign.key_set(key_set(key)), trust("azure", key, algorithms=["ES256"])
    one, two = signed("azure", key), signed("azure", key)  # ECDSA: two signatures over the same words
    assert one != two
    found = [attest("azure", each, keys=keys, trusted=named).replay for each in (one, two)]
    assert found[0] == found[1]
    assert attest("azure", signed("azure", key, uti="other"), keys=keys, trusted=named).replay != found[0]


def test_a_trust_that_says_so_lets_a_token_be_shown_again() -> None:
    again = trust("azure", KEYS["azure"], reuse=True)
    assert attest("azure", signed("azure"), trusted=again).replay is None


@pytest.mark.parametrize(
    ("platform", "changes"),
    [
        ("github_actions", {"repository_id": "75"}),
        ("github_actions", {"repository_id": 74}),
        ("github_actions", {"ref": "refs/heads/main2"}),
        ("github_actions", {"ref": ...}),
        ("github_actions", {"sub": "repo:octo-org/octo-repo:pull_request"}),
        ("github_actions", {"event_name": "pull_request_target"}),
        ("kubernetes", {"kubernetes.io": {"namespace": "pay", "serviceaccount": {"uid": "another"}}}),
        ("kubernetes", {"kubernetes.io": "pay"}),
        ("gcp", {"google": ...}),
        ("azure", {"tid": "another"}),
        ("aws", {"https://sts.amazonaws.com/": {"aws_account": "999999999999"}}),
        ("spiffe", {"sub": "spiffe://prod.example/ns/pay/sa/other"}),
        ("spiffe", {"sub": "spiffe://prod.example.evil.test/ns/pay/sa/invoice-bot"}),
        ("spiffe", {"sub": "spiffe://prod.example/ns/../pay/sa/invoice-bot"}),
        ("oidc", {"sub": "workload-18"}),
        ("oidc", {"team": {"id": 9}}),
    ],
)
def test_other_workloads_are_not_let_in(platform: str, changes: dict[str, Any]) -> None:
    with pytest.raises(AssertionRefused):
        attest(platform, signed(platform, **changes))


def test_a_pattern_stays_within_its_part_of_the_path() -> None:
    tags = bound("github_actions", ref="refs/tags/v*")
    assert attest("github_actions", signed("github_actions", ref="refs/tags/v1.2"), tags)
    for ref in ("refs/tags/v1/evil", "refs/heads/v1", "refs/tags/w1"):
        with pytest.raises(AssertionRefused):
            attest("github_actions", signed("github_actions", ref=ref), tags)


def test_an_agent_that_does_not_exist_gets_the_same_answer_as_one_that_is_bound_to_something_else() -> None:
    answers = []
    for lets_in in ((), (BOUND["azure"],)):
        with pytest.raises(AssertionRefused) as refused:
            oidc.attest(signed("gcp"), trust=TRUSTS["gcp"], keys=keys_of("gcp"), bound=lets_in, now=NOW)
        answers.append((refused.value.public, refused.value.reason))
    assert answers[0] == answers[1]


def test_the_generic_method_does_not_get_round_what_a_preset_refuses() -> None:
    """`oidc` names a GitHub trust, and asks for nothing but a claim that every pull request has."""
    around = bound("oidc", trust="github-actions", claims={"repository_owner_id": "65"})
    token = signed("github_actions", sub="repo:octo-org/octo-repo:pull_request", event_name="pull_request")
    with pytest.raises(AssertionRefused):
        attest("github_actions", token, around)


def test_no_conditions_hold_of_nothing() -> None:
    assert not holds({"sub": "x"}, [])
    assert not holds({"sub": True}, [[["sub"], "is", 1]])
    assert not holds({"sub": "x"}, [[["sub"], "is", None]])
    assert not holds({"sub": "x"}, [[["sub"], "maybe", "x"]])


@given(st.data())
def test_no_token_of_one_trust_lets_in_an_agent_that_is_bound_to_another(data: st.DataObject) -> None:
    """Whatever the token says, and even if it says all that the other agent's document asks for."""
    ours, theirs = data.draw(st.permutations(sorted(PLATFORMS)))[:2]
    said = deepcopy(
        data.draw(st.sampled_from([PLATFORMS[ours], PLATFORMS[theirs], {**PLATFORMS[theirs], **PLATFORMS[ours]}]))
    )
    issuer = data.draw(st.sampled_from([PLATFORMS[ours].get("iss"), PLATFORMS[theirs].get("iss")]))
    kid = data.draw(st.sampled_from([KEYS[ours].kid, KEYS[theirs].kid]))
    whole = {**said, "iss": issuer, "aud": BASE, "iat": SECONDS, "exp": SECONDS + 60}
    token = KEYS[ours].sign({k: v for k, v in whole.items() if v is not None}, kid=kid)
    for at in (ours, theirs):
        with pytest.raises(AssertionRefused):
            attest(at, token, *([BOUND[theirs]] if at == ours else [BOUND[theirs], BOUND[ours]]))


@given(st.sampled_from(sorted(PLATFORMS)), st.sampled_from(sorted(PLATFORMS)))
def test_a_binding_of_another_method_or_trust_is_never_the_one(platform: str, other: str) -> None:
    if platform != other:
        with pytest.raises(AssertionRefused):
            attest(platform, signed(platform), BOUND[other])
        # The conditions of this platform, under another trust's name, and under another method.
        said = BOUND[platform].said
        for lie in (
            Bound(platform, {**said, "trust": BOUND[other].said["trust"]}, "c"), Bound(other, said, "c"),
        ):  # fmt: skip
            with pytest.raises(AssertionRefused):
                attest(platform, signed(platform), lie)


def test_every_platform_has_its_conditions_here() -> None:
    assert ASKED.keys() == PLATFORMS.keys()


@pytest.mark.parametrize("sub", ["spiffe://other.example/ns/pay/sa/bot", "workload-17", "spiffe://prod.example"])
def test_a_trust_domain_speaks_of_its_own_workloads_alone(sub: str) -> None:
    """Even if an agent's document, which was never applied, let another's in."""
    lets_in = Bound("spiffe", {"trust": "prod.example", "claims": [[["sub"], "is", sub]]}, "c")
    with pytest.raises(AssertionRefused, match="client authentication failed") as refused:
        attest("spiffe", signed("spiffe", sub=sub), lets_in)
    assert refused.value.reason == "sub is no SPIFFE ID of the trust domain"
