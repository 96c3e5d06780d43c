"""Two servers on one PostgreSQL: what one is told the other holds, what is used once is used once, one may die."""

from __future__ import annotations

import json
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.fault import estate
from tests.fault.calls import Agent, Answer, read
from tests.fault.pair import PURPOSES, Pair, Watching, pair
from tests.fault.record import ledger
from tests.fault.serving import Server

BOUND = 5.0  # seconds: the staleness bound
FEW = 6  # races in the short run
PATIENCE = 40.0


def until(what: Callable[[], object], patience: float = PATIENCE) -> float:
    """Ask again until it is true; how long that took."""
    began, pause = time.monotonic(), threading.Event()
    while not what():
        assert time.monotonic() < began + patience, "never"
        pause.wait(0.02)
    return time.monotonic() - began


def denied(agent: Agent, code: str) -> Callable[[], bool]:
    """Whether a call of that agent is now refused with `code`."""

    def ask() -> bool:
        answer = agent.call("list_customers", {})
        return (answer.kind, answer.code) == ("denied", code)

    return ask


def node_of(it: Pair, server: Server) -> str:
    """The id of a running node."""
    return (server.home.data / "node").read_text(encoding="ascii").strip()


def verify(it: Pair, server: Server) -> None:
    """The log is whole, and signed up to its end."""
    done = server.remit("audit", "verify")
    assert done.code == 0, done.out + done.err


def outcomes(it: Pair, decision: str) -> list[str]:
    """What the log says became of a call."""
    it.record.refresh()
    return it.record.outcomes.get(decision, [])


def open_call(it: Pair, node: str) -> str:
    """The newest call of the tool that does not end, which that node let through."""
    it.record.refresh()
    return next(
        one for one, entry in reversed(it.record.forwarded().items())
        if entry["action"] == "slow/watch" and entry["node"] == node
    )  # fmt: skip


