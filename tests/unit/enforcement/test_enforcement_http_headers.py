"""Which headers pass: none that speaks for the caller, none of this hop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement import http_headers
from remit.kernel.errors import Malformed

NEVER = [
    "Authorization", "cookie", "DPoP", "Proxy-Authorization", "Forwarded", "X-Forwarded-For", "x-forwarded-anything",
    "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Expect", "X-HTTP-Method-Override",
    "x-http-method", "X-Method-Override", "X_Forwarded_For", "X_HTTP_Method_Override", "X-Original-URL", "Remit-Act-As",
    "Sec-WebSocket-Key", "Accept-Encoding", "X-Real-IP", "Remote-User", "X-Remote-User", "X-Authenticated-Userid",
    "X-Auth-Request-Email", "X-Client-IP", "X-Cluster-Client-IP", "X-Forwarded", "X-Consumer-Username", "CF-Ray",
    "X-MS-Client-Principal-Name", "X-Goog-IAP-JWT-Assertion", "Tailscale-User-Login", "X-Original-Forwarded-For",
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from([*NEVER, "X-Fine", "Accept"]), st.text("a,; b", max_size=9)), max_size=9))
def test_none_of_those_passes_however_they_are_mixed(pairs: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in pairs]
    passed = http_headers.upstream(raw)
    assert {name for name, _ in passed} <= {"X-Fine", "Accept"}


def test_what_connection_names_is_of_this_hop() -> None:
    raw = [(b"Connection", b"close, X-Fine"), (b"X-Fine", b"1"), (b"Accept", b"a")]
    assert http_headers.upstream(raw) == [("Accept", "a")]


def test_a_credentials_place_is_left_free() -> None:
    assert http_headers.upstream([(b"X-API-Key", b"mine")], clashes={"x-api-key"}) == []


def test_a_header_that_would_end_its_line_is_refused() -> None:
    with pytest.raises(Malformed):
        http_headers.upstream([(b"X-Fine", b"a\r\nX-Evil: 1")])


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Target", "X-Amz-Rename-Source", "x-amz-tagging", "X-Copy-From", "x-ms-rename-source",
     "x-amz-copy-source", "X-Amz-Copy-Source-Range", "X-AMZ-ACL", "X-Amz-Grant-Read", "Stripe-Account",
     "x-ms-copy-source", "X-Goog-Copy-Source"],
)  # fmt: skip
def test_what_would_make_another_call_of_it_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match=name.lower()):
        http_headers.upstream([(name.encode(), b"x")])


@given(st.sampled_from(["Set-Cookie", "WWW-Authenticate", "Location", "Access-Control-Allow-Origin", "Connection"]))
def test_what_is_said_for_another_origin_does_not_come_back(name: str) -> None:
    names = {each for each, _ in http_headers.back([(name, "1"), ("ETag", "2")])}
    assert names == {b"etag", b"x-content-type-options", b"content-security-policy"}


def test_of_long_names_no_judgement_is_kept() -> None:
    """A caller that makes names up must not fill the memory with them."""
    long = b"x-" + b"n" * 200
    before = http_headers._judged_request.cache_info().currsize, http_headers._judged_response.cache_info().currsize
    assert http_headers.upstream([(long, b"1")]) == [(long.decode(), "1")]
    assert (long, b"1") in http_headers.back([(long.decode(), "1")])
    after = http_headers._judged_request.cache_info().currsize, http_headers._judged_response.cache_info().currsize
    assert before == after


@given(
    st.lists(
        st.tuples(st.sampled_from(["Connection", "X-One", "X-Two", "Via", "Å"]), st.text("x-onetw, ", max_size=12)),
        max_size=5,
    )
)
def test_what_connection_names_stays_here_both_ways(pairs: list[tuple[str, str]]) -> None:
    named = {part.strip().lower() for name, value in pairs if name == "Connection" for part in value.split(",")}
    kept = [(name, value) for name, value in pairs if name.startswith("X-") and name.lower() not in named]
    sent = [(name.encode("latin-1"), value.encode()) for name, value in pairs]
    assert http_headers.upstream(sent) == [(name, value.strip(" ")) for name, value in kept]
    own = len(http_headers._OURS)
    assert http_headers.back(pairs)[:-own] == [(name.lower().encode(), value.encode()) for name, value in kept]


def test_an_event_stream_goes_back_in_utf_8_alone() -> None:
    found = dict(
        http_headers.back(
            [("Content-Type", "text/event-stream; charset=utf-16"), ("X", "text/event-stream; charset=a")]
        )
    )
    assert found[b"content-type"] == b"text/event-stream"
    assert found[b"x"] == b"text/event-stream; charset=a"
