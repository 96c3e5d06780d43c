"""The forward proxy's door: who asks, for what, and how much of its time a stranger gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_world import rule, token_of, until  # type: ignore[import-not-found] # beside
from proxy_world import ProxyWorld, basic, run_proxied  # type: ignore[import-not-found] # beside

from remit.enforcement.forward_proxy import Bounds

OPERATIONS: dict[str, Any] = {"GET /x": {"tier": "low"}}
# What leads, in one spelling or another, to this machine, to its network, or to a metadata service.
ELSEWHERE = (
    "169.254.169.254:80", "169.254.169.254:443", "127.0.0.1:{port}", "127.1:{port}", "0177.0.0.1:{port}",
    "2130706433:{port}", "0x7f000001:{port}", "[::1]:{port}", "[::ffff:127.0.0.1]:{port}",
    "[::ffff:a9fe:a9fe]:443", "[64:ff9b::7f00:1]:{port}", "0.0.0.0:{port}", "LOCALHOST.:{port}", "localhost:22",
    "localhost.:{port}", "metadata.google.internal:80", "example.com:443", "10.0.0.1:443",
)  # fmt: skip


async def usual(world: ProxyWorld) -> Any:
    found = await world.secure(operations=OPERATIONS, proxy="intercept")
    world.agent("bot", rule("api:GET /x"))
    return found


def test_what_nobody_registered_gets_no_packet() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        bodies = set()
        for each in ELSEWHERE:
            raw = await world.connect(each.format(port=api.port))
            status, head = await raw.head()
            bodies.add((status, head, await raw.rest()))
        ((status, _, body),) = bodies  # the same for all of them
        assert (status, json.loads(body)["code"]) == (403, "egress_blocked")
        assert api.api.got == []
        refused = world.entries("refused")
        assert [each["reason"] for each in refused] == ["egress_blocked"] * len(ELSEWHERE)
        assert refused[0]["host"] == "169.254.169.254:80"

    run_proxied(scenario)


def test_what_an_agent_may_not_see_is_blocked_in_the_same_bytes() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        world.agent("other", rule("payments/x"))
        answers = set()
        for target in (api.at, "example.com:443"):
            raw = await world.connect(target, agent="other")
            answers.add((*await raw.head(), await raw.rest()))
        assert len(answers) == 1
        assert [each["reason"] for each in world.entries("refused")] == ["not_visible", "egress_blocked"]

    run_proxied(scenario)


@pytest.mark.parametrize(
    "target",
    ["user@localhost:443", "localhost", "localhost:0", "localhost:65536", "localhost:443/x", "http://localhost:443",
     "ⓛocalhost:443".encode().decode("latin-1"), "local host:443", ":443", "[::1:443", "*:443"],
)  # fmt: skip
def test_a_target_that_is_no_host_and_port(target: str) -> None:
    async def scenario(world: ProxyWorld) -> None:
        await usual(world)
        raw = await world.connect(target)
        assert (await raw.head())[0] == 400

    run_proxied(scenario)


@pytest.mark.parametrize(
    "head",
    [
        "Host: evil.test\r\n",
        f"Proxy-Authorization: Bearer {token_of('other', 'i1')}\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Bad Header: x\r\n",
    ],
)
def test_a_head_of_two_readings(head: str) -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at, head=head)
        assert (await raw.head())[0] == 400

    run_proxied(scenario)


def test_without_a_good_token_it_says_which_it_takes() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        credentials = ("Bearer x", basic("other", token_of("bot", "i1")), "Basic !")
        heads = ["", f"Authorization: Bearer {token_of('bot', 'i1')}\r\n"]
        heads += [f"Proxy-Authorization: {each}\r\n" for each in credentials]
        for head in heads:
            raw = await world.connect(api.at, head=head, token=False)
            status, said = await raw.head()
            assert status == (400 if "!" in head else 407), head
            if status == 407 and head.startswith("Proxy"):
                assert [each["door"] for each in world.entries("refused")][-1] == "proxy"
            assert status == 400 or {"Basic", "Bearer", "DPoP"} <= set(said.replace("proxy-authenticate: ", "").split())
        assert world.entries("decision") == []

    run_proxied(scenario)


def test_stock_credentials_are_an_agent_and_its_token() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        head = f"Proxy-Authorization: {basic('bot', token_of('bot', 'i1'))}\r\n"
        raw = await world.connect(api.at, head=head, token=False)
        assert (await raw.head())[0] == 200
        assert world.tokens.urls == [("CONNECT", f"{world.front}/proxy/{api.at}")]
        raw.close()

    run_proxied(scenario)


def test_a_proof_is_used_once_even_for_nothing() -> None:
    async def scenario(world: ProxyWorld) -> None:
        await usual(world)
        answers = []
        for _ in range(2):
            raw = await world.connect("example.com:443", head="DPoP: one\r\n")
            answers.append((await raw.head())[0])
        assert answers == [403, 407]

    run_proxied(scenario)


def test_a_proof_of_an_intercepted_connection_is_its_first_requests() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        said = []
        for _ in range(2):
            raw = await world.connect(api.at, head="DPoP: one\r\n")
            await raw.head()
            await raw.tls("localhost", world.authority.pem)
            line = f"GET /x HTTP/1.1\r\nHost: {api.at}\r\nConnection: close\r\n\r\n"
            said.append((await raw.ask(line)).split()[1])
        assert said == [b"200", b"401"]
        assert len(api.api.got) == 1

    run_proxied(scenario)


def test_too_many_bad_tokens_are_told_to_wait_and_a_good_one_is_not() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        statuses = []
        for _ in range(34):
            raw = await world.connect(api.at, head="Proxy-Authorization: Bearer bad\r\n", token=False)
            statuses.append((await raw.head())[0])
            raw.close()
        assert statuses[0] == 407
        assert statuses[-1] == 429
        raw = await world.connect(api.at)
        assert (await raw.head())[0] == 200
        raw.close()

    run_proxied(scenario)


def test_a_head_has_an_end() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at, head="X: " + "a" * 20_000 + "\r\n")
        assert (await raw.head())[0] == 400

    run_proxied(scenario)


def test_a_head_that_comes_too_slowly_is_not_waited_for() -> None:
    async def scenario(world: ProxyWorld) -> None:
        raw = await world.bare()
        raw.writer.write(b"CONNECT localhost:1 HT")
        assert (await raw.head())[0] == 408

    run_proxied(scenario, bounds=Bounds(head=0.05))


def test_more_connections_than_are_served_are_told_so() -> None:
    async def scenario(world: ProxyWorld) -> None:
        ends = [await world.bare() for _ in range(3)]
        assert (await ends[0].head())[0] == 503  # who has said nothing for longest

    run_proxied(scenario, bounds=Bounds(heads=2))


@pytest.mark.parametrize("begun", [b"", b"CONNECT localhost:1 HT", b"GET http://loc", b"G"])
def test_connections_that_do_not_say_who_they_are_keep_nobody_out(begun: bytes) -> None:
    """However many there are, and whether they seem to become a tunnel or a plain request."""

    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        ends = [await world.bare() for _ in range(9)]
        for each in ends[-4:]:
            each.writer.write(begun)
        await until(lambda: sum(front.silent for front in world.proxy.fronts) == 4)
        raw = await world.connect(api.at)
        assert (await raw.head())[0] == 200

    run_proxied(scenario, bounds=Bounds(heads=4))


@pytest.mark.parametrize(
    ("line", "host", "status"),
    [
        ("GET /x", "127.0.0.1", 400),
        ("GET http://evil.test/x", "other.test", 400),
        ("GET http://evil.test/x", "evil.test", 403),
        ("GET http://169.254.169.254/latest/meta-data", "169.254.169.254", 403),
        ("GET ftp://evil.test/x", "evil.test", 400),
        ("GET http://user@evil.test/x", "evil.test", 400),
    ],
)
def test_plain_requests_are_judged_alike(line: str, host: str, status: int) -> None:
    async def scenario(world: ProxyWorld) -> None:
        await usual(world)
        raw = await world.bare()
        head = f"{line} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Bearer {token_of('bot', 'i1')}\r\n\r\n"
        raw.writer.write(head.encode())
        assert (await raw.head())[0] == status

    run_proxied(scenario)
