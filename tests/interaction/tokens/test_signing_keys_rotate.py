"""Keys are replaced while tokens are asked for and used: by time, by two people, in an emergency.

The key of tokens first; then the key of security event tokens, which lives the same life apart from it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.audit.service import Recorder
from remit.console.sessions import Sessions
from remit.enforcement.streams import with_tokens
from remit.kernel.clock import DAY, HOUR, MINUTE, FixedClock, Instant
from remit.kernel.errors import StorageUnavailable
from remit.kernel.names import ActionName, DecisionId, ServerName, ToolName
from remit.keys import foreign, jose
from remit.keys import rotating as rotating_module
from remit.keys.keyfile import KeyfileProvider
from remit.keys.rotating import Rotating
from remit.keys.rotation import SET, TOKEN, Schedule
from remit.keys.security_event import ACCESS_WITHDRAWN, SecurityEvent, signed
from remit.keys.service import KeyRing
from remit.keys.signing import prepared
from remit.people.change import Actor, Changed, record
from remit.policy.model import Call, Code
from remit.server import http_ssf
from remit.server.door import Porch
from remit.server.http_keys import KeyDoors
from remit.server.http_operators import OperatorTokens
from remit.server.key_changes import KeyChanges
from remit.server.operator_tokens import Doorkeeper, issue
from remit.server.operators import Authority
from remit.storage.ports import Transaction
from remit.storage.schema import signing_keys
from remit.tokens.check import TokenInvalid


class Keys:
    """The doors of keys over a world of tokens. Its people's tokens are a day old, unless a test says otherwise."""

    def __init__(self, world: Any, *uses: str) -> None:
        self.use = uses[-1]
        self.world, self.ring, self.clock = world, world.ring, world.clock
        database = world.database
        database.feed.subscribe(self.ring.follow)
        keeper = Doorkeeper(clock=self.clock, dev=False)
        database.feed.subscribe(keeper.follow)
        records = Recorder(self.ring, self.clock, lambda: database.epoch)
        self.changes = KeyChanges(
            families={use: Rotating(self.ring, Schedule(), use) for use in uses},
            writer=database.writer,
            records=records,
            clock=self.clock,
        )
        porch = Porch(keeper=keeper, authority=Authority.shipped(), body_limit=1 << 20, dev=False)
        doors = [
            *KeyDoors(ring=self.ring, changes=self.changes).doors(),
            *OperatorTokens(
                writer=database.writer,
                records=records,
                keeper=keeper,
                clock=self.clock,
                sessions=Sessions(self.clock.now, keeper.stands),
            ).doors(),
        ]
        self.app = Starlette(routes=[porch.route(door) for door in doors])
        self.sam, self.kim, self.vic = (
            self.person(name, role) for name, role in (("sam", "security"), ("kim", "operator"), ("vic", "viewer"))
        )

    def person(self, name: str, role: str, *, age: int = DAY) -> str:
        now = self.clock.now()
        expires, made = Instant(now + 300 * DAY), Instant(now - age)
        token: str = self.world.database.writer.change(
            lambda tx: issue(tx, person=name, role=role, expires=expires, now=made)
        )
        return token

    def ask(self, token: str, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        with TestClient(self.app, headers={"authorization": f"Bearer {token}"}) as client:
            answer = client.request(method, path, json=body)
        found: dict[str, Any] = answer.json()
        return answer.status_code, found

    def rotate(self, token: str, **body: Any) -> tuple[int, dict[str, Any]]:
        return self.ask(token, "POST", f"/v1/keys/{self.use}/rotate", body)

    def rotated(self, **body: Any) -> list[dict[str, Any]]:
        """By two people, a moment later: keys are listed in the order in which they were made."""
        self.clock.at += 1
        assert self.rotate(self.sam, **body)[1]["waits"] is True
        status, answer = self.rotate(self.kim, **body)
        assert (status, answer["waits"]) == (200, False)
        found: list[dict[str, Any]] = answer["keys"]
        return found

    def later(self, micros: int) -> None:
        self.clock.at += micros
        self.changes.tick()

    def states(self, use: str = "") -> list[str]:
        _, answer = self.ask(self.vic, "GET", "/v1/keys")
        return [row["state"] for row in reversed(answer["keys"]) if row["use"] == (use or self.use)]

    def jwks(self) -> list[str]:
        with TestClient(self.world.app) as client:
            answer = client.get("/oauth2/jwks")
        return [key["kid"] for key in answer.json()["keys"]]

    def event_jwks(self) -> Any:
        with TestClient(Starlette(routes=http_ssf.routes(self.ring.set_keys))) as client:
            return client.get("/ssf/jwks")

    def event_kids(self) -> list[str]:
        return [key["kid"] for key in self.event_jwks().json()["keys"]]

    def said(self) -> list[tuple[Any, ...]]:
        entries = [each for each in self.world.entries("change") if each["what"] == "key"]
        return [(each["change"], each["by"]) for each in entries]


@pytest.fixture
def keys(world: Any) -> Iterator[Keys]:
    return Keys(world, TOKEN)  # type: ignore[return-value]


@pytest.fixture
def both(world: Any) -> Iterator[Keys]:
    """Both families; what is asked is about the one of events."""
    return Keys(world, TOKEN, SET)  # type: ignore[return-value]


def test_a_rotation_takes_its_time_and_no_token_fails(world: Any, keys: Keys) -> None:
    old = world.ring.token_keys.active.kid
    (made,) = keys.rotated()
    # Published, and signs nothing.
    assert (made["state"], keys.states()) == ("pending", ["active", "pending"])
    assert set(keys.jwks()) == {old, made["kid"]}
    first = world.token()
    keys.later(15 * MINUTE - 1)
    assert world.ring.token_keys.active.kid == old
    last = world.token()
    keys.later(1)
    # Signs; the old one still verifies what it signed.
    assert world.ring.token_keys.active.kid == made["kid"]
    assert keys.states() == ["verify_only", "active"]
    assert set(keys.jwks()) == {old, made["kid"]}
    world.check(world.token())
    world.check(last)
    with pytest.raises(TokenInvalid, match="expired"):
        world.check(first)
    keys.later(15 * MINUTE)
    assert keys.jwks() == [made["kid"]]
    assert keys.states() == ["retired", "active"]
    assert keys.said() == [
        ("asked", "sam"), ("publish", "kim"), ("demote", "remit"), ("activate", "remit"), ("retire", "remit"),
    ]  # fmt: skip


def test_the_private_part_goes_with_the_key(world: Any, keys: Keys) -> None:
    keys.rotated()
    keys.later(15 * MINUTE)
    keys.later(15 * MINUTE)
    query = select(signing_keys.c.state, signing_keys.c.wrapped).where(signing_keys.c.use == "token")
    found = dict(world.database.reader.read(lambda c: c.execute(query.order_by(signing_keys.c.created)).all()))
    assert found["retired"] == b""
    assert found["active"]


def test_an_emergency_kills_every_token_at_once(world: Any, keys: Keys) -> None:
    keys.rotated()
    token = world.token()
    caller, _ = world.check(token)
    assert caller.key == world.ring.token_keys.active.kid
    keys.rotated(emergency=True)
    assert sorted(keys.states()) == ["active", "retired", "retired"]
    with pytest.raises(TokenInvalid):
        world.check(token)
    assert world.checker.read(token, now=world.now) is None
    with pytest.raises(TokenInvalid, match="revoked"):  # its body came after the key had gone
        world.checker.still(caller, None, now=world.now)
    world.check(world.token())
    # What it began is cut, on every node and after any restart.
    call = Call(
        id=DecisionId("dec_1"), caller=caller, server=ServerName("payments"), action=ActionName("payments/list"),
        tool=ToolName("list"), arguments={},
    )  # fmt: skip
    answer = with_tokens(world.ring.token_keys.distrusts, lambda _call: None)(call)
    assert answer is not None
    assert answer.denial is not None
    assert answer.denial.code is Code.REVOKED
    keys.later(30 * MINUTE)
    assert sorted(keys.states()) == ["active", "retired", "retired"]


def test_what_an_ordinary_rotation_retires_is_trusted_for_what_runs(world: Any, keys: Keys) -> None:
    old = world.ring.token_keys.active.kid
    keys.rotated()
    keys.later(15 * MINUTE)
    keys.later(15 * MINUTE)
    assert world.ring.token_keys.public(old) is None
    assert not world.ring.token_keys.distrusts(old)


def test_a_schedule_rotates_by_itself(keys: Keys) -> None:
    keys.later(90 * DAY - 1)
    assert keys.states() == ["active"]
    keys.later(1)
    assert keys.states() == ["active", "pending"]
    keys.later(HOUR)  # one tick that comes late does all that is due
    assert keys.states() == ["verify_only", "active"]
    assert keys.said()[0] == ("publish", "remit")


def test_another_algorithm_is_bound_to_the_new_key(world: Any, keys: Keys) -> None:
    token = world.token()
    (made,) = keys.rotated(algorithm="EdDSA")
    assert made["algorithm"] == "Ed25519"
    keys.later(15 * MINUTE)
    edwards = world.token()
    world.check(edwards)
    with pytest.raises(TokenInvalid, match="not valid"):
        world.check(world.forge(edwards, header={"alg": "ES256"}))
    with pytest.raises(TokenInvalid, match="expired"):  # long verified by another key than signs now
        world.check(token)
    with TestClient(world.app) as client:
        shown = {key["kid"]: key["alg"] for key in client.get("/oauth2/jwks").json()["keys"]}
    assert shown[made["kid"]] == "Ed25519"
    # What was asked for once stays: the next one is for the same.
    assert [row["algorithm"] for row in keys.rotated()] == ["Ed25519"]
    assert [row["algorithm"] for row in keys.rotated(emergency=True) if row["state"] == "active"] == ["Ed25519"]


def test_one_person_changes_nothing(keys: Keys) -> None:
    assert keys.rotate(keys.vic)[0] == 403
    for _ in range(2):
        status, answer = keys.rotate(keys.sam)
        assert (status, answer) == (200, {"waits": True, "first": "sam", "keys": []})
    assert keys.states() == ["active"]
    # A word is about one matter, and does not outlive an hour.
    assert keys.rotate(keys.kim, emergency=True)[1]["waits"] is True
    assert keys.rotate(keys.sam)[1]["waits"] is True
    keys.clock.at += HOUR
    assert keys.rotate(keys.kim)[1]["waits"] is True
    assert keys.states() == ["active"]


def test_a_fresh_token_has_no_word(keys: Keys) -> None:
    fresh = keys.person("new", "operator", age=0)
    keys.rotate(keys.sam)
    status, problem = keys.rotate(fresh)
    assert (status, problem["code"]) == (403, "forbidden")
    assert "does not count yet" in problem["title"]


def test_a_word_goes_with_the_token_it_was_said_with(keys: Keys) -> None:
    keys.rotate(keys.sam)
    assert keys.ask(keys.sam, "DELETE", "/v1/operators/tokens/sam")[0] == 200
    assert keys.rotate(keys.kim)[1]["waits"] is True


def test_a_word_said_before_a_rotation_is_none_after_it(keys: Keys) -> None:
    keys.rotate(keys.sam, emergency=True)
    second = keys.person("lee", "security")
    assert keys.rotate(keys.kim, emergency=True)[1]["waits"] is False
    assert keys.rotate(second, emergency=True)[1]["waits"] is True


def test_a_second_rotation_waits_for_the_first(keys: Keys) -> None:
    (made,) = keys.rotated()
    status, problem = keys.rotate(keys.sam)
    assert (status, problem["code"]) == (409, "conflict")
    assert made["kid"] in problem["try"]


def test_a_pending_key_is_taken_back(world: Any, keys: Keys) -> None:
    (made,) = keys.rotated()
    path = f"/v1/keys/{made['kid']}"
    assert keys.ask(keys.sam, "DELETE", path)[1]["waits"] is True
    assert keys.ask(keys.kim, "DELETE", path)[1]["keys"][0]["state"] == "retired"
    assert keys.jwks() == [world.ring.token_keys.active.kid]
    keys.later(DAY)
    assert keys.states() == ["active", "retired"]
    assert keys.ask(keys.sam, "DELETE", path)[0] == 409


def test_the_key_that_signs_is_not_retired(world: Any, keys: Keys) -> None:
    status, problem = keys.ask(keys.sam, "DELETE", f"/v1/keys/{world.ring.token_keys.active.kid}")
    assert (status, problem["code"]) == (409, "conflict")
    assert "--emergency" in problem["try"]
    assert keys.ask(keys.sam, "DELETE", f"/v1/keys/{world.ring.log_key.key.kid}")[0] == 404


def test_the_key_of_the_log_does_not_rotate(keys: Keys) -> None:
    status, problem = keys.ask(keys.sam, "POST", "/v1/keys/log/rotate", {})
    assert (status, problem["code"]) == (400, "malformed")
    assert "every checkpoint so far is verified with it" in problem["title"]
    assert keys.ask(keys.sam, "POST", "/v1/keys/lot/rotate", {})[0] == 404


@pytest.mark.parametrize("algorithm", ["RS256", "none", "HS256", "es256", ""])
def test_no_other_algorithm(keys: Keys, algorithm: str) -> None:
    assert keys.rotate(keys.sam, algorithm=algorithm)[0] == 400


def test_the_list_shows_nothing_private(keys: Keys) -> None:
    _, answer = keys.ask(keys.vic, "GET", "/v1/keys")
    assert answer["schedule"] == {"every": 90 * 86_400, "publish": 900, "linger": 900}
    assert {row["use"] for row in answer["keys"]} == {"log", "token"}
    for row in answer["keys"]:
        assert set(row) == {
            "kid", "use", "algorithm", "state", "created", "since", "distrusted", "moves"
        }  # fmt: skip


def test_a_restart_finds_the_keys_where_they_were(world: Any, keys: Keys, tmp_path: Path) -> None:
    token = world.token()
    keys.rotated()
    keys.rotated(emergency=True)
    provider = KeyfileProvider.load(tmp_path / "keys" / "keyfile")
    again = world.database.reader.read(lambda c: KeyRing.open(c, provider, clock=FixedClock(world.now)))
    assert again.records == world.ring.records
    assert again.token_keys.jwks() == world.ring.token_keys.jwks()
    kid = world.checker.read(token, now=world.now)
    assert kid is None
    assert sum(again.token_keys.distrusts(record.kid) for record in again.records) == 2


def test_a_change_that_fails_leaves_no_key_behind(world: Any, keys: Keys) -> None:
    def fail(tx: Transaction) -> None:
        keys.changes.families[TOKEN].emergency(tx, algorithm=None, now=world.now)
        record(
            tx, keys.changes.records, Changed(what="key", name="x", change="retire", before=None, after=None),
            by=Actor(by="sam"),
        )  # fmt: skip
        raise RuntimeError("no")

    token = world.token()
    with pytest.raises(RuntimeError):
        world.database.writer.change(fail)
    world.check(token)
    assert keys.states() == ["active"]


# the key of security event tokens --------------------------------------------------------


def event(ring: KeyRing) -> str:
    said = SecurityEvent(
        issuer="https://remit.test", audience="https://crm.test", agent="invoice-bot", transaction="wdr_1",
        kind=ACCESS_WITHDRAWN, happened=Instant(0), about={},
    )  # fmt: skip
    assert ring.set_keys.active is not None
    return signed(said, key=ring.set_keys.active, jti="set_1", now=Instant(0))


def verified(both: Keys, token: str) -> bool:
    """As a receiver does it, with what is published."""
    keys = both.event_jwks().json()
    try:
        jose.verify(token, typ="secevent+jwt", algorithms=("RS256",), key=foreign.key_set(keys).find)
    except jose.JoseInvalid:
        return False
    return True


def test_the_first_key_of_events_comes_with_a_tick(world: Any, both: Keys) -> None:
    answer = both.event_jwks()
    assert (answer.json(), answer.headers["cache-control"]) == ({"keys": []}, "no-store")
    assert both.states() == []
    both.later(0)
    answer = both.event_jwks()
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-type"] == "application/jwk-set+json"
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "n", "e", "alg", "use", "kid"}
    assert (key["kty"], key["alg"], both.states()) == ("RSA", "RS256", ["active"])
    assert both.said() == [("activate", "remit")]
    both.later(0)
    assert both.states() == ["active"], "once"
    assert verified(both, event(world.ring))


