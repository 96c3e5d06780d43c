"""Spend, sequence, flow and volume at the gateway: acceptance tests 17 and 18, and what an attacker would try."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, bearer, budget, rule, until  # type: ignore[import-not-found] # beside

from remit.access.conditions import Conditions, Step, Volume
from remit.catalog.labels import Labels
from remit.catalog.model import Mode
from remit.kernel.clock import HOUR, Instant, Micros, SystemClock
from remit.storage.model import Work

Play = Callable[[Any], None]
JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]
NAMES = ("approve", "disburse", "read_mail", "send_mail", "transfer")


def tool(name: str) -> dict[str, Any]:
    properties = {"id": {"type": "string"}, "invoice": {"type": "string"}, "amount": {"type": "number"}}
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


class Office:
    """A server that does as it is told; `how` says how the next calls end."""

    def __init__(self) -> None:
        self.how = "ok"
        self.text = "done"
        self.events = 0  # progress before the answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        body = json.loads((await receive()).get("body") or b"{}")
        if self.how == "unknown":
            raise RuntimeError("the connection breaks")
        result: dict[str, Any] = {"content": [{"type": "text", "text": self.text}], "resultType": "complete"}
        if self.how == "error":
            result["isError"] = True
        answer = json.dumps({"jsonrpc": "2.0", "id": body.get("id"), "result": result}).encode()
        if not self.events:
            await send({"type": "http.response.start", "status": 200, "headers": JSON})
            await send({"type": "http.response.body", "body": answer})
            return
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        told = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": self.text}}
        for message in (*[json.dumps(told).encode()] * self.events, answer):
            await send({"type": "http.response.body", "body": b"data: " + message + b"\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class MovingClock(SystemClock):
    """The wall clock, and what a test puts on top of it."""

    ahead = 0

    def now(self) -> Instant:
        return Instant(super().now() + self.ahead)


async def office(world: World, *rules: Any, labels: tuple[tuple[str, Labels], ...] = ()) -> Office:
    app = Office()
    await world.server("office", app, imported=False)
    world.source.all_servers["office"] = dataclasses.replace(world.source.all_servers["office"], labels=labels)
    world.pin("office", *map(tool, NAMES))
    world.agent("bot", *rules)
    return app


def on(name: str, **parts: Any) -> Any:
    conditions = Conditions(**parts) if parts else None
    return rule(f"office/{name}", conditions=conditions)


async def ask(world: World, name: str, *, instance: str = "i1", on: str = "office", **arguments: Any) -> str:
    """`ok`, `error` or the code of the denial."""
    answer = await world.modern(
        on, "tools/call", {"name": name, "arguments": arguments},
        Authorization=bearer("bot", "work", instance),
    )  # fmt: skip
    streamed = answer.headers["content-type"].startswith("text/event-stream")
    told = json.loads(answer.text.strip().rpartition("data: ")[2]) if streamed else answer.json()
    if "error" in told:
        return str((told["error"].get("data") or {}).get("code", "error"))
    denial = told["result"].get("_meta", {}).get("dev.remit/denial")
    if denial is not None:
        return str(denial["code"])
    return "error" if told["result"].get("isError") else "ok"


# 17 --------------------------------------------------------------------------------------
def test_of_three_spends_at_once_two_pass(play: Play) -> None:
    async def scenario(world: World) -> None:
        await office(world, rule("office/transfer", budget=budget("amount", "5000")))
        said = await asyncio.gather(*(ask(world, "transfer", instance=f"i{n}", amount=2000) for n in range(3)))
        assert Counter(said) == {"ok": 2, "budget_exhausted": 1}
        world.tokens.run = "run_2"  # a new session gives nothing back
        assert await ask(world, "transfer", amount=2000, instance="another") == "budget_exhausted"
        assert await ask(world, "transfer", amount=1000) == "ok"

    play(scenario)


@pytest.mark.parametrize(
    ("how", "outcome", "left"),
    [("not_sent", "not_sent", "ok"), ("error", "error", "budget_exhausted"),
     ("unknown", "outcome_unknown", "budget_exhausted")],
)  # fmt: skip
def test_only_what_was_certainly_not_sent_is_given_back(play: Play, how: str, outcome: str, left: str) -> None:
    async def scenario(world: World) -> None:
        app = await office(world, rule("office/transfer", budget=budget("amount", "2000")))
        port = int(world.source.all_servers["office"].url.split(":")[2].partition("/")[0])
        app.how = how
        if how == "not_sent":
            world.move("office", 1)  # nobody listens there
        assert await ask(world, "transfer", amount=2000) != "ok"
        assert await world.outcomes() == [outcome]
        world.move("office", port)
        app.how = "ok"
        assert await ask(world, "transfer", amount=2000) == left

    play(scenario)


# 18 --------------------------------------------------------------------------------------
APPROVED = Step(
    action="office/approve",  # type: ignore[arg-type] # a name
    same=(("invoice", "id"),),
    within=Micros(HOUR),
)


def test_disburse_only_after_approve_of_the_same_invoice_within_the_hour(play: Play) -> None:
    async def scenario(world: World) -> None:
        clock = MovingClock()
        world.clock = world.pipeline._clock = clock
        world.contact = clock.now
        app = await office(world, on("approve"), on("disburse", requires_before=(APPROVED,)))
        assert await ask(world, "disburse", invoice="inv-1") == "sequence_required"
        app.how = "error"
        assert await ask(world, "approve", id="inv-1") == "error"
        app.how = "ok"
        assert await ask(world, "disburse", invoice="inv-1") == "sequence_required"  # it was refused, not approved
        assert await ask(world, "approve", id="inv-1") == "ok"
        assert await ask(world, "disburse", invoice="inv-2") == "sequence_required"
        assert await ask(world, "disburse") == "sequence_required"
        assert await ask(world, "disburse", invoice="inv-1") == "ok"
        clock.ahead = HOUR - 60_000_000
        assert await ask(world, "disburse", invoice="inv-1") == "ok"
        clock.ahead = HOUR + 60_000_000
        assert await ask(world, "disburse", invoice="inv-1") == "sequence_required"
        clock.ahead = 0
        world.tokens.run = "run_2"
        assert await ask(world, "disburse", invoice="inv-1") == "sequence_required"
        denied = [entry for entry in world.entries("decision") if entry["decision"] == "deny"]
        assert {entry["code"] for entry in denied} == {"sequence_required"}
        assert not [key for key, _ in world.writer.counters if "inv-" in key]  # the value is kept by its keyed hash
        assert len(world.calls("office")) == 4

    play(scenario)


LABELS = (
    ("read_mail", Labels(returns=("private", "untrusted"))),
    ("send_mail", Labels(carries_out=True)),
)


def test_who_has_read_what_is_untrusted_carries_nothing_out(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = await office(world, on("read_mail"), on("send_mail"), on("approve"), labels=LABELS)
        assert await ask(world, "send_mail") == "ok"
        app.how = "error"
        assert await ask(world, "read_mail") == "error"  # who can tell what was in the error
        app.how = "ok"
        assert await ask(world, "send_mail") == "flow_blocked"
        assert await ask(world, "approve") == "ok"
        world.tokens.run = "run_2"  # a new session resets nothing
        assert await ask(world, "send_mail") == "flow_blocked"
        # A process that is started again has a key of its own, and the client that it was before.
        assert await ask(world, "send_mail", instance="i2") == "flow_blocked"
        assert await ask(world, "send_mail", instance="i3@other") == "ok"  # another client has read nothing
        told = [entry for entry in world.entries("decision") if entry.get("code") == "flow_blocked"]
        assert [entry["forwarded"] for entry in told] == [False, False, False]

    play(scenario)


def test_of_a_read_and_a_send_at_once_none_passes_after_the_other(play: Play) -> None:
    """An agent that sends both at once must not win: whichever is admitted first, no send follows a read."""

    async def scenario(world: World) -> None:
        await office(world, on("read_mail"), on("send_mail"), labels=LABELS)
        await asyncio.gather(*(ask(world, name) for name in ("send_mail", "read_mail") * 4))
        order = [(entry["action"], entry["decision"]) for entry in world.entries("decision")]
        read = order.index(("office/read_mail", "allow"))
        assert ("office/send_mail", "allow") not in order[read:]
        assert order.count(("office/read_mail", "allow")) == 4

    play(scenario)


async def inbox(world: World) -> Office:
    """A server beside the office that is only observed, with what is read there."""
    app = Office()
    await world.server("inbox", app, imported=False)
    read = (("read_mail", Labels(returns=("untrusted",))),)
    kept = world.source.all_servers["inbox"]
    world.source.all_servers["inbox"] = dataclasses.replace(kept, mode=Mode.OBSERVE, labels=read)
    world.pin("inbox", *map(tool, NAMES))
    return app


@pytest.mark.parametrize("why", ["wrong", "spent"])
def test_what_is_read_on_an_observed_server_counts_where_it_is_carried_out(play: Play, why: str) -> None:
    """An agent must not get round flow with a call that it makes wrong on purpose, or when its limit is used up."""

    async def scenario(world: World) -> None:
        await inbox(world)
        await office(world, on("send_mail"), rule("inbox/read_mail", budget=budget("amount", "10")), labels=LABELS)
        assert await ask(world, "send_mail") == "ok"
        said: dict[str, Any] = {}  # no amount
        if why == "spent":
            said = {"amount": 1}
            assert await ask(world, "read_mail", instance="i2", on="inbox", amount=1) == "ok"
            (key,) = (key for key in world.writer.counters if key[0].startswith("budget "))
            world.writer.counters[key] = 100_000  # at another node, which the writer alone knows of
        assert await ask(world, "read_mail", on="inbox", **said) == "ok"
        assert world.entries("decision")[-1]["decision"] == "would_deny"
        assert await ask(world, "send_mail") == "flow_blocked"
        assert await ask(world, "send_mail", instance="i3@other") == "ok"

    play(scenario)


def test_what_cannot_be_noted_of_it_is_not_sent(play: Play) -> None:
    async def scenario(world: World) -> None:
        await inbox(world)
        await office(world, on("send_mail"), rule("inbox/read_mail", budget=budget("amount", "10")), labels=LABELS)
        assert await ask(world, "read_mail", on="inbox", amount=1) == "ok"
        (key,) = (key for key in world.writer.counters if key[0].startswith("budget "))
        world.writer.counters[key] = 100_000
        submit = world.writer.submit_async

        def failing(work: Work) -> Any:
            world.writer.gone = not work.entries  # what follows the decision
            return submit(work)

        world.writer.submit_async = failing
        assert await ask(world, "read_mail", on="inbox", amount=1) == "enforcement_unavailable"
        world.writer.gone = False
        world.writer.submit_async = submit
        assert len(world.calls("inbox")) == 1
        assert (await world.outcomes())[-1] == "not_sent"

    play(scenario)


# sequence --------------------------------------------------------------------------------
def test_what_is_forbidden_after_something_is_so_from_its_admission_on(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = await office(world, on("approve"), on("disburse", forbidden_after=("office/approve",)))
        assert await ask(world, "disburse") == "ok"
        app.how = "unknown"
        assert await ask(world, "approve") == "error"
        app.how = "ok"
        assert await ask(world, "disburse") == "sequence_required"
        world.tokens.run = "run_2"
        assert await ask(world, "disburse") == "ok"

    play(scenario)


def test_what_was_done_on_an_observed_server_was_done(play: Play) -> None:
    async def scenario(world: World) -> None:
        await inbox(world)
        await office(world, on("disburse", forbidden_after=("inbox/approve",)))
        assert await ask(world, "disburse") == "ok"
        assert await ask(world, "approve", on="inbox") == "ok"  # no boundary names it
        assert await ask(world, "disburse") == "sequence_required"

    play(scenario)


def test_calls_at_once_do_not_exceed_the_number_per_run(play: Play) -> None:
    async def scenario(world: World) -> None:
        await office(world, on("disburse", per_run=2))
        said = await asyncio.gather(*(ask(world, "disburse") for _ in range(5)))
        assert Counter(said) == {"ok": 2, "sequence_required": 3}
        world.tokens.run = "run_2"
        assert await ask(world, "disburse") == "ok"

    play(scenario)


def test_another_boundary_that_asks_for_no_earlier_step_lets_it_pass(play: Play) -> None:
    async def scenario(world: World) -> None:
        await office(world, on("disburse", requires_before=(APPROVED,)))
        first = world.source.all_boundaries[0]
        free = dataclasses.replace(first, boundary="z-free", rules={"office/disburse": on("disburse")})
        world.source.all_boundaries.append(free)
        world.change("agent:bot")
        assert await ask(world, "disburse", invoice="inv-1") == "ok"
        assert [entry["boundary"] for entry in world.entries("decision")] == ["z-free"]

    play(scenario)


def test_what_a_call_leaves_is_recorded_before_its_agent_is_answered(play: Play) -> None:
    """The next call may come in at another node at once."""

    async def scenario(world: World) -> None:
        await office(world, on("approve"), on("disburse", requires_before=(Step(action="office/approve"),)))  # type: ignore[arg-type] # a name
        waiting: list[Any] = []
        submit = world.writer.submit_async

        def slowly(work: Work) -> Any:
            if not any(b'"kind":"outcome"' in entry.header for entry in work.entries):
                return submit(work)
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            waiting.append((future, work))
            return future

        world.writer.submit_async = slowly
        asking = asyncio.create_task(ask(world, "approve"))
        await until(lambda: waiting)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not asking.done()
        world.writer.submit_async = submit
        for future, work in waiting:
            future.set_result(await submit(work))
        assert await asking == "ok"
        assert await ask(world, "disburse") == "ok"

    play(scenario)


# volume ----------------------------------------------------------------------------------
@pytest.mark.parametrize("events", [0, 3])
def test_results_are_counted_and_cut_at_the_cap(play: Play, events: int) -> None:
    async def scenario(world: World) -> None:
        app = await office(world, on("read_mail", volume=Volume(bytes=5_000, per="day")))
        app.text, app.events = "x" * 900, events
        said: list[str] = []
        while not said or said[-1] == "ok":
            said.append(await ask(world, "read_mail"))
            await world.pipeline.drain()  # what was reserved and did not come is given back
        counter = next(used for (key, _), used in world.writer.counters.items() if key.startswith("volume "))
        assert said[-1] == "budget_exhausted"
        assert said.count("ok") == (4 if events == 0 else 1)
        assert 4_000 < counter <= 5_000
        assert (await world.outcomes())[-1] == "cut"

    play(scenario)


def test_once_nothing_is_left_nothing_is_sent(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = await office(world, on("read_mail", volume=Volume(bytes=1_000, per="day")))
        app.text = "x" * 10
        size = len((await world.modern("office", "tools/call", {"name": "read_mail", "arguments": {}})).content)
        await world.pipeline.drain()
        app.text = "x" * (10 + 1_000 - 2 * size)
        assert await ask(world, "read_mail") == "ok"  # to the last byte
        sent = len(world.calls("office"))
        assert await ask(world, "read_mail") == "budget_exhausted"
        assert len(world.calls("office")) == sent

    play(scenario)


def test_results_at_once_do_not_exceed_the_volume(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = await office(world, on("read_mail", volume=Volume(bytes=200_000, per="day")))
        app.text = "x" * 60_000
        said = await asyncio.gather(*(ask(world, "read_mail") for _ in range(8)))
        await world.pipeline.drain()
        assert 1 <= said.count("ok") <= 3
        used = [used for (key, _), used in world.writer.counters.items() if key.startswith("volume ")]
        assert used[0] <= 200_000

    play(scenario)
