from typing import Any

import pytest

from remit.catalog import spec
from remit.catalog.injection import Injection
from remit.catalog.model import Tier
from remit.catalog.tier import contradicts, tier_of
from remit.catalog.url import check_url, endpoint
from remit.kernel.errors import Malformed
from remit.kernel.names import SecretName
from remit.people.document import SpecInvalid

PAYMENTS: dict[str, Any] = {
    "server": "payments",
    "kind": "mcp",
    "url": "http://127.0.0.1:9101/mcp",
    "credential": {"secret": "payments-key", "inject": {"header": "Authorization", "format": "Bearer {}"}},
    "tools": {"transfer": {"tier": "critical"}, "list_*": {"tier": "low"}},
    "review": "pin-on-first-use",
    "mode": "enforce",
}


def test_a_server_is_read() -> None:
    server = spec.server(PAYMENTS)
    assert (server.server, server.url, server.review) == ("payments", PAYMENTS["url"], "pin-on-first-use")
    assert server.credential == Injection(secret=SecretName("payments-key"), header="Authorization", format="Bearer {}")
    assert server.tiers == (("transfer", Tier.CRITICAL), ("list_*", Tier.LOW))
    assert (server.tools, server.set_pin) == ({}, "")


def inject(**said: str) -> dict[str, Any]:
    return {"credential": {"secret": "key", "inject": said}}


@pytest.mark.parametrize(
    ("bend", "field", "says"),
    [
        ({"server": "Payments_1"}, "server", "must match"),
        ({"kind": "http"}, "tools", "unknown key"),
        ({"kind": "grpc"}, "kind", "must be mcp or http"),
        ({"mode": "off"}, "mode", "must be enforce or observe"),
        ({"command": ["npx", "-y", "x"]}, "url", "a URL or a command"),
        ({"url": "ftp://x/y"}, "url", "http"),
        ({"review": "never"}, "review", "pin-on-first-use or quarantine"),
        ({"tools": {"x": {"tier": "huge"}}}, "tools.x.tier", "critical or high"),
        ({"tools": {"x": {}}}, "tools.x.tier", "is missing"),
        ({"tools": {"x": {"tier": "low", "ttl": "1d"}}}, "tools.x.ttl", "unknown key"),
        ({"tools": ["x"]}, "tools", "object"),
        ({"credential": {"secret": "Key"}}, "credential.secret", "must match"),
        (inject(header="Host", format="{}"), "credential.inject.header", "gateway itself"),
        (inject(header="Mcp-Session-Id", format="{}"), "credential.inject.header", "gateway itself"),
        (inject(header="X Y", format="{}"), "credential.inject.header", "HTTP header"),
        (inject(header="X-Key", format="{}\r\nX-Admin: 1"), "credential.inject.format", "ASCII"),
        (inject(header="X-Key", format="none"), "credential.inject.format", "once"),
        (inject(header="X-Key", format="{}{}"), "credential.inject.format", "once"),
        (inject(query="key"), "credential.inject", "goes into a header"),
        (inject(cookie="key"), "credential.inject.cookie", "unknown key"),
    ],
)
def test_a_bad_server_is_refused_by_field(bend: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.server(PAYMENTS | bend)
    said = {problem.field: problem.message for problem in refused.value.problems}
    assert says in said[field]


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("http://127.0.0.1:9101/mcp", ("127.0.0.1", 9101)),
        ("https://Payments.Example.test/mcp?x=1", ("payments.example.test", 443)),
        ("http://[::1]:80/mcp", ("::1", 80)),
        ("http://localhost", ("localhost", 80)),
    ],
)
def test_a_url_leads_to_one_host_and_port(url: str, at: tuple[str, int]) -> None:
    assert check_url(url) == url
    assert endpoint(url) == at


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "payments.example/mcp",
        "file:///etc/passwd",
        "HTTP://x/",
        "http://",
        "http:///mcp",
        "http://payments@evil.test/",
        "http://user:pass@host/",
        "http://host/#fragment",
        "http://host:0/",
        "http://host:70000/",
        "http://host:/",
        "http://host:80a/",
        "http://evil.test\\@payments/",
        "http://ho st/",
        "http://host\n/",
        "http://p\u0430yments/",
        "http://-x-/",
        "http://%31/",
        "http://[::1/",
        "http://host/" + "a" * 3000,
    ],
)
def test_a_url_that_two_parsers_read_differently_is_refused(url: object) -> None:
    with pytest.raises(Malformed):
        check_url(url)


def test_the_operators_tier_stands_and_unknown_is_high() -> None:
    tiers = (("list_secrets", Tier.CRITICAL), ("list_*", Tier.LOW))
    assert [tier_of(name, tiers) for name in ("list_secrets", "list_x", "other")] == [
        Tier.CRITICAL, Tier.LOW, Tier.HIGH,
    ]  # fmt: skip


def test_a_destructive_hint_against_a_low_tier_is_a_contradiction() -> None:
    destructive = {"annotations": {"destructiveHint": True}}
    assert contradicts(Tier.LOW, destructive)
    assert not contradicts(Tier.HIGH, destructive)
    assert not contradicts(Tier.LOW, {"annotations": {"destructiveHint": "true", "readOnlyHint": False}})
    assert not contradicts(Tier.LOW, {"annotations": None})


def test_a_server_is_enforced_unless_it_says_observe() -> None:
    assert [spec.server(PAYMENTS | more).observed for more in ({}, {"mode": "enforce"}, {"mode": "observe"})] == [
        False, False, True,
    ]  # fmt: skip
