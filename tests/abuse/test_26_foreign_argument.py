"""26: an injected prompt has an agent call what it may, with what it may not: another's resource, another amount.

Acceptance test 6: a bound that is not met by a number that is written as text, missing, or beside another argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.abuse.shop import message, raw_transfer, shop, transfer

Play = Callable[[Any], None]
BAD, OUTSIDE = "invalid_arguments", "constraint_violated"
# What stands in the place of an amount of at most 100, in euro or franc.
ARGUMENTS = {
    '{"amount": 500, "currency": "EUR"}': OUTSIDE,
    '{"amount": 100.01, "currency": "EUR"}': OUTSIDE,
    '{"amount": 500.5, "currency": "EUR"}': OUTSIDE,
    '{"amount": "50", "currency": "EUR"}': BAD,
    '{"amount": "500", "currency": "EUR"}': BAD,
    '{"currency": "EUR"}': BAD,
    '{"amount": null, "currency": "EUR"}': BAD,
    '{"amount": true, "currency": "EUR"}': BAD,
    '{"amount": [50], "currency": "EUR"}': BAD,
    '{"amount": {"$gt": 0}, "currency": "EUR"}': BAD,
    '{"amount": 5e1, "currency": "EUR"}': BAD,
    '{"amount": -0E0, "currency": "EUR"}': BAD,
    '{"amount": 50.00001, "currency": "EUR"}': BAD,
    '{"amount": 50, "currency": "EUR", "to": "evil"}': BAD,
    '{"amount": 50, "currency": "EUR", "Amount": 500}': BAD,
    '{"amount": 50, "currency": "USD"}': OUTSIDE,
    '{"amount": 50, "currency": "eur"}': OUTSIDE,
    '{"amount": 50, "currency": "EUR "}': OUTSIDE,
    '{"amount": 50, "currency": "\\u0395UR"}': OUTSIDE,
    '{"amount": 50, "currency": ""}': OUTSIDE,
    '{"amount": 50}': BAD,
    '{"amount": 50, "currency": ["EUR"]}': BAD,
}


def test_over_mcp(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        entry = {"kind": "decision", "decision": "deny", "action": "payments/transfer", "agent": "bot"}
        for arguments, code in ARGUMENTS.items():
            asked = world.post("payments", raw_transfer(arguments))
            await watch.refused(asked, 200, code, what=arguments, code=code, **entry)
        await watch.passes(world.post("payments", message(transfer())))

    play(scenario)


ORDERS = {
    b'{"amount": 500}': OUTSIDE, b'{"amount": 500.5}': OUTSIDE, b'{"amount": "500"}': BAD, b"{}": BAD,
    b'{"amount": 1e2}': BAD, b'{"amount": 50, "discount": 1}': BAD, b'{"amount": [50, 500]}': BAD,
    b'{"amount": -0E0}': BAD,
}  # fmt: skip


def test_over_http(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        entry = {"kind": "decision", "decision": "deny", "action": "api:POST /orders", "agent": "bot"}
        for body, code in ORDERS.items():
            asked = world.ask("POST", "/http/api/orders", body=body)
            refused = await watch.refused(asked, 403, code, what=body, code=code, **entry)
            assert refused.header("content-type") == "application/problem+json"
            assert refused.header("x-should-retry") == "false"
            kinds = {each["kind"] for each in refused.json()["remedies"]}
            assert kinds <= {"change_arguments", "request_access", "stop"}
        await watch.passes(world.ask("POST", "/http/api/orders", body=json.dumps({"amount": 50}).encode()))

    play(scenario)


def test_what_is_not_granted_looks_like_what_there_is_not(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        hidden = {"kind": "decision", "code": "not_visible"}
        await watch.refused(world.post("payments", message({"name": "delete_all"})), 200, "-32602", **hidden)
        await watch.refused(world.post("payments", message(transfer()), agent="other"), 200, "-32602", **hidden)
        await watch.refused(world.ask("DELETE", "/http/api/orders/1"), 404, "not_found", **hidden)
        await watch.refused(world.ask("GET", "/http/api/orders/1", agent="other"), 404, "not_found", **hidden)

    play(scenario)
