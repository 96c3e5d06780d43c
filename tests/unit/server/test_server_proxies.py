from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from remit.kernel.errors import ConfigInvalid, Malformed
from remit.server.client_methods import client_methods
from remit.server.proxies import trusted
from remit.server.settings import Settings, nonce_use
from remit.tokens.certificate import Shown, of_connection
from remit.tokens.nonce import NonceUse


def passed(client: Any, *headers: tuple[bytes, bytes], proxies: tuple[str, ...] = ("10.0.0.5", "fd00::/8")) -> Any:
    scope: dict[str, Any] = {"headers": [(b"host", b"x"), *headers], "client": client}
    trusted(proxies).pass_on(scope)
    assert scope["headers"] == [(b"host", b"x")]
    return of_connection(scope)


@pytest.mark.requirement("mtls:proxy")
@pytest.mark.parametrize(
    ("client", "believed"),
    [
        (("10.0.0.5", 1), True),
        (("::ffff:10.0.0.5", 1), True),
        (("fdab::1", 1), True),
        (("10.0.0.50", 1), False),
        (("10.0.0.4", 1), False),
        (("fe80::1%eth0", 1), False),
        (("", 1), False),
        (None, False),
    ],
    ids=str,
)
def test_who_is_believed(client: Any, *, believed: bool) -> None:
    found = passed(client, (b"client-cert", b":YWJj:"), (b"Client-Cert-Chain", b":ZGVm:, :Z2hp:"))
    assert found == (Shown(b"abc", (b"def", b"ghi")) if believed else None)


@pytest.mark.parametrize("address", ["", "proxy.example.test", "10.0.0.5/8", "10.0.0.5:80", "0.0.0.0/0", "::/0"])
def test_what_is_no_proxys_address(address: str) -> None:
    with pytest.raises(ConfigInvalid):
        trusted([address])


def test_with_no_proxy_nobody_is_believed() -> None:
    assert passed(("10.0.0.5", 1), (b"client-cert", b":YWJj:"), proxies=()) is None


def test_ways_that_an_operator_turned_on() -> None:
    plain = Settings(data=Path("/d"), keyfile=Path("/k"))
    assert client_methods(plain, None) == []  # type: ignore[arg-type] # nobody is asked
    some = Settings(data=Path("/d"), keyfile=Path("/k"), trusted_proxies=("10.0.0.5",), client_secrets=True)
    assert [each.name for each in client_methods(some, None)] == [  # type: ignore[arg-type] # likewise
        "self_signed_tls_client_auth", "client_secret_basic", "client_secret_post",
    ]  # fmt: skip


def test_where_nonces_are_asked_for() -> None:
    assert [nonce_use(each) for each in ("off", "token", "both")] == list(NonceUse)
    with pytest.raises(Malformed):
        nonce_use("everywhere")
