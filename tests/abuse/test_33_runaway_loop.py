"""An agent in a loop, and more calls than can be answered: 429, then it is suspended; 503, and stops still work.

A real server, a real API behind it, real clients. Each denial is an entry of its own; what is refused for load is
recorded in sum.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway_world import rule  # type: ignore[import-not-found] # found by conftest
from tests.abuse.three_questions import Watch
from tests.e2e import test_e2e_http as api
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Home, Up

from remit.access.model import Rate
from remit.agents.model import AgentState
from remit.audit.log import Log
from remit.audit.service import Recorder
from remit.enforcement.congestion import Bounds
from remit.enforcement.lanes import Lane
from remit.enforcement.repeats import Repeats
from remit.kernel.clock import Micros
from remit.sdk.auth import AgentAuth
from remit.server.shed_record import ShedRecord

LOOP = 40
HERE = Path(api.__file__).parent


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[api.Behind]:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    command = [sys.executable, str(HERE / "http_api.py"), str(tmp_path / "ledger")]
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(upstream(command, os.environ, tmp_path / "api.log"))
        up: Up = stack.enter_context(home.up("--dev", "--loop-denials", str(LOOP)))
        found = api.Behind(home, up, tmp_path / "files", tmp_path / "ledger")
        documents = json.loads(json.dumps(api.FILES))
        documents["servers/billing"]["url"] = url.removesuffix("/mcp") + "/v1"
        documents["boundaries/bot"]["allow"][0]["limits"] = {"rate": "3/hour"}
        for name, value in documents.items():
            path = found.files / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value), encoding="utf-8")
        (found.files / "servers" / "billing.openapi.json").write_text(json.dumps(api.OPENAPI), encoding="utf-8")
        found.remit("agent", "keygen", "bot", "--out", str(found.files / "agents" / "bot"))
        found.remit("secret", "set", "billing-key", stdin=api.SECRET)
        found.remit("apply", str(found.files), "--approve", "--as", "dana")
        yield found


def told(found: api.Behind, path: str) -> Any:
    token = Path(found.up.ready["admin_token_file"]).read_text(encoding="utf-8").strip()
    answer = httpx2.get(
        found.up.ready["api"] + path, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE, trust_env=False
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_loop_is_limited_then_suspended_and_its_owner_told(behind: api.Behind) -> None:
    auth = AgentAuth(behind.up.ready["api"], "bot", behind.files / "agents" / "bot", "work")
    answers: list[tuple[int, str]] = []
    with httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False) as http:
        # Suspension is under way beside the calls: how many of them are denied before it is there is the machine's.
        for _ in range(LOOP * 50):
            answer = http.get(f"{behind.base}/invoices/7")
            answers.append((answer.status_code, answer.json().get("code", "")))
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) > 0
            if answer.status_code not in {200, 429}:
                break
    assert answers[:3] == [(200, "")] * 3
    assert answers[3 : 3 + LOOP] == [(429, "rate_limited")] * LOOP
    assert answers[-1][0] in {401, 403}, answers[-1]
    assert len(behind.got()) == 3, "the API saw what was let through"
    # Each denial is an entry, and exactly one.
    entries = told(behind, "/v1/decisions?kind=decision&agent=bot&limit=1000")["entries"]
    found = Counter((each["decision"], each.get("code")) for each in entries)
    assert found["allow", None] == 3
    assert found["deny", "rate_limited"] == sum(status == 429 for status, _ in answers)
    suspended = found["deny", "agent_suspended"]
    assert sum(found.values()) - suspended == sum(status in {200, 429} for status, _ in answers)
    assert told(behind, "/v1/agents/bot")["state"] == "suspended"
    notices = behind.remit("notices", "--json")
    assert '"loop"' in notices
    signals = json.dumps(told(behind, "/v1/agents/bot/signals"))
    assert "anomaly" in signals
    assert "loop: billing:GET /invoices/{id}" in signals


def test_each_refusal_of_a_loop_is_one_entry_and_no_call(play: Callable[[Any], None]) -> None:
    async def scenario(world: Any) -> None:
        api = await world.api(operations={"GET /orders/{id}": {"tier": "low"}})
        world.agent("bot", rule("api:GET /orders/{id}", rate=Rate(count=1, per="day")))
        repeats, caught = Repeats(LOOP), list[str]()

        def saw(call: Any, answer: Any, _view: Any, at: Any) -> None:
            if repeats.saw(call, answer, at):
                caught.append(call.caller.agent)

        world.pipeline.aside = saw
        watch = Watch(world, api.got)
        await watch.passes(world.ask("GET", "/http/api/orders/1"))
        entry = {"kind": "decision", "decision": "deny", "agent": "bot", "action": "api:GET /orders/{id}"}
        for number in range(LOOP):
            assert caught == [], number
            asked = world.ask("GET", "/http/api/orders/1")
            refused = await watch.refused(asked, 429, "rate_limited", code="rate_limited", **entry)
            assert int(refused.header("retry-after")) > 0
        assert caught == ["bot"]
        world.agent("bot", rule("api:GET /orders/{id}"), state=AgentState.SUSPENDED)
        asked = world.ask("GET", "/http/api/orders/1")
        await watch.refused(asked, 403, "agent_suspended", code="agent_suspended", **entry)

    play(scenario)


def test_what_one_connection_asks_ahead_waits_in_one_place(behind: api.Behind) -> None:
    """One connection asks for hundreds of things at once, ahead of their answers: they wait in turn, in one place."""
    host, port = behind.up.ready["api"].removeprefix("http://").split(":")
    ask = f"GET /http/billing/invoices/7 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
        client.sendall(ask * 300)
        seen = b""
        while seen.count(b"HTTP/1.1 401") < 300:
            some = client.recv(1 << 16)
            assert some, seen[-500:]
            seen += some
    text = httpx2.get(f"{behind.up.ready['api']}/metrics", timeout=PATIENCE, trust_env=False).text
    assert 'remit_waiting{lane="calls"} 0.0' in text
    assert 'remit_shed_total{lane="calls",reason="full"} 0.0' in text


def test_bodies_that_never_come_hold_no_place(behind: api.Behind) -> None:
    host, port = behind.up.ready["api"].removeprefix("http://").split(":")
    head = f"POST /oauth2/token HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100\r\n\r\nx".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE)).sendall(head)
        text = httpx2.get(f"{behind.up.ready['api']}/metrics", timeout=PATIENCE, trust_env=False).text
        assert 'remit_waiting{lane="tokens"} 0.0' in text
        with behind.agent() as http:
            assert http.get(f"{behind.base}/invoices/7").status_code == 200


def test_what_is_refused_for_load_is_recorded_in_sum(world: Any) -> None:
    lane = Lane("calls", Bounds(1, 1, Micros(1)), lambda: 0.0)
    records = Recorder(world.ring, world.clock, lambda: 1)
    record = ShedRecord(lanes=(lane,), writer=world.database.writer, records=records)

    async def scenario() -> None:
        await record.tell()  # nothing was refused
        for _ in range(4):
            lane.enter(None)
        await record.tell()
        await record.tell()  # nothing since

    asyncio.run(scenario())
    found = Log(world.database.reader, world.ring).recent(10, kind="shed")
    assert [each.header["calls_full"] for each in found] == [3]
