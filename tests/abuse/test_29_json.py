"""29: JSON that parsers read differently, or that is made to cost: refused before anything is decided on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.abuse.shop import raw_transfer, shop

Play = Callable[[Any], None]
MIB = 1 << 20
# The value of an argument: what is no value of any JSON, or not one of all JSON.
NO_JSON: dict[str, bytes] = {
    "NaN": b"NaN", "Infinity": b"Infinity", "-Infinity": b"-Infinity", "a lone surrogate": b'"\\ud800"',
    "half a pair": b'"\\udc00x"', "octets that are no text": b'"\xff"', "a surrogate in octets": b'"\xed\xa0\x80"',
    "nested": b"[" * 200_000 + b"]" * 200_000, "nested, and not closed": b"[" * 200_000,
    "objects nested": b'{"a":' * 90_000 + b"1" + b"}" * 90_000, "a key twice": b'{"a":1,"a":2}',
    "a key twice, once escaped": b'{"a":1,"\\u0061":2}', "many digits": b"1" * 1_000_000, "hexadecimal": b"0x10",
    "a leading zero": b"012", "a comma too much": b"[1,]", "a comment": b"1/**/", "single quotes": b"'a'",
    "a raw line break": b'"a\nb"',
}  # fmt: skip


def test_no_value_of_all_json(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        entry = {"kind": "refused", "reason": "malformed", "agent": "bot"}
        for what, value in NO_JSON.items():
            body = raw_transfer('{"amount": HERE, "currency": "EUR"}').replace(b"HERE", value)
            asked = world.post("payments", body)
            await watch.refused(asked, 400, "-32700", what=what, error="-32700", **entry)
            asked = world.ask("POST", "/http/api/orders", body=b'{"amount": ' + value + b"}")
            await watch.refused(asked, 400, "malformed", what=what, server="api", **entry)

    play(scenario)


WHOLE: dict[str, tuple[Callable[[bytes], bytes], int, str, str]] = {
    "a byte order mark": (lambda body: b"\xef\xbb\xbf" + body, 400, "-32700", "malformed"),
    "another text after it": (lambda body: body + b"{}", 400, "-32700", "malformed"),
    "in UTF-16": (lambda body: body.decode().encode("utf-16"), 400, "-32700", "malformed"),
    "nothing": (lambda _: b"", 400, "-32700", "malformed"),
    "null": (lambda _: b"null", 400, "-32600", "malformed"),
    "a batch": (lambda body: b"[" + body + b"]", 400, "-32600", "malformed"),
    "over a mebibyte": (lambda body: body + b" " * MIB, 413, "-32600", "too_large"),
    "a million keys": (
        lambda body: body[:-1] + b"," + b",".join(b'"%d":0' % n for n in range(1_000_000)) + b"}", 413, "-32600",
        "too_large",
    ),
}  # fmt: skip


def test_no_whole_message(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for what, (made, status, code, reason) in WHOLE.items():
            asked = world.post("payments", made(raw_transfer('{"amount": 50, "currency": "EUR"}')))
            await watch.refused(asked, status, code, what=what, kind="refused", reason=reason, agent="bot")

    play(scenario)


def test_of_many_keys_none_gets_past_the_schema(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        many = ",".join(f'"{n}":0' for n in range(90_000))
        body = raw_transfer(f'{{"amount": 50, "currency": "EUR", {many}}}')
        entry = {"kind": "decision", "code": "invalid_arguments"}
        await watch.refused(world.post("payments", body), 200, "invalid_arguments", **entry)
        order = f'{{"amount": 50, {many}}}'.encode()
        asked = world.ask("POST", "/http/api/orders", body=order)
        await watch.refused(asked, 403, "invalid_arguments", **entry)

    play(scenario)


SPELLED = {
    '{"amount": 50, "currency": "EUR"}': b'"arguments":{"amount":50,"currency":"EUR"}',
    '{ "currency":"\\u0045UR","amount":50.00 }': b'"arguments":{"currency":"EUR","amount":50.00}',
    '{"amount":0.5,"currency":"CHF"}\n': b'"arguments":{"amount":0.5,"currency":"CHF"}',
}


def test_what_was_decided_is_what_is_forwarded(play: Play) -> None:
    """One reading: the server gets what was read, written anew, and never the octets that came."""

    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for arguments, written in SPELLED.items():
            await watch.passes(world.post("payments", raw_transfer(arguments)))
            assert written in world.seen[-1].body

    play(scenario)
