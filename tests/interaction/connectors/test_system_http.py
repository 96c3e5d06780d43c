"""Other systems over real HTTP: told once per right, believed only when they say clearly that it is gone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rights_server import Answer, Rights, serving  # type: ignore[import-not-found] # beside

from remit.catalog.injection import Injection
from remit.certification.withdrawal.ports import SystemSilent
from remit.certification.withdrawal.withdraw import Entitlement, Present, Target, Withdrawal
from remit.connectors import systems
from remit.connectors.system import declared
from remit.connectors.system_http import HttpSystems
from remit.connectors.systems import Directory
from remit.connectors.told import Events
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Conflict, Malformed, NotFound, Overloaded
from remit.keys import foreign, jose
from remit.keys.model import SetKeys
from remit.keys.set_key import SetKey, generate_set_key, set_key
from remit.outbound.session import Outbound
from remit.storage.governance_schema import systems as table
from remit.storage.memory import MemoryWriter

NOON = Instant(1_795_521_600_000_000)
SECRET = "system-key-0123456789"
RIGHT = ("bot", "work", "crm/read")
TARGET = Target("crm", "work", "crm/read")
WITHDRAWAL = Withdrawal(
    id="wdr_1", agent="bot", cause="agent_retired", what=(Entitlement("work", "crm/read", "crm"),), begun=NOON, due=NOON
)  # fmt: skip


class OneSecret:
    """As much of the vault as is used."""

    def header(self, injection: Injection, _url: str) -> tuple[str, str]:
        assert injection.secret == "crm-key"
        return injection.header, injection.format.replace("{}", SECRET)

    def echoes(self, chunk: bytes) -> bool:
        return SECRET.encode() in chunk


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def rights() -> Iterator[Rights]:
    with serving(Rights(held={RIGHT})) as served:
        yield served


class Side:
    """Remit's side: the directory, the way out, and what asks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, seconds: float = 10.0) -> None:
        self.loop = loop
        self.writer = MemoryWriter()
        self.directory = Directory()
        self.writer.feed.subscribe(self.directory.follow)
        self.outbound = Outbound()
        self.frozen: set[str] = set()
        self.keys = SetKeys()
        events = Events(keys=self.keys, issuer="https://remit.test", clock=FixedClock(NOON + 5_000_000))
        self.systems = HttpSystems(
            directory=self.directory, dialer=self.outbound, credentials=OneSecret(), loop=lambda: loop,
            frozen=self.frozen.__contains__, signed=events.withdrawn, seconds=seconds,
        )  # fmt: skip

    def declare(self, url: str, **more: Any) -> None:
        system = declared("crm", url=url, servers=["crm"], **more)
        self.writer.change(lambda tx: systems.add(tx, system))
        self.outbound.allow = frozenset(self.directory.endpoints())

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.outbound.close(), self.loop).result(5)


@pytest.fixture
def side(loop: asyncio.AbstractEventLoop) -> Iterator[Side]:
    side = Side(loop)
    yield side
    side.close()


def test_it_is_told_and_read_again(side: Side, rights: Rights) -> None:
    side.declare(rights.url, secret="crm-key")
    assert side.systems.reread(TARGET, WITHDRAWAL, "") is Present.PRESENT
    token = side.systems.withdraw(TARGET, WITHDRAWAL)
    assert rights.posted == [{"agent": "bot", "purpose": "work", "action": "crm/read", "withdrawal": "wdr_1"}]
    assert side.systems.reread(TARGET, WITHDRAWAL, token) is Present.ABSENT
    about = {"agent": "bot", "purpose": "work", "action": "crm/read", "withdrawal": "wdr_1"}
    assert rights.asked == [about, about | {"token": "job-1"}]
    assert {each["authorization"] for each in rights.headers} == {f"Bearer {SECRET}"}
    # Twice is once.
    side.systems.withdraw(TARGET, WITHDRAWAL)
    assert side.systems.reread(TARGET, WITHDRAWAL, token) is Present.ABSENT


def signing(side: Side) -> SetKey:
    key = set_key(generate_set_key())
    side.keys.replace(SetKeys(active=key, published=[key.jwk]))
    return key


def read(side: Side, token: str) -> dict[str, Any]:
    """As the system does it: with the keys that are published, and no more than its own URL."""
    keys = foreign.key_set(json.dumps(side.keys.jwks()).encode())
    _, claims = jose.verify(token, typ="secevent+jwt", algorithms=("RS256",), key=keys.find)
    return claims


