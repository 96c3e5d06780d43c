"""27: what is private was read, what is untrusted was seen, and then something is sent out. Acceptance test 18."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway_world import bearer, rule  # type: ignore[import-not-found] # found by conftest
from tests.abuse.listing import Listing, tool
from tests.abuse.three_questions import Watch

from remit.access.conditions import Conditions, Step
from remit.catalog.labels import Labels
from remit.kernel.names import ActionName

Play = Callable[[Any], None]
LABELS = (("read_mail", Labels(returns=("private", "untrusted"))), ("send_mail", Labels(carries_out=True)))
INVOICE = {"type": "object", "properties": {"invoice": {"type": "string"}, "id": {"type": "string"}}}
NAMES = ("read_mail", "send_mail", "approve", "disburse")


async def office(world: Any) -> Watch:
    app = Listing(*(tool(name, inputSchema=INVOICE) for name in NAMES))
    await world.server("shop", app)
    world.source.all_servers["shop"] = replace(world.source.all_servers["shop"], labels=LABELS)
    world.change("server:shop")
    first = Step(action=ActionName("shop/approve"), same=(("invoice", "id"),))
    world.agent(
        "bot", *(rule(f"shop/{name}") for name in NAMES[:3]),
        rule("shop/disburse", conditions=Conditions(requires_before=(first,))),
    )  # fmt: skip
    return Watch(world)


def call(world: Any, name: str, *, instance: str = "i1", **arguments: str) -> Any:
    shown = {"Authorization": bearer("bot", "work", instance)}
    return world.modern("shop", "tools/call", {"name": name, "arguments": arguments}, **shown)


def test_after_both_were_read_nothing_goes_out(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await office(world)
        await watch.passes(call(world, "send_mail"))
        await watch.passes(call(world, "read_mail"))
        entry = {"kind": "decision", "decision": "deny", "code": "flow_blocked", "forwarded": False}
        await watch.refused(call(world, "send_mail"), 200, "flow_blocked", **entry)
        await watch.passes(call(world, "approve", id="7"))
        # Neither a new run nor a new copy of the same client has read nothing.
        world.tokens.run = "run_2"
        await watch.refused(call(world, "send_mail"), 200, "flow_blocked", **entry)
        await watch.refused(call(world, "send_mail", instance="i2"), 200, "flow_blocked", **entry)

    play(scenario)


def test_no_money_leaves_before_that_very_invoice_was_approved(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await office(world)
        entry = {"kind": "decision", "decision": "deny", "code": "sequence_required", "action": "shop/disburse"}
        await watch.refused(call(world, "disburse", invoice="7"), 200, "sequence_required", **entry)
        await watch.passes(call(world, "approve", id="7"))
        await watch.refused(call(world, "disburse", invoice="8"), 200, "sequence_required", **entry)
        await watch.passes(call(world, "disburse", invoice="7"))
        world.tokens.run = "run_2"  # another stretch of work
        await watch.refused(call(world, "disburse", invoice="7"), 200, "sequence_required", **entry)

    play(scenario)
