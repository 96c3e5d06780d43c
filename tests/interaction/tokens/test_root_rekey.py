"""Another root key, by two people, over HTTP: who may, when, and what the log says of it. Tokens go on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.audit.service import Recorder
from remit.kernel.clock import DAY, HOUR, Instant
from remit.keys.rekey import Rekey
from remit.server.door import Porch
from remit.server.http_rekey import RekeyDoors
from remit.server.operator_tokens import Doorkeeper, issue
from remit.server.operators import Authority
from remit.server.rekeying import Rekeying

PATH = "/v1/keys/root/rekey"


class Root:
    """The doors of the root key. Its people's tokens are a day old, unless a test says otherwise."""

    def __init__(self, world: Any) -> None:
        self.world, self.clock = world, world.clock
        database = world.database
        database.feed.subscribe(world.ring.follow)
        keeper = Doorkeeper(clock=self.clock, dev=False)
        database.feed.subscribe(keeper.follow)
        self.rekeying = Rekeying(
            rekey=Rekey(world.ring), writer=database.writer, reader=database.reader,
            records=Recorder(world.ring, self.clock, lambda: database.epoch), clock=self.clock,
        )  # fmt: skip
        porch = Porch(keeper=keeper, authority=Authority.shipped(), body_limit=1 << 20, dev=False)
        self.app = Starlette(routes=[porch.route(door) for door in RekeyDoors(rekeying=self.rekeying).doors()])
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

    def ask(self, token: str, method: str = "POST", path: str = PATH) -> tuple[int, dict[str, Any]]:
        with TestClient(self.app, headers={"authorization": f"Bearer {token}"}) as client:
            answer = client.request(method, path)
        found: dict[str, Any] = answer.json()
        return answer.status_code, found

    def shown(self) -> dict[str, Any]:
        status, found = self.ask(self.vic, "GET", "/v1/keys/root")
        assert status == 200, found
        return found

    def said(self) -> list[tuple[Any, ...]]:
        entries = [each for each in self.world.entries("change") if each["what"] == "key"]
        return [(each["name"], each["change"], each["by"], each.get("first")) for each in entries]


@pytest.fixture
def root(world: Any) -> Iterator[Root]:
    return Root(world)  # type: ignore[return-value]


def test_two_people_begin_and_nobody_ends(world: Any, root: Root) -> None:
    token, jwks = world.token(), world.ring.token_keys.jwks()
    assert root.shown()["under_way"] is False
    assert root.ask(root.sam) == (200, {"waits": True, "first": "sam", "keys": []})
    assert root.ask(root.sam)[1]["waits"] is True, "the same person twice is one"
    assert [each["generation"] for each in root.shown()["roots"]] == [1]
    status, said = root.ask(root.kim)
    assert (status, said["waits"], said["keys"][0]["generation"], said["keys"][0]["state"]) == (200, False, 2, "live")
    found = root.shown()
    assert (found["under_way"], found["left"], found["total"]) == (True, 4, 4)
    root.rekeying.tick()
    found = root.shown()
    assert (found["under_way"], found["left"]) == (False, 0)
    assert [(each["generation"], each["state"]) for each in found["roots"]] == [(2, "live"), (1, "retired")]
    assert root.said() == [
        ("root", "asked", "sam", None), ("root", "asked", "sam", None), ("root", "rekey", "kim", "sam"),
        ("root", "rekeyed", "remit", None),
    ]  # fmt: skip
    world.check(token)
    world.check(world.token())
    assert world.ring.token_keys.jwks() == jwks


def test_nothing_of_a_key_is_told(root: Root) -> None:
    root.ask(root.sam)
    root.ask(root.kim)
    for row in root.shown()["roots"]:
        assert set(row) == {"generation", "state", "created", "retired"}


def test_who_may_not_begins_none(root: Root) -> None:
    assert root.ask(root.vic)[0] == 403
    young = root.person("kid", "security", age=HOUR // 2)
    status, said = root.ask(young)
    assert (status, said["code"]) == (403, "forbidden")
    assert root.said() == []


def test_a_word_is_about_the_root_that_comes(root: Root) -> None:
    root.ask(root.sam)
    root.ask(root.kim)
    root.ask(root.sam)
    status, said = root.ask(root.sam)
    assert (status, said["code"]) == (409, "conflict"), "one is under way"
    root.rekeying.tick()
    # The words that began the last one begin no other.
    assert root.ask(root.kim)[1]["waits"] is True
    root.clock.at += HOUR
    assert root.ask(root.sam)[1]["waits"] is True, "a word does not outlive an hour"
    assert root.ask(root.kim)[1]["keys"][0]["generation"] == 3


def test_a_server_that_ends_stops_between_two_batches(root: Root) -> None:
    root.ask(root.sam)
    root.ask(root.kim)
    assert root.rekeying.tick(lambda: True) == 0
    assert root.shown()["left"] == 4
