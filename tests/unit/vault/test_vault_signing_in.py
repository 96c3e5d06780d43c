"""Where a rotator or a maker signs in: no other document takes an administrator's secret to a host of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.vault.allowed import permits
from remit.vault.document import Allowed
from remit.vault.settings import MAKERS, ROTATORS
from remit.vault.signing_in import ROTATION, places

HOSTS = st.sampled_from(["keys.test", "evil.test", "127.0.0.1"])
PORTS = st.sampled_from([443, 8443])
REQUESTS = ("create", "revoke", "leftovers", "confirm")
KINDS = sorted({*ROTATORS, *MAKERS})


def signing(kind: str, host: str, port: int, which: str = "create") -> dict[str, Any]:
    """Settings that sign in there, and ask nobody else but for what shows the new credential alone."""
    url = f"https://{host}:{port}/keys"
    match kind:
        case "postgres":
            return {"host": host, "port": port}
        case "aws":
            return {"endpoint_url": url}
        case "openbao":
            return {"url": url}
        case _:
            verify = {"url": "https://api.test/me", "headers": {"X-Key": "{value}"}}
            return {which: {"url": url + "/{id}"}, "verify": verify, "token_url": "https://login.test/token"}


@given(st.sampled_from(KINDS), HOSTS, HOSTS, PORTS, PORTS, st.sampled_from(REQUESTS), st.sampled_from(["", ROTATION]))
def test_a_secret_is_signed_in_with_only_where_its_document_says(
    kind: str, host: str, allowed: str, port: int, other: int, which: str, place: str
) -> None:
    found = places(kind, signing(kind, host, port, which))
    said = [Allowed(host=f"{allowed}:{other}", place=place)]
    assert all(permits(said, each) for each in found) is ((host, port) == (allowed, other))
    assert not any(permits([Allowed(host=f"{host}:{port}", place="header:Authorization")], each) for each in found)


@pytest.mark.parametrize("which", [each for each in REQUESTS if each != "create"])
def test_each_request_that_is_signed_counts(which: str) -> None:
    said = signing("http", "keys.test", 443) | signing("http", "evil.test", 443, which)
    assert {each.host for each in places("http", said)} == {"keys.test:443", "evil.test:443"}


def test_what_shows_the_old_or_new_credential_alone_takes_the_administrators_nowhere() -> None:
    said = signing("http", "keys.test", 443) | {"confirm": {"url": "https://api.test/me/{value}"}}
    assert [each.host for each in places("http", said)] == ["keys.test:443"]


@pytest.mark.parametrize("kind", [*KINDS, "another"])
@pytest.mark.parametrize("said", [{}, {"create": 1, "host": 1, "url": 1, "secrets": 1}, {"url": "ftp://a", "create": {}}])
def test_where_nothing_can_be_made_out_no_host_fits(kind: str, said: dict[str, Any]) -> None:
    found = places(kind, said)
    assert found
    if kind != "aws":  # which has an address of its own
        assert not any(permits([Allowed(host="keys.test")], each) for each in found)


def test_aws_has_an_address_of_its_own() -> None:
    assert [each.host for each in places("aws", {"region": "eu-central-1"})] == ["iam.amazonaws.com:443"]