def test_what_it_is_told_is_signed_for_it_alone(side: Side, rights: Rights) -> None:
    signing(side)
    side.declare(rights.url)
    side.systems.withdraw(TARGET, WITHDRAWAL)
    (said,) = rights.posted
    claims = read(side, said.pop("set"))
    assert said == {"agent": "bot", "purpose": "work", "action": "crm/read", "withdrawal": "wdr_1"}
    assert claims.pop("jti").startswith("set_")
    noon = NOON // 1_000_000
    assert claims == {
        "iss": "https://remit.test",
        "iat": noon + 5,
        "aud": rights.url,
        "txn": "wdr_1",
        "sub_id": {"format": "iss_sub", "iss": "https://remit.test", "sub": "bot"},
        "events": {
            "urn:remit:event:access-withdrawn": {"purpose": "work", "action": "crm/read", "event_timestamp": noon}
        },
    }


def test_told_again_it_is_another_token_of_the_same_withdrawal(side: Side, rights: Rights) -> None:
    signing(side)
    side.declare(rights.url)
    for _ in range(2):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    first, second = (read(side, said["set"]) for said in rights.posted)
    assert first.pop("jti") != second.pop("jti")
    assert first == second


def test_it_sees_that_another_key_signed(side: Side, rights: Rights) -> None:
    signing(side)
    side.declare(rights.url)
    side.systems.withdraw(TARGET, WITHDRAWAL)
    signing(side)  # after an emergency: the old key is published no more
    with pytest.raises(jose.JoseInvalid):
        read(side, rights.posted[0]["set"])
    side.systems.withdraw(TARGET, WITHDRAWAL)
    assert read(side, rights.posted[1]["set"])["txn"] == "wdr_1"


def test_reading_again_carries_no_token(side: Side, rights: Rights) -> None:
    signing(side)
    side.declare(rights.url)
    side.systems.reread(TARGET, WITHDRAWAL, "")
    assert rights.asked == [{"agent": "bot", "purpose": "work", "action": "crm/read", "withdrawal": "wdr_1"}]


def test_a_url_with_a_query_keeps_it(side: Side, rights: Rights) -> None:
    side.declare(rights.url + "?tenant=7")
    assert side.systems.reread(TARGET, WITHDRAWAL, "") is Present.PRESENT
    assert rights.asked[0]["tenant"] == "7"
    assert "authorization" not in rights.headers[0]


def test_it_may_lie_when_it_is_told_and_is_found_out_when_it_is_read(side: Side, rights: Rights) -> None:
    side.declare(rights.url)
    rights.lies = True
    token = side.systems.withdraw(TARGET, WITHDRAWAL)
    assert side.systems.reread(TARGET, WITHDRAWAL, token) is Present.PRESENT


ABOUT = {"agent": "bot", "purpose": "work", "action": "crm/read"}
UNCLEAR: dict[str, Answer] = {
    "an error": Answer(500, b'{"present": false}'),
    "not found": Answer(404),
    "nothing": Answer(204),
    "part of it": Answer(206, json.dumps({**ABOUT, "present": False}).encode()),
    "a redirect": Answer(302, b"", {"Location": "/elsewhere"}),
    "a page": Answer(200, b"<html>not here</html>"),
    "an empty body": Answer(200),
    "a list": Answer(200, b"[false]"),
    "a present that is no boolean": Answer(200, json.dumps({**ABOUT, "present": 0}).encode()),
    "no present": Answer(200, json.dumps(ABOUT).encode()),
    "two presents": Answer(200, json.dumps({**ABOUT, "present": True}).encode()[:-1] + b', "present": false}'),
    "another agent": Answer(200, json.dumps({**ABOUT, "agent": "else", "present": False}).encode()),
    "about nothing": Answer(200, b'{"present": false}'),
    "too much": Answer(200, json.dumps({**ABOUT, "present": False, "more": "x" * 70_000}).encode()),
    "its secret": Answer(200, json.dumps({**ABOUT, "present": False, "you_sent": SECRET}).encode()),
    "less than it promised": Answer(200, b"{", {"Content-Length": "99", "Connection": "close"}),
}


@pytest.mark.parametrize("what", UNCLEAR)
def test_what_is_no_clear_answer_confirms_nothing(side: Side, rights: Rights, what: str) -> None:
    side.declare(rights.url)
    rights.instead = lambda _method: UNCLEAR[what]
    assert side.systems.reread(TARGET, WITHDRAWAL, "") is Present.UNKNOWN


