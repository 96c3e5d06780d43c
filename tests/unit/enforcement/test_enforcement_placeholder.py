"""Worthless keys: good in one place, for one instance of one agent at one server."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.attestation.model import Caller
from remit.catalog.injection import Basic, Injection, Mtls, OauthClient, Query
from remit.enforcement.placeholder import BEGINS, Foreign, Placeholders
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId, SecretName

KEY = SecretName("key")
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
MADE = Placeholders(bytes(32))
HEADER = Injection(secret=KEY, header="X-Api-Key", format="{}")
QUERY = Query(secret=KEY, name="the key")


def caller(agent: str = "bot", instance: str = "i1") -> Caller:
    return Caller(
        agent=AgentName(agent), instance=InstanceId(instance), credential="c", purpose=PurposeName("work"),
        run=RunId("run_1"), token="t", expires=Instant(1), bound=False,
    )  # fmt: skip


@given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
def test_one_is_good_for_nobody_else(mine: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    agent, instance, server = mine
    shown = MADE.make(agent=other[0], instance=other[1], server=other[2])
    headers = [(b"x-api-key", shown.encode())]
    if mine == other:
        assert MADE.taken(HEADER, caller(agent, instance), server, headers, b"a=1") == b"a=1"
    else:
        with pytest.raises(Foreign):
            MADE.taken(HEADER, caller(agent, instance), server, headers, b"")


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=8)), max_size=5), st.integers(0, 5))
def test_of_a_query_it_alone_is_taken_out(pairs: list[tuple[str, str]], at: int) -> None:
    kept = [(name, value) for name, value in pairs if name != "the key"]
    own = ("the key", MADE.make(agent="bot", instance="i1", server="api"))
    with_it = [*kept[:at], own, *kept[at:]]
    assert MADE.taken(QUERY, caller(), "api", [], _query(with_it)) == _query(kept)


def _query(pairs: list[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs).encode()


@pytest.mark.parametrize("credential", [HEADER, QUERY, Basic(secret=KEY, user="u"), Mtls(secret=KEY), None])
def test_anywhere_else_it_is_a_text_like_another(credential: object) -> None:
    foreign = BEGINS + "somebody-elses"
    headers = [(b"x-note", foreign.encode()), (b"cookie", foreign.encode())]
    query = f"note={foreign}".encode()
    assert MADE.taken(credential, caller(), "api", headers, query) == query  # type: ignore[arg-type] # one of each


def test_another_key_makes_others() -> None:
    foreign = Placeholders(b"x" * 32).make(agent="bot", instance="i1", server="api")
    with pytest.raises(Foreign):
        MADE.taken(HEADER, caller(), "api", [(b"X-API-KEY", foreign.encode())], b"")


@pytest.mark.parametrize(
    ("credential", "value"),
    [
        (Basic(secret=KEY, user="u"), b"Basic " + base64.b64encode(f"u:{BEGINS}api-0".encode())),
        (OauthClient(secret=KEY, token_url="https://a/t", client_id="c"), f"Bearer {BEGINS}api-0".encode()),
        (Injection(secret=KEY, header="Authorization", format="Bearer {}"), f"bearer {BEGINS}".encode()),
    ],
)
def test_where_the_credential_stands_it_is_judged(credential: object, value: bytes) -> None:
    with pytest.raises(Foreign):
        MADE.taken(credential, caller(), "api", [(b"authorization", value)], b"")  # type: ignore[arg-type] # as above


def test_an_encoded_one_in_the_query_is_judged() -> None:
    with pytest.raises(Foreign):
        MADE.taken(QUERY, caller(), "api", [], f"the%20key={BEGINS}x".encode())