def test_what_one_is_told_the_other_holds(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it:
        names = [node_of(it, it.one), node_of(it, it.two)]
        with it.agent(it.two, "support-bot", "answer-customers", "crm") as agent:
            assert agent.call("list_customers", {}).kind == "allowed"
            stop_and_start(it, agent, names[1])
            boundary(it)
            revoked_token(it, agent)
            lost_connection(it, agent)
        races(it, FEW)
        rederived(it)
        for each in (it.one, it.two):
            assert each.ask("GET", "/readyz")[0] == 200
        verify(it, it.two)
        assert it.two.end() == 0
        verify(it, it.one)
        assert it.one.end() == 0
        assert it.one.start() < 30  # and the admin token of the first still works: it is another file's
        assert it.one.ask("GET", "/v1/freezes")[0] == 200
        it.record.refresh()
        assert {each["node"] for each in it.record.of_kind("decision")} <= set(names)
        assert all(len(it.record.outcomes.get(one, [])) == 1 for one in it.record.forwarded())


def rederived(it: Pair) -> None:
    """What either said of an entitlement is derived again at the other, and comes to the same there."""
    said = it.one.remit("agent", "signal", "support-bot", "critical", "--json")
    assert said.code == 0, said.err
    suspended: list[str] = []

    def listed() -> bool:
        found = json.loads(it.two.remit("certify", "list", "--agent", "support-bot", "--json").out)["verdicts"]
        suspended[:] = [each["id"] for each in found if each["to"] == "suspended"]
        return bool(suspended)

    until(listed)
    told: list[dict[str, Any]] = []

    def alike() -> bool:  # one more may be recorded between the two
        told[:] = [json.loads(each.remit("certify", "replay", "--all", "--json").out) for each in (it.one, it.two)]
        return told[0] == told[1]

    until(alike)
    assert set(told[0]["counts"]) == {"same"}
    assert told[0]["verdicts"] >= FEW + len(suspended)
    for verdict in suspended:
        again = [placed(each, verdict) for each in (it.one, it.two)]
        assert again[0] == again[1]
        assert again[0]["replay"] == "same"


def placed(node: Server, verdict: str) -> dict[str, Any]:
    """The verdict derived again, once it has its place in the log, which it gets after it is told."""
    told: dict[str, Any] = {}

    def has_place() -> bool:
        told.update(json.loads(node.remit("certify", "replay", verdict, "--json").out))
        return told["index"] is not None

    until(has_place)
    return told


def stop_and_start(it: Pair, agent: Agent, two: str) -> None:
    """A freeze at the first: the second refuses, cuts what runs, and is counted as having confirmed."""
    running = Watching(it, it.two)
    status, told = it.one.ask("POST", "/v1/freezes", {"kind": "all", "name": "*", "reason": "drill"}, as_="dana")
    assert status == 201, told
    assert two in {*told["confirmed"], *told["pending"]}
    assert until(denied(agent, "revoked")) < BOUND
    assert '"code":-32010' in running.end().replace(" ", "")
    found: dict[str, Any] = {}

    def contained() -> bool:
        found.update(it.one.ask("GET", f"/v1/freezes/{told['id']}")[1])
        return bool(found["contained"])

    assert until(contained) < BOUND
    assert two in found["confirmed"]
    for person in ("dana", "lee"):
        status, said = it.two.ask("DELETE", "/v1/freezes/all/*", as_=person)
        assert status == 200, said
    until(lambda: agent.call("list_customers", {}).kind == "allowed")


def boundary(it: Pair) -> None:
    """What was approved at the first is used at the second; the answer of the second to its own change at once."""
    with it.agent(it.two, "invoice-bot", "pay-invoices", "payments") as payer:
        transfer = {"to": "x", "amount": 1.0, "currency": "EUR"}
        assert payer.call("transfer", transfer | {"amount": 499.0}).kind in {"allowed", "denied"}
        estate.set_budget(it.one, 3)  # at most 2.00 each, and 3.00 in all

        def bounded() -> bool:
            return payer.call("transfer", transfer | {"amount": 400.0}).code == "constraint_violated"

        assert until(bounded) < BOUND
        estate.set_budget(it.two, 1000)
        assert payer.call("transfer", transfer).kind == "allowed"


def revoked_token(it: Pair, agent: Agent) -> None:
    """A token that was revoked at the first is refused by the second."""
    grant = it.grant("support-bot", "answer-customers")
    with it.client(it.one) as one, it.client(it.two) as two:
        token = ask_token(it, one, grant).json()["access_token"]

        def call() -> int:
            return int(two.send(call_request(it, grant, token)).status_code)

        assert call() == 200
        form = {"token": token} | dict(each.split("=") for each in grant.form().split("&") if "assertion" in each)
        done = one.post(f"{it.url}/oauth2/revoke", data={k: v.replace("%3A", ":") for k, v in form.items()})
        assert done.status_code == 200, done.text
        assert until(lambda: call() == 401) < BOUND
    assert agent.call("list_customers", {}).kind == "allowed"


def lost_connection(it: Pair, agent: Agent) -> None:
    """The connection on which the nodes listen is cut: they poll, and listen again."""
    with psycopg.connect(it.database, autocommit=True) as sql:
        found = "FROM pg_stat_activity WHERE application_name = 'remit-feed' AND datname = current_database()"
        before = {pid for (pid,) in sql.execute(f"SELECT pid {found}")}
        assert len(before) == 2
        sql.execute(f"SELECT pg_terminate_backend(pid) {found}")
        assert it.one.ask("POST", "/v1/freezes", {"kind": "agent", "name": "support-bot"})[0] == 201
        assert until(denied(agent, "revoked")) < BOUND
        until(lambda: len({pid for (pid,) in sql.execute(f"SELECT pid {found}")} - before) == 2)
    assert it.one.ask("DELETE", "/v1/freezes/agent/support-bot")[0] == 200
    assert until(lambda: agent.call("list_customers", {}).kind == "allowed") < BOUND


def ask_token(it: Pair, client: Any, grant: Any, *, form: str = "", proof: str = "") -> Any:
    """One question for a token, with the nonce that is asked for."""
    endpoint = f"{it.url}/oauth2/token"
    nonce = client.get(f"{it.url}/.well-known/oauth-authorization-server").headers.get("DPoP-Nonce")
    for _ in range(2):
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "DPoP": proof or grant.proof("POST", endpoint, nonce=nonce),
        }
        answer = client.post(endpoint, content=form or grant.form(), headers=headers)
        if proof or form or answer.status_code == 200:
            return answer
        nonce = answer.headers.get("DPoP-Nonce")
    return answer