def test_an_rsa_key_is_never_made_on_the_writers_thread(
    world: Any, both: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = world.database.writer.change(lambda _tx: threading.get_ident())
    made: list[int] = []

    def noting(use: str) -> Any:
        made.extend([threading.get_ident()] if use == SET else [])
        return prepared(use)

    monkeypatch.setattr(rotating_module, "prepared", noting)
    both.later(0)
    both.rotated()
    both.rotated(emergency=True)
    both.later(90 * DAY)
    assert len(made) == 6, "the first one, two words, two words, time"
    assert writers not in made
    assert both.states().count("pending") == 1


def test_while_changes_fail_one_key_is_tried_again(world: Any, both: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    rotating, real = both.changes.families[SET], both.changes.families[SET].advance

    def failing(_tx: Transaction, *, now: Instant, jwk: Any) -> Any:
        assert now == world.now
        tried.append(jwk["kid"])
        raise StorageUnavailable("the database is gone")

    monkeypatch.setattr(rotating, "advance", failing)
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            both.changes.tick()
    monkeypatch.setattr(rotating, "advance", real)
    both.changes.tick()
    assert len(set(tried)) == 1
    assert both.event_kids() == tried[:1]
    both.changes.tick()
    assert both.changes._kept == {}, "what is stored is no more kept"
    # What another node was quicker with is not kept for the next time either.
    both.changes._kept[SET] = {"kid": "made for nothing"}
    both.changes.tick()
    assert both.changes._kept == {}


def test_the_families_rotate_apart_and_no_event_fails(world: Any, both: Keys) -> None:
    both.later(0)
    token_key, (first,) = world.ring.token_keys.active.kid, both.event_kids()
    (made,) = both.rotated()
    assert (made["use"], made["algorithm"], made["state"]) == ("set", "RS256", "pending")
    assert set(both.event_kids()) == {first, made["kid"]}
    early = event(world.ring)
    both.later(15 * MINUTE)
    assert both.states() == ["verify_only", "active"]
    assert (verified(both, early), verified(both, event(world.ring))) == (True, True)
    both.later(15 * MINUTE)
    assert both.event_kids() == [made["kid"]]
    assert not verified(both, early)
    assert (world.ring.token_keys.active.kid, both.states(TOKEN)) == (token_key, ["active"])
    assert both.said() == [
        ("activate", "remit"), ("asked", "sam"), ("publish", "kim"), ("demote", "remit"), ("activate", "remit"),
        ("retire", "remit"),
    ]  # fmt: skip
    # Both are replaced when their time has come.
    both.later(90 * DAY)
    assert both.states()[-1] == both.states(TOKEN)[-1] == "pending"


def test_an_emergency_of_events_kills_no_token(world: Any, both: Keys) -> None:
    both.later(0)
    token, said = world.token(), event(world.ring)
    both.rotated(emergency=True)
    assert both.states() == ["retired", "active"]
    assert not verified(both, said)
    assert verified(both, event(world.ring))
    assert world.check(token)
    # And the other way round.
    said, both.use = event(world.ring), TOKEN
    both.rotated(emergency=True)
    with pytest.raises(TokenInvalid):
        world.check(token)
    assert verified(both, said)


def test_a_key_of_events_is_retired_by_two_people(both: Keys) -> None:
    both.later(0)
    (first,), (made,) = both.event_kids(), both.rotated()
    status, problem = both.ask(both.sam, "DELETE", f"/v1/keys/{first}")
    assert (status, problem["try"]) == (409, "remit key rotate set --emergency")
    path = f"/v1/keys/{made['kid']}"
    assert both.ask(both.sam, "DELETE", path)[1]["waits"] is True
    assert both.ask(both.kim, "DELETE", path)[1]["keys"][0]["state"] == "retired"
    assert both.event_kids() == [first]


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "PS256", "HS256", "none", ""])
def test_a_key_of_events_is_for_rs256(both: Keys, algorithm: str) -> None:
    assert both.rotate(both.sam, algorithm=algorithm)[0] == 400
    assert both.rotate(both.sam, algorithm="RS256")[0] == 200


@pytest.mark.requirement("set:apart")
def test_no_access_token_is_taken_that_a_key_of_events_signed(world: Any, both: Keys) -> None:
    """RFC 8725 sections 2.8 and 3.1, each way: not by its key set, not by its algorithm, not by its type."""
    both.later(0)
    key = world.ring.set_keys.active
    assert key is not None
    assert set(both.jwks()).isdisjoint(both.event_kids())
    assert world.ring.token_keys.public(key.kid) is None
    token, others = world.token(), (world.ring.token_keys.active.kid, key.kid, None)
    for algorithm in ("RS256", "PS256", "ES256", "none"):
        for kid in others:
            head, body, _ = world.forge(token, header={"alg": algorithm, "kid": kid}).split(".")
            with pytest.raises(TokenInvalid):
                world.check(f"{head}.{body}.{world.b64(key.sign(f'{head}.{body}'.encode()))}")
    with pytest.raises(TokenInvalid):
        world.check(event(world.ring))
    # What a key of tokens signed is no event, whatever it says of itself.
    forged = jose.sign({"events": {}}, typ="secevent+jwt", key=world.ring.token_keys.active)
    assert not verified(both, forged)
