"""What a server's document says of the forward proxy."""

from __future__ import annotations

from typing import Any

import pytest
from tests.authority import OwnAuthority

from remit.catalog import spec
from remit.catalog.model import PinState, Proxied
from remit.catalog.observe import observe
from remit.catalog.operation import CONNECT, Routes
from remit.catalog.sql import body
from remit.people.document import SpecInvalid

CA = OwnAuthority()
TUNNEL: dict[str, Any] = {"server": "api", "kind": "http", "url": "https://a.test", "proxy": "tunnel"}
INTERCEPT: dict[str, Any] = {
    "server": "api", "kind": "http", "url": "https://a.test/v1", "proxy": "intercept", "operations": {"GET /x": {}},
}  # fmt: skip
KEY = {"secret": "key", "inject": {"header": "X-Api-Key"}}


def test_a_tunnel_has_one_operation_that_no_request_is() -> None:
    server = spec.server({**TUNNEL, "operations": {CONNECT: {"tier": "medium"}}})
    server = observe(server, list(server.declared or ())).server
    assert [(tool.name, tool.tier.value, tool.state) for tool in server.tools.values()] == [
        (CONNECT, "medium", PinState.APPROVED)
    ]
    assert Routes(server.tools.values()).find("CONNECT", ("",)) is None


def test_an_intercepted_one_says_whom_it_believes_and_what_stands_for_its_key() -> None:
    server = spec.server({**INTERCEPT, "ca": CA.pem, "credential": KEY, "placeholder": "API_KEY"})
    assert (server.proxy, server.ca, server.placeholder) == (Proxied.INTERCEPT, CA.pem, "API_KEY")


def test_without_any_of_it_nothing_is_stored_anew() -> None:
    plain = spec.server({**INTERCEPT, "proxy": "intercept"})
    assert '"proxy":"intercept"' in body(plain)
    before = spec.server({key: value for key, value in INTERCEPT.items() if key != "proxy"})
    assert not {"proxy", "ca", "placeholder"} & {each.partition('"')[0] for each in body(before).split('"')[1::2]}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({**TUNNEL, "url": "http://a.test"}, "url"),
        ({**TUNNEL, "url": "https://a.test/v1"}, "url"),
        ({**TUNNEL, "credential": KEY}, "credential"),
        ({**TUNNEL, "ca": CA.pem}, "ca"),
        ({**TUNNEL, "operations": {"GET /x": {}}}, "operations"),
        ({**TUNNEL, "proxy": "splice"}, "proxy"),
        ({**INTERCEPT, "operations": {CONNECT: {}}}, f"operations.{CONNECT}"),
        ({**INTERCEPT, "url": "http://a.test", "ca": CA.pem}, "ca"),
        ({**INTERCEPT, "ca": "x"}, "ca"),
        ({**INTERCEPT, "ca": CA.leaf("a.test").decode()}, "ca"),  # with its key
        ({**INTERCEPT, "ca": CA.leaf("a.test").decode().partition("-----BEGIN PRIVATE")[0]}, "ca"),  # no authority
        ({**INTERCEPT, "ca": CA.pem, "credential": {"secret": "key", "inject": "mtls"}}, "ca"),
        ({**INTERCEPT, "placeholder": "API_KEY"}, "placeholder"),
        ({**INTERCEPT, "credential": KEY, "placeholder": "LD_PRELOAD"}, "placeholder"),
        ({**INTERCEPT, "credential": KEY, "placeholder": "HTTPS_PROXY"}, "placeholder"),
        ({**INTERCEPT, "credential": KEY, "placeholder": "PATH"}, "placeholder"),
        ({"server": "a", "kind": "mcp", "url": "https://a.test", "proxy": "tunnel"}, "proxy"),
    ],
)
def test_what_does_not_fit_is_said(document: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.server(document)
    assert field in [each.field for each in refused.value.problems]