def call_request(it: Pair, grant: Any, token: str, nonce: str | None = None) -> Any:
    """One call of a harmless tool, with a proof of its own."""
    import httpx2  # noqa: PLC0415 - typed as Any here

    from remit.sdk.grant import proof  # noqa: PLC0415 - as above

    made = Agent(it.url, grant.agent, it.key(grant.agent), grant.purpose, "crm")
    made.http = httpx2.Client(transport=httpx2.MockTransport(lambda _request: httpx2.Response(200, json={})))
    made.call("list_customers", {})
    assert made.last is not None
    request, url = made.last, f"{it.url}/mcp/crm"
    request.headers["Authorization"] = f"DPoP {token}"
    request.headers["DPoP"] = proof(grant.instance, "POST", url, token, nonce=nonce)
    return request


def nonce_of(it: Pair, client: Any, grant: Any) -> str | None:
    """What the token endpoint wants in a proof now, if anything."""
    answer = client.post(
        f"{it.url}/oauth2/token", content=grant.form(),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "DPoP": grant.proof("POST", f"{it.url}/oauth2/token"),
        },
    )  # fmt: skip
    found: str | None = answer.headers.get("DPoP-Nonce")
    return found


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_is_used_once_is_used_once(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it:
        won = races(it, PURPOSES)
        assert len(won) == 8, won  # each of them was the faster one once in each kind
        verify(it, it.one)


def races(it: Pair, rounds: int) -> Counter[tuple[str, int]]:
    """Both are asked for the same at once, `rounds` times each; who got it."""
    with it.client(it.one) as one, it.client(it.two) as two:
        clients = {it.one.port: one, it.two.port: two}
        won = Counter[tuple[str, int]]()
        grant = it.grant("support-bot", "answer-customers")
        nonce = nonce_of(it, one, grant)
        token = ask_token(it, one, grant).json()["access_token"]
        endpoint = f"{it.url}/oauth2/token"

        def race(what: str, ask: Callable[[Any], Any], fine: Callable[[Any], bool]) -> list[Any]:
            found = it.race(lambda node: (node.port, ask(clients[node.port])))
            winners = [port for port, answer in found if fine(answer)]
            assert len(winners) == 1, (what, [(port, answer.status_code, answer.text) for port, answer in found])
            won[what, winners[0]] += 1
            return [answer for _, answer in found]

        def ok(answer: Any) -> bool:
            return bool(answer.status_code == 200)

        for _ in range(rounds):
            form = grant.form()
            proofs = [grant.proof("POST", endpoint, nonce=nonce) for _ in range(2)]
            race("assertion", lambda client: ask_token(it, client, grant, form=form, proof=proofs.pop()), ok)  # noqa: B023
            proof = grant.proof("POST", endpoint, nonce=nonce)
            race("proof at the token endpoint", lambda client: ask_token(it, client, grant, proof=proof), ok)  # noqa: B023
            sent = call_request(it, grant, token, nonce)
            race("proof at a call", lambda client: client.send(copied(sent)), ok)  # noqa: B023
        last_place(it, won, rounds)
        started(it, rounds)
        print(dict(won))  # noqa: T201 - who was faster
        return won


def copied(request: Any) -> Any:
    """The same request once more."""
    import httpx2  # noqa: PLC0415 - typed as Any here

    return httpx2.Request(request.method, request.url, headers=request.headers, content=request.content)


def last_place(it: Pair, won: Counter[tuple[str, int]], rounds: int) -> None:
    """A budget has one place more each round, and both want it."""
    with (
        it.agent(it.one, "invoice-bot", "pay-invoices", "payments") as first,
        it.agent(it.two, "invoice-bot", "pay-invoices", "payments") as second,
    ):
        agents = {it.one.port: first, it.two.port: second}
        estate.set_budget(it.one, 1)
        while first.call("transfer", {"to": "x", "amount": 1.0, "currency": "EUR"}).kind == "allowed":
            """One unit is spent, now or before."""
        for units in range(2, rounds + 2):
            estate.set_budget(it.one, units)

            def pay(node: Server) -> tuple[int, Answer]:
                arguments = {"to": secrets.token_hex(4), "amount": 1.0, "currency": "EUR"}
                return node.port, agents[node.port].call("transfer", arguments)

            found = it.race(pay)
            winners = [port for port, answer in found if answer.kind == "allowed"]
            assert len(winners) == 1, found
            won["last place", winners[0]] += 1
            assert {answer.code for port, answer in found if port not in winners} == {"budget_exhausted"}


def started(it: Pair, rounds: int) -> None:
    """The same entitlement is used for the first time at both: both calls pass, and one starts it."""
    for number in range(rounds):
        purpose = f"p-{number:02}"
        with it.agent(it.one, "racer", purpose, "crm") as first, it.agent(it.two, "racer", purpose, "crm") as second:
            agents = {it.one.port: first, it.two.port: second}
            found = it.race(lambda node: agents[node.port].call("list_customers", {}))  # noqa: B023 - it is over then
            assert [each.kind for each in found] == ["allowed"] * 2
    it.record.refresh()
    begun = Counter(each["purpose"] for each in it.record.of_kind("verdict") if each.get("agent") == "racer")
    assert begun == Counter({f"p-{number:02}": 1 for number in range(rounds)})


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_one_dies_and_the_other_goes_on(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it, it.agent(it.one, "support-bot", "answer-customers", "crm") as agent:
        names = [node_of(it, it.one), node_of(it, it.two)]
        mine, theirs = Watching(it, it.one), Watching(it, it.two)
        kept, lost = open_call(it, names[0]), open_call(it, names[1])
        assert it.two.end(signal.SIGKILL) == -signal.SIGKILL
        calls = 0

        def settled() -> bool:
            nonlocal calls
            calls += 1
            assert agent.call("update_note", {"customer": "c-17", "note": str(calls)}).kind == "allowed"
            return bool(outcomes(it, lost))

        took = until(settled)
        assert outcomes(it, lost) == ["outcome_unknown"]
        assert outcomes(it, kept) == []
        assert mine.runs
        assert not theirs.runs
        assert [each["about"] for each in it.record.of_kind("incident")] == [names[1]]
        it.two.start()
        second = Watching(it, it.two)
        again = open_call(it, node_of(it, it.two))
        assert it.two.end(signal.SIGKILL) == -signal.SIGKILL
        assert it.two.start() < 10  # its own, that it knows to be dead, it settles at once
        assert outcomes(it, again) == ["outcome_unknown"]
        assert not second.runs
        assert mine.runs
        freeze = it.one.ask("POST", "/v1/freezes", {"kind": "agent", "name": "watcher"})
        assert freeze[0] == 201, freeze
        mine.end()
        until(lambda: outcomes(it, kept))
        assert {each: outcomes(it, each) for each in (kept, lost, again)} == {
            kept: ["cut"], lost: ["outcome_unknown"], again: ["outcome_unknown"],
        }  # fmt: skip
        assert len(ledger(it.ledger)) == calls
        verify(it, it.one)
        print(f"settled after {took:.1f} s, {calls} calls meanwhile")  # noqa: T201 - what was measured
        assert (it.two.end(), it.one.end()) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_one_that_was_asleep_is_given_up_and_ends(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it:
        names = [node_of(it, it.one), node_of(it, it.two)]
        Watching(it, it.two)
        lost = open_call(it, names[1])
        assert it.two.process is not None
        it.two.process.send_signal(signal.SIGSTOP)
        until(lambda: outcomes(it, lost))
        it.two.process.send_signal(signal.SIGCONT)
        it.two.process.communicate(timeout=PATIENCE)
        assert it.two.process.returncode == 7
        assert outcomes(it, lost) == ["outcome_unknown"]
        verify(it, it.one)
        it.two.start()
        with it.agent(it.two, "support-bot", "answer-customers", "crm") as agent:
            assert agent.call("list_customers", {}).kind == "allowed"


def test_reading_an_answer() -> None:
    assert read(200, {"result": {}}).kind == "allowed"