@pytest.mark.parametrize("what", ["an error", "not found", "a redirect", "its secret"])
def test_what_does_not_take_the_request_is_told_again_later(side: Side, rights: Rights, what: str) -> None:
    side.declare(rights.url)
    rights.instead = lambda _method: UNCLEAR[what]
    with pytest.raises(SystemSilent):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    assert len(rights.headers) == 1, "no redirect is followed, and nothing is sent twice"


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b'{"token": 7}', b"[]", json.dumps({"token": "x" * 201}).encode(), b'{"token": "a\\u001b"}'],
)
def test_a_token_is_short_plain_text_or_none(side: Side, rights: Rights, body: bytes) -> None:
    side.declare(rights.url)
    rights.instead = lambda _method: Answer(200, body)
    assert side.systems.withdraw(TARGET, WITHDRAWAL) == ""


def test_one_that_is_down(side: Side, rights: Rights) -> None:
    with serving(Rights()) as gone:
        url = gone.url
    side.declare(url)
    with pytest.raises(SystemSilent, match="could not be reached"):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    assert side.systems.reread(TARGET, WITHDRAWAL, "") is Present.UNKNOWN
    assert rights.headers == []


def test_one_that_is_slow(loop: asyncio.AbstractEventLoop, rights: Rights) -> None:
    side = Side(loop, seconds=0.2)
    side.declare(rights.url)
    rights.slow = threading.Event()
    with pytest.raises(SystemSilent, match="in time"):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    assert side.systems.reread(TARGET, WITHDRAWAL, "") is Present.UNKNOWN
    side.close()


def test_nothing_is_sent_without_its_credential_or_with_a_frozen_one(side: Side, rights: Rights) -> None:
    side.declare(rights.url, secret="crm-key")
    side.frozen.add("crm-key")
    with pytest.raises(SystemSilent, match="frozen"):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    assert rights.headers == []


def test_a_private_address_that_no_operator_wrote_is_not_called(side: Side, rights: Rights) -> None:
    side.declare(rights.url)
    side.outbound.allow = frozenset()
    with pytest.raises(SystemSilent, match="no operator wrote"):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    assert rights.headers == []


def test_one_that_was_taken_out_is_not_asked(side: Side, rights: Rights) -> None:
    side.declare(rights.url)
    side.writer.change(lambda tx: systems.remove(tx, "crm"))
    assert side.systems.covering() == []
    with pytest.raises(SystemSilent, match="not declared"):
        side.systems.withdraw(TARGET, WITHDRAWAL)
    assert side.systems.reread(TARGET, WITHDRAWAL, "") is Present.UNKNOWN
    with pytest.raises(NotFound):
        side.writer.change(lambda tx: systems.remove(tx, "crm"))
    assert rights.headers == []


def test_a_server_that_stops_waits_for_nobody(side: Side, rights: Rights) -> None:
    side.declare(rights.url)

    def stopping() -> asyncio.AbstractEventLoop:
        raise Overloaded("Remit is stopping")

    ends = HttpSystems(directory=side.directory, dialer=side.outbound, credentials=OneSecret(), loop=stopping)
    with pytest.raises(SystemSilent, match="stopping"):
        ends.withdraw(TARGET, WITHDRAWAL)


def test_two_of_one_name_are_not_declared_and_a_damaged_row_is_left_out(side: Side) -> None:
    side.declare("https://crm.example/rights", lapses=True)
    with pytest.raises(Conflict):
        side.declare("https://other.example/rights")
    (found,) = side.systems.covering()
    assert (found.system, found.servers, found.lapses) == ("crm", frozenset({"crm"}), True)

    def damage(tx: Any) -> None:
        tx.connection.execute(table.update().values(body="{}"))
        tx.touch("systems")

    side.writer.change(damage)
    assert side.systems.covering() == []


BAD: dict[str, Callable[[], object]] = {
    "no URL": lambda: declared("crm", url="crm", servers=["crm"]),
    "a user in it": lambda: declared("crm", url="https://a:b@crm.example/", servers=["crm"]),
    "another scheme": lambda: declared("crm", url="file:///etc/passwd", servers=["crm"]),
    "no servers": lambda: declared("crm", url="https://crm.example/", servers=[]),
    "a server's name": lambda: declared("crm", url="https://crm.example/", servers=["Crm"]),
    "its name": lambda: declared("../crm", url="https://crm.example/", servers=["crm"]),
    "a secret's name": lambda: declared("crm", url="https://crm.example/", servers=["crm"], secret="A B"),
    "lapses": lambda: declared("crm", url="https://crm.example/", servers=["crm"], lapses=1),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_well_formed_is_not_declared(what: str) -> None:
    with pytest.raises(Malformed):
        BAD[what]()
