"""Which servers stand at a host and port, and below which path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog import spec
from remit.catalog.model import Server
from remit.enforcement import proxy_targets
from remit.enforcement.proxy_head import Destination
from remit.enforcement.proxy_targets import Targets


def server(name: str, url: str, proxy: str | None = "intercept") -> Server:
    document: dict[str, Any] = {"server": name, "kind": "http", "url": url}
    if proxy != "tunnel":
        document["operations"] = {"GET /x": {"tier": "low"}}
    return spec.server(document | ({"proxy": proxy} if proxy else {}))


def names(servers: Any) -> list[str]:
    return [each.server for each in servers]


def test_only_what_is_proxied_stands_there() -> None:
    servers = [server("a", "https://a.test/v1"), server("b", "https://b.test", None), server("c", "http://a.test:443")]
    targets = Targets(lambda: servers, lambda: 1)
    assert names(targets.at(Destination("a.test", 443), secure=True)) == ["a"]
    assert names(targets.at(Destination("a.test", 443), secure=False)) == ["c"]
    assert targets.at(Destination("b.test", 443), secure=True) == ()
    assert targets.at(Destination("a.test", 444), secure=True) == ()


def test_a_tunnel_shares_its_place_with_nobody() -> None:
    both = [server("a", "https://a.test", "tunnel"), server("b", "https://a.test")]
    assert proxy_targets.index(both) == {}
    assert len(proxy_targets.index(both[:1])) == 1


def test_the_index_is_of_the_newest_view() -> None:
    servers, epoch = [server("a", "https://a.test")], [1]
    targets = Targets(lambda: servers, lambda: epoch[0])
    assert targets.at(Destination("a.test", 443), secure=True)
    servers.clear()
    epoch[0] = 2
    assert targets.at(Destination("a.test", 443), secure=True) == ()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"/v1/x", ("a", b"/x")),
        (b"/v1/beta/x", ("b", b"/x")),
        (b"/v1/betax", ("a", b"/betax")),
        (b"/v1", None),
        (b"/v2/x", None),
        (b"/%761/x", None),
        (b"//v1/x", None),
    ],
)
def test_the_longest_base_counts(path: bytes, found: Any) -> None:
    servers = [server("a", "https://a.test/v1"), server("b", "https://a.test/v1/beta/")]
    asked = proxy_targets.below(servers, path)
    assert found == (asked and (asked[0].server, asked[1]))


@given(st.lists(st.sampled_from(["/v1", "/v1/b", "", "/v2"]), unique=True), st.from_regex(rb"(/[a-z0-9]{0,3}){0,4}"))
def test_what_is_found_is_a_prefix_and_no_longer_one_is(bases: list[str], path: bytes) -> None:
    servers = [server(f"s{at}", f"https://a.test{base}") for at, base in enumerate(bases)]
    asked = proxy_targets.below(servers, path)
    fitting = [base for base in bases if path.startswith(base.encode() + b"/")]
    if asked is None:
        assert not fitting
    else:
        assert max(fitting, key=len).encode() + asked[1] == path


def test_a_redirect_leads_back_to_where_the_agent_asked() -> None:
    where = Destination("a.test", 443)
    assert proxy_targets.here(server("a", "https://a.test/v1/"), where) == "https://a.test/v1"
    assert proxy_targets.here(server("a", "https://a.test:8443"), Destination("a.test", 8443)) == "https://a.test:8443"
