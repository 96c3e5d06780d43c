"""Where a secret may go."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog.injection import (
    AwsSigV4,
    Basic,
    Credential,
    Injection,
    Mtls,
    OauthClient,
    OauthUser,
    Query,
    Variable,
)
from remit.kernel.errors import Malformed
from remit.kernel.names import OwnerName, SecretName
from remit.vault.allowed import Going, check, covers, going, host_and_port, permits, segments, whereabouts
from remit.vault.document import Allowed, SecretDocument
from remit.vault.model import SecretUnavailable

NAME = SecretName("key")
HOSTS = st.sampled_from(
    ["api.test", "api.test:443", "evil.test:443", "[2001:db8::1]:443", "2001:db8::1", "127.0.0.1:80"]
)
PLACES = st.sampled_from(["header:Authorization", "header:x-key", "query:key", "basic", "mtls", "env:KEY", "rotation"])
PATHS = st.sampled_from(["/", "/v1", "/v1/a", "/v1/a/", "/v2", "/v1a"])
EXACT = st.sampled_from(["api.test:443", "api.test:8443", "evil.test:443", "[2001:db8::1]:443", "127.0.0.1:80"])
allowed_places = st.builds(Allowed, host=HOSTS | st.just(""), place=PLACES | st.just(""), path=PATHS | st.just(""))
goings = st.builds(Going, host=EXACT | st.just(""), place=PLACES, path=PATHS)


@given(st.lists(allowed_places, max_size=5), goings)
def test_more_places_never_allow_less_unless_there_were_none(allow: list[Allowed], it: Going) -> None:
    if permits(allow, it):
        assert permits([*allow, Allowed(host="other.test")], it) or not allow


@given(allowed_places, allowed_places, goings)
def test_what_covers_another_allows_all_that_the_other_does(wide: Allowed, narrow: Allowed, it: Going) -> None:
    if covers(wide, narrow) and permits([narrow], it):
        assert permits([wide], it)


@given(allowed_places)
def test_a_place_covers_itself(it: Allowed) -> None:
    assert covers(it, it)


@given(st.sampled_from(["api.test", "evil.test"]), st.booleans(), st.booleans(), st.integers(1, 65535))
def test_a_host_is_the_same_in_any_case_and_with_a_last_dot(name: str, upper: bool, dot: bool, port: int) -> None:  # noqa: FBT001
    said = (name.upper() if upper else name) + ("." if dot else "")
    assert host_and_port(f"{said}:{port}") == (name, port)
    assert permits([Allowed(host=name)], Going(host=f"{said}:{port}", place="mtls"))
    assert permits([Allowed(host=f"{said}:{port}")], Going(host=f"{name}:{port}", place="mtls"))
    assert not permits([Allowed(host=f"{said}:{port % 65535 + 1}")], Going(host=f"{name}:{port}", place="mtls"))


@pytest.mark.parametrize(
    ("allow", "host", "expected"),
    [
        ("api.test", "xapi.test:443", False),
        ("api.test", "api.test.evil:443", False),
        ("api.test", "a.api.test:443", False),
        ("2001:db8::1", "[2001:0DB8:0:0::1]:443", True),
        ("[2001:db8::1]:443", "[2001:db8::1]:8443", False),
        ("[2001:db8::1]", "[2001:db8::2]:443", False),
        ("127.0.0.1", "127.0.0.1:9000", True),
        ("127.0.0.1", "", False),
    ],
)
def test_a_host_is_that_host_and_no_other(allow: str, host: str, expected: bool) -> None:  # noqa: FBT001
    assert permits([Allowed(host=allow)], Going(host=host, place="mtls")) is expected


@pytest.mark.parametrize(
    "text", ["", "a:", "a:0", "a:65536", "a:x", "a b", "a/b", "[::1", "::g", "[a]:1", "a..b", "ä.test"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        host_and_port(text)


@given(st.lists(st.text("abcv1", min_size=1, max_size=3), max_size=4), st.integers(0, 4))
def test_a_path_is_within_each_that_it_begins_with_by_whole_segments(parts: list[str], most: int) -> None:
    above, below = "/" + "/".join(parts[:most]), "/" + "/".join(parts)
    assert permits([Allowed(path=above)], Going(place="mtls", path=below))
    assert permits([Allowed(path=above)], Going(place="mtls", path=quote(below).rstrip("/") + "/"))
    if parts[:most]:
        assert not permits([Allowed(path=above)], Going(place="mtls", path=above + "x"))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin", "/v1/%2e%2e/admin", "/v1/.%2E/admin", "/v1/..;/admin", "/v1/..;a=b/admin", "/v1//admin",
        "/v1/%2fadmin", "/v1/..%2fadmin", "/v1/%5c..%5cadmin", "/v1/..\\admin", "/v1/%252e%252e/admin", "/v1/.",
        "/V1/a", "/v1a", "/v", "v1/a", "", "/v1;/a", "/v1%00/a",
    ],
)  # fmt: skip
def test_a_path_that_can_be_read_in_two_ways_is_not_within(path: str) -> None:
    """Attack: a request that goes around the place that was allowed, as some servers read it."""
    assert not permits([Allowed(path="/v1")], Going(place="mtls", path=path))


@given(st.text(max_size=30))
def test_segments_never_lead_up(path: str) -> None:
    found = segments(path)
    assert found is None or not {".", "..", ""} & set(found)


CREDENTIALS: list[tuple[Credential, list[str]]] = [
    (Injection(secret=NAME, header="X-Key", format="{}"), ["header:X-Key at api.test:443/v1"]),
    (Query(secret=NAME, name="k"), ["query:k at api.test:443/v1"]),
    (Basic(secret=NAME, user="u"), ["basic at api.test:443/v1"]),
    (Mtls(secret=NAME), ["mtls at api.test:443/v1"]),
    (AwsSigV4(secret=NAME, access_key_id="A", region="r", service="s"), ["aws_sigv4 at api.test:443/v1"]),
    (Variable(secret=NAME, env="KEY", format="{}"), ["env:KEY"]),
    (OauthClient(secret=NAME, token_url="https://as.test/t", client_id="c"), ["oauth_client at as.test:443/t"]),
    (
        OauthUser(
            secret=NAME, authorize_url="https://as.test/a", token_url="https://as.test/t", client_id="c",
            revoke_url="https://out.test/r",
        ),
        ["oauth_user at as.test:443/t", "oauth_user at out.test:443/r"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("credential", "expected"), CREDENTIALS)
def test_each_kind_of_credential_says_where_its_secret_goes(credential: Credential, expected: list[str]) -> None:
    assert [str(each) for each in going(credential, host="api.test:443", path="/v1")] == expected


@pytest.mark.parametrize(("credential", "expected"), CREDENTIALS)
def test_all_places_of_a_credential_must_be_allowed(credential: Credential, expected: list[str]) -> None:
    every = going(credential, host="api.test:443", path="/v1")
    allow = tuple(Allowed(host=each.host, place=each.place, path=each.path) for each in every)
    document = SecretDocument(secret=NAME, owner=OwnerName("dana"), allow=allow)
    check(document, credential, host="api.test:443", path="/v1")
    for left_out in range(len(allow)):
        few = (*allow[:left_out], *allow[left_out + 1 :], Allowed(host="other.test"))
        with pytest.raises(SecretUnavailable) as caught:
            check(
                SecretDocument(secret=NAME, owner=OwnerName("dana"), allow=few),
                credential,
                host="api.test:443",
                path="/v1",
            )
        assert caught.value.detail == f"key: {expected[left_out]}"


def test_without_a_document_or_places_it_goes_anywhere() -> None:
    it = Injection(secret=NAME, header="X-Key", format="{}")
    check(None, it)
    check(SecretDocument(secret=NAME, owner=OwnerName("dana")), it)


def test_a_headers_name_has_no_case_and_a_variables_has() -> None:
    assert permits([Allowed(place="header:authorization")], Going(place="header:Authorization"))
    assert not permits([Allowed(place="env:key")], Going(place="env:KEY"))
    assert not permits([Allowed(place="query:key")], Going(place="query:KEY"))
    assert not permits([Allowed(place="header:Authorization")], Going(place="basic"))


def test_what_paths_begin_with_may_hold_a_place_below() -> None:
    assert permits([Allowed(path="/v1/a")], Going(place="mtls", path="/v1", below=True))
    assert not permits([Allowed(path="/v1/a")], Going(place="mtls", path="/v1"))
    assert not permits([Allowed(path="/v1/a")], Going(place="mtls", path="/v2", below=True))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://API.test", ("api.test:443", "/")),
        ("http://api.test:8080/mcp?x=1", ("api.test:8080", "/mcp")),
        ("http://[::1]:9/a", ("[::1]:9", "/a")),
    ],
)
def test_where_a_url_leads(url: str, expected: tuple[str, str]) -> None:
    assert whereabouts(url) == expected
