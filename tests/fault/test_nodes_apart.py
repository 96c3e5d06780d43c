"""A node that no packet of the database reaches, and an enforcement point that hangs: what the other may rely on."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fault.pair import Pair, Watching, pair
from tests.fault.proxy import Wire, wire
from tests.fault.record import ledger
from tests.fault.serving import Server, ask
from tests.fault.test_server_database_gone import Loop, Told
from tests.fault.test_two_servers import BOUND, PATIENCE, ask_token, node_of, open_call, outcomes, until, verify

SWEPT = 1.5  # seconds: running calls are asked about each half second
REASON = "the freeze in the middle of which the wire is cut"


@contextmanager
def calling(it: Pair, server: Server) -> Iterator[Loop]:
    """A copy of the agent that calls one node without a pause."""
    with it.agent(server, "support-bot", "answer-customers", "crm") as agent:
        loop = Loop(agent)
        try:
            loop.first("allowed", 0)
            yield loop
        finally:
            loop.end()


def frozen(it: Pair, name: str) -> dict[str, Any]:
    """Freeze an agent at the first node."""
    status, told = it.one.ask("POST", "/v1/freezes", {"kind": "agent", "name": name, "reason": "drill"}, as_="dana")
    assert status == 201, told
    return dict(told)


def contained(it: Pair, freeze: str) -> dict[str, Any]:
    """Wait until the first node says that the stop holds everywhere."""
    found: dict[str, Any] = {}

    def asked() -> bool:
        found.update(it.one.ask("GET", f"/v1/freezes/{freeze}")[1])
        return bool(found["contained"])

    until(asked)
    return found


def no_token(it: Pair, server: Server) -> None:
    """It is asked for a token, and refuses."""
    with it.client(server) as client:
        answer = ask_token(it, client, it.grant("support-bot", "answer-customers"))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    assert answer.headers["retry-after"]


def introspected(it: Pair, server: Server, point: str, token: str) -> Any:
    """What an enforcement point is told of a token."""
    with it.client(server) as client:
        headers = {"Authorization": f"Bearer {point}", "Content-Type": "application/x-www-form-urlencoded"}
        return client.post(f"{it.url}/oauth2/introspect", content=f"token={token}", headers=headers)


def ready(server: Server) -> bool:
    """Whether it says that it takes calls."""
    return server.ask("GET", "/readyz")[0] == 200


def once_each(it: Pair, told: list[Told]) -> None:
    """Every call that left has one outcome, what was answered is recorded, what was refused did not leave."""
    it.record.refresh()
    left = it.record.forwarded()
    several = {one: it.record.outcomes.get(one, []) for one in left if len(it.record.outcomes.get(one, [])) != 1}
    assert not several, several
    decided = {entry["arguments"] for entry in left.values() if "arguments" in entry}
    calls = ledger(it.ledger)
    ran = {it.record.mac(arguments) for arguments in calls}
    assert len(ran) == len(calls), "a call reached its server twice"
    assert ran <= decided, "a call reached its server without a decision"
    by_kind: dict[str, set[str]] = {"allowed": set(), "unavailable": set()}
    for each in told:
        by_kind.setdefault(each.answer.kind, set()).add(it.record.mac({"customer": "c-17", "note": each.note}))
    assert by_kind["allowed"] <= ran
    assert not by_kind["unavailable"] & ran


@pytest.mark.slow
def test_a_node_apart_refuses_everything_and_comes_back_by_itself(tmp_path: Path, postgres_url: str) -> None:
    with wire(postgres_url) as line, pair(tmp_path, postgres_url, behind=line.url) as it, calling(it, it.two) as loop:
        status, point = it.one.ask("POST", "/v1/peps", {"pep": "edge"})
        assert status == 201, point
        with it.client(it.two) as client:
            token = ask_token(it, client, it.grant("support-bot", "answer-customers")).json()["access_token"]
        assert introspected(it, it.two, point["token"], token).json()["active"]
        cut = line.swallow()
        refused = loop.first("unavailable", cut)
        assert refused.came - cut < BOUND
        until(lambda: not ready(it.two), BOUND)
        no_token(it, it.two)
        until(lambda: introspected(it, it.two, point["token"], token).status_code == 503, BOUND)
        told = frozen(it, "support-bot")
        stopped = time.monotonic()
        assert told["pending"] == [node_of(it, it.two)]  # it may still think that it is right
        healed = line.heal()
        back = loop.first("denied", healed)
        assert back.answer.code == "revoked"
        assert back.came - healed < BOUND
        assert not [each for each in loop.told if each.sent > stopped and each.answer.kind == "allowed"]
        until(lambda: ready(it.two), BOUND)
        assert contained(it, told["id"])["confirmed"] == ["gateway", node_of(it, it.two)]
        assert it.two.ask("DELETE", "/v1/freezes/agent/support-bot", as_="dana")[0] == 200
        loop.first("allowed", time.monotonic())
        loop.end()
        until(lambda: not open_calls(it))
        once_each(it, loop.told)
        verify(it, it.two)
        print(f"refused after {refused.came - cut:.2f} s, back after {back.came - healed:.2f} s")  # noqa: T201 - measured
        assert (it.two.end(), it.one.end()) == (0, 0)


def open_calls(it: Pair) -> list[str]:
    """Those whose outcome is not in the log, or not yet."""
    it.record.refresh()
    return [one for one in it.record.forwarded() if one not in it.record.outcomes]


def in_a_decision(it: Pair, line: Wire) -> None:
    """While it stores a decision, and has the lock on its own row that whoever gives it up must take."""
    line.cut_after = node_of(it, it.two).encode()
    until(lambda: line.cut)


def in_a_change(it: Pair, line: Wire) -> None:
    """While it has the lock that every change of any node takes."""
    line.cut_after = REASON.encode()
    status, said = it.two.ask("POST", "/v1/freezes", {"kind": "agent", "name": "legacy-bot", "reason": REASON})
    assert (status, said["code"]) == (503, "storage_unavailable")
    assert line.cut


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("part", [in_a_decision, in_a_change])
def test_a_node_apart_for_long_is_given_up_and_nobody_waits_for_it(
    part: Callable[[Pair, Wire], None], tmp_path: Path, postgres_url: str
) -> None:
    with (
        wire(postgres_url) as line,
        pair(tmp_path, postgres_url, behind=line.url) as it,
        calling(it, it.one) as here,
        calling(it, it.two) as there,
    ):
        gone = node_of(it, it.two)
        theirs = Watching(it, it.two)
        lost = open_call(it, gone)
        cut = time.monotonic()
        part(it, line)
        there.first("unavailable", cut)
        told = frozen(it, "watcher")
        found = contained(it, told["id"])
        assert found["expired"] == [gone]
        # What was stopped is stopped there too, though nobody could tell it: a view that may lack something ends it.
        until(lambda: not theirs.runs, SWEPT)
        assert '"enforcement_unavailable"' in theirs.end()
        until(lambda: outcomes(it, lost))
        no_token(it, it.two)
        assert not ready(it.two)
        settled = time.monotonic()
        line.heal()
        assert it.two.process is not None
        it.two.process.communicate(timeout=PATIENCE)
        assert it.two.process.returncode == 7
        for loop in (here, there):
            loop.end()
        assert not [each for each in there.told if each.sent > cut + BOUND and each.answer.kind == "allowed"]
        served = [each for each in here.told if each.came > cut]
        assert {each.answer.kind for each in served} == {"allowed"}, "the other one went on"
        assert max(each.came - each.sent for each in served) < BOUND
        assert outcomes(it, lost) == ["outcome_unknown"]
        assert {each["about"] for each in it.record.of_kind("incident")} == {gone}
        it.two.start()
        with it.agent(it.two, "support-bot", "answer-customers", "crm") as agent:
            assert agent.call("list_customers", {}).kind == "allowed"
        until(lambda: not open_calls(it))
        once_each(it, [each for each in here.told + there.told if each.answer.kind != "other"])
        verify(it, it.one)
        longest = max(each.came - each.sent for each in served)
        print(f"given up after {settled - cut:.1f} s; {len(served)} calls elsewhere, the longest {longest:.2f} s")  # noqa: T201 - measured


@dataclass
class Point:
    """An enforcement point at one node, which can stop hearing without hanging up."""

    node: Server
    token: str

    def __post_init__(self) -> None:
        self.hangs = False
        self.heard = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        connection = http.client.HTTPConnection(f"127.0.0.1:{self.node.port}", timeout=PATIENCE)
        connection.request("GET", "/v1/enforcement/stream", headers=self.headers)
        stream = connection.getresponse()
        while not self._over.is_set():
            line = stream.fp.readline() if stream.fp is not None else b""
            if not line:
                return
            if (
                line.startswith(b"data:")
                and (epoch := json.loads(line[5:]).get("epoch")) is not None
                and not self.hangs
            ):
                self.heard = max(
                    self.heard, epoch if self.post("/v1/enforcement/ack", {"epoch": epoch})[1]["fresh"] else 0
                )
        connection.close()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def post(self, path: str, body: object, node: Server | None = None) -> tuple[int, Any]:
        """Ask its own node, or another."""
        return ask((node or self.node).url, "POST", path, body, self.headers)

    def close(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE)


def evaluated(point: Point, node: Server) -> tuple[bool, str]:
    """One question about a call; the answer, and the decision or the code of the denial."""
    question = {
        "subject": {"type": "agent", "id": "support-bot"}, "action": {"name": "crm/list_customers"},
        "resource": {"type": "server", "id": "crm"}, "context": {"purpose": "answer-customers", "arguments": {}},
    }  # fmt: skip
    connection = http.client.HTTPConnection(f"127.0.0.1:{node.port}", timeout=PATIENCE)
    connection.request("POST", "/access/v1/evaluation", json.dumps(question), point.headers)
    answer = connection.getresponse()
    said, decision = json.loads(answer.read()), answer.getheader("Remit-Decision") or ""
    connection.close()
    assert answer.status == 200, said
    return said["decision"], decision if said["decision"] else said["context"]["code"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_enforcement_point_that_hangs_at_the_other_node(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it:
        added = it.one.remit("pep", "add", "edge", "--json")
        assert added.code == 0, added.err
        two, token = node_of(it, it.two), json.loads(added.out)["token"]
        until(
            lambda: ask(it.two.url, "POST", "/v1/enforcement/ack", {}, {"Authorization": f"Bearer {token}"})[0] != 401
        )
        point = Point(it.two, token)
        until(lambda: point.heard)
        allowed, decision = evaluated(point, it.two)
        assert allowed
        # Only the node that decided waits for the outcome; it is taken there, once.
        outcome = {"decision": decision, "outcome": "ok"}
        status, said = point.post("/v1/outcomes", outcome, it.one)
        assert (status, said["code"]) == (409, "conflict"), said
        assert [point.post("/v1/outcomes", outcome)[0] for _ in range(2)] == [200, 409]
        until(lambda: outcomes(it, decision))
        assert outcomes(it, decision) == ["ok"]
        # Well: the other node confirms a stop as soon as the point has.
        told = frozen(it, "legacy-bot")
        found = contained(it, told["id"])
        assert two in found["confirmed"]
        # Hanging: not before the point has refused by itself, though the node itself refuses at once.
        point.hangs = True
        told = frozen(it, "support-bot")
        began = time.monotonic()
        assert two in told["pending"]
        until(lambda: evaluated(point, it.two) == (False, "revoked"), BOUND)
        refused = time.monotonic() - began
        found = contained(it, told["id"])
        held = time.monotonic() - began
        assert two in found["confirmed"]
        assert refused < 1 < held < 2 * BOUND
        point.close()
        verify(it, it.two)
        print(f"refused at the other after {refused:.2f} s, contained after {held:.2f} s")  # noqa: T201 - measured
