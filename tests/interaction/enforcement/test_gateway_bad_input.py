"""Bad input at the gateway and at `/v1/me/can`: each kind its own error, nothing forwarded, nothing allowed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway_world import (  # type: ignore[import-not-found] # beside
    World,
    at_most,
    modern_request,
    payments,
    rule,
    streamable,
)

from remit.enforcement.metadata import challenge
from remit.kernel.clock import MINUTE, SystemClock
from remit.policy import organisation
from remit.server.app import ME_CAN
from remit.server.me import Me
from remit.server.me_can import MeCan
from remit.storage.database import Database
from remit.tokens.refusals import BadTokens

sys.path.insert(0, str(Path(__file__).parents[1] / "tokens"))

from token_world import World as TokenWorld  # type: ignore[import-not-found] # found by the line above
from token_world import new_key

Play = Callable[[Any], None]
LIST = {"name": "list_invoices", "arguments": {}}


async def ready(world: World) -> None:
    await world.server("payments", streamable(payments(), json_response=True, stateless=True))
    world.agent("bot", rule("payments/list_invoices"), rule("payments/transfer", at_most("amount", "500.00")))


def transfer(amount: str) -> bytes:
    """A handshake-era call whose amount is this JSON literal."""
    call = '"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"transfer","arguments":{"amount":AMOUNT,'
    return b"{" + call.replace("AMOUNT", amount).encode() + b'"currency":"EUR"}}}'


@pytest.mark.requirement("gateway:exact-numbers")
@pytest.mark.parametrize(
    "literal", ["1e2", "1E-2", "0.00001", "1" * 19, "0." + "1" * 18, "1e999999999", "-1e-999999999", "1.0e0", "-0E0"]
)
def test_a_number_that_is_not_exact_is_refused_with_its_path(play: Play, literal: str) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        denial = (await world.post("payments", transfer(literal))).json()["result"]["structuredContent"]
        assert denial["code"] == "invalid_arguments"
        assert [found["path"] for found in denial["violations"]] == ["/amount"]
        assert [found["constraint"] for found in denial["violations"]] == ["exact"]
        assert world.seen == []
        assert [entry["code"] for entry in world.entries("decision")] == ["invalid_arguments"]

    play(scenario)


@pytest.mark.requirement("gateway:reencode")
@pytest.mark.parametrize("literal", ["12.50", "500.00", "7", "0.0001"])
def test_an_exact_number_arrives_as_the_literal_it_was(play: Play, literal: str) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        assert (await world.post("payments", transfer(literal))).status_code == 200
        assert f'"amount":{literal},'.encode() in world.seen[-1].body

    play(scenario)


@pytest.mark.requirement("gateway:size")
def test_one_byte_over_a_mebibyte_is_too_large_and_one_less_is_not(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        body = transfer("1")
        pad = b" " * ((1 << 20) - len(body))
        assert (await world.post("payments", body + pad)).status_code == 200
        assert (await world.post("payments", body + pad + b" ")).status_code == 413
        # The same without a length to go by.
        headers = world.headers()
        async with world.http() as http:
            chunks = _chunks(body + pad + b" ")
            assert (await http.post("/mcp/payments", content=chunks, headers=headers)).status_code == 413
        assert len(world.calls()) == 1

    play(scenario)


async def _chunks(body: bytes) -> Any:
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


def test_a_forbid_that_errors_denies_and_forwards_nothing(play: Play) -> None:
    """Cedar skips a `forbid` whose condition fails; it must not be skipped here."""

    async def scenario(world: World) -> None:
        await ready(world)
        errs = "forbid (principal, action, resource) when { context.input.limit > 1 };"
        view = world.facts.view()
        object.__setattr__(view, "organisation", organisation.read({"p.cedar": errs}, world.facts._engine, serial=9))
        answer = await world.modern("payments", "tools/call", LIST)
        assert answer.json()["error"]["code"] == -32603
        assert answer.json()["error"]["data"]["code"] == "enforcement_unavailable"
        assert world.seen == []

    play(scenario)


# tokens: real ones, at both doors that take them ------------------------------------------------


@dataclass
class Doors:
    """The gateway and `/v1/me/can`, with real tokens, and what it takes to knock at them."""

    world: World
    tokens: Any
    can: str = "/v1/me/can"

    async def knock(self, door: str, token: str | None, proof: str | None, *, scheme: str = "DPoP") -> httpx2.Response:
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        if proof is not None:
            headers["DPoP"] = proof
        if door == "can":
            body = b'{"action":"payments/list_invoices"}'
            return await self.ask(body, headers | {"Content-Type": "application/json"})
        call, routing = modern_request("tools/call", LIST)
        about = self.world.headers() | routing
        del about["Authorization"]
        async with self.world.http() as http:
            answer: httpx2.Response = await http.post("/mcp/payments", json=call, headers=about | headers)
            return answer

    async def ask(self, body: bytes, headers: dict[str, str]) -> httpx2.Response:
        """POST to `/v1/me/can`."""
        world = self.world
        me = Me(
            base=world.base,
            path=ME_CAN,
            method="POST",
            checker=self.tokens.checker,
            writer=world.writer,
            records=world.recorder,
            bad_tokens=BadTokens(world.recorder),
            clock=self.tokens.clock,
        )
        app = MeCan(me=me, policy=world.policy, body_limit=1 << 20)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=world.base, trust_env=False) as http:
            return await http.post(self.can, content=body, headers=headers)

    async def token(self, form: Any = None, *, issuer: Any = None) -> str:
        answer = await asyncio.to_thread((issuer or self.tokens).post, form)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    def url(self, door: str) -> str:
        path: str = self.world.base + ("/mcp/payments" if door == "gateway" else self.can)
        return path

    def nothing_happened(self) -> None:
        assert self.world.seen == []
        assert self.world.entries("decision") == []


class MovingClock:
    """The wall clock, moved on by a test."""

    def __init__(self) -> None:
        self.wall, self.ahead = SystemClock(), 0

    def now(self) -> Any:
        return type(self.wall.now())(self.wall.now() + self.ahead)


@pytest.fixture
def knocking(play: Play, database: Database, tmp_path: Path) -> Callable[[Any], None]:
    """Plays a scenario with `Doors`."""

    def run(scenario: Callable[[Doors], Any]) -> None:
        async def with_tokens(world: World) -> None:
            clock = MovingClock()
            make = lambda: TokenWorld(database, tmp_path / "keys", base=world.base, clock=clock)  # noqa: E731 - a thread's
            tokens = await asyncio.to_thread(make)
            await world.server("payments", streamable(payments(), json_response=True))
            world.agent("invoice-bot", rule("payments/list_invoices"), purpose="pay-invoices")
            world.gateway._door._tokens = tokens.checker
            world.gateway._door._clock = clock
            await scenario(Doors(world, tokens))

        play(with_tokens)

    return run


BOTH = pytest.mark.parametrize("door", ["gateway", "can"])


@BOTH
def test_a_good_token_with_a_good_proof_is_served(knocking: Any, door: str) -> None:
    """Without this, the refusals below could have any reason."""

    async def scenario(doors: Doors) -> None:
        token = await doors.token()
        answer = await doors.knock(door, token, doors.tokens.proof(url=doors.url(door), token=token))
        assert answer.status_code == 200, answer.text

    knocking(scenario)


@BOTH
@pytest.mark.requirement("gateway:challenge")
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("none", ""),
        ("garbage", "invalid_token"),
        ("expired", "invalid_token"),
        ("foreign deployment", "invalid_token"),
        ("foreign server", "invalid_token"),
        ("unbound use of a bound token", "invalid_token"),
        ("no proof", "invalid_dpop_proof"),
        ("another's proof", "invalid_dpop_proof"),
        ("a proof for another place", "invalid_dpop_proof"),
        ("an old proof", "invalid_dpop_proof"),
    ],
)
def test_a_bad_token_or_proof_is_challenged_and_gets_nowhere(  # noqa: C901 - a table of faults
    knocking: Any, tmp_path: Path, opened: Any, door: str, fault: str, error: str
) -> None:
    async def scenario(doors: Doors) -> None:
        tokens, world, url, scheme = doors.tokens, doors.world, doors.url(door), "DPoP"
        if fault == "foreign deployment":
            make = lambda: TokenWorld(opened(tmp_path / "b.db"), tmp_path / "b", base=world.base, clock=tokens.clock)  # noqa: E731 - a thread's
            tokens = await asyncio.to_thread(make)
        form = tokens.form(resource=f"{world.base}/mcp/other") if fault == "foreign server" else None
        token: str | None = await doors.token(form, issuer=tokens)
        if fault == "expired":
            tokens.clock.ahead += 6 * MINUTE
        proof: str | None = tokens.proof(url=url, token=token)
        match fault:
            case "none":
                token = proof = None
            case "garbage":
                token = "not.a.token"
            case "unbound use of a bound token":
                scheme, proof = "Bearer", None
            case "no proof":
                proof = None
            case "another's proof":
                proof = tokens.proof(url=url, token=token, key=new_key())
            case "a proof for another place":
                proof = tokens.proof(url=f"{world.base}/mcp/elsewhere", token=token)
            case "an old proof":
                proof = tokens.proof(url=url, token=token, iat=tokens.now // 1_000_000 - 61)
        answer = await doors.knock(door, token, proof, scheme=scheme)
        assert answer.status_code == 401, answer.text
        said = " ".join(answer.headers.get_list("www-authenticate"))
        assert (f'error="{error}"' in said) if error else ("error=" not in said)
        assert f'resource_metadata="{world.base}/.well-known/oauth-protected-resource' in said
        doors.nothing_happened()

    knocking(scenario)


@BOTH
def test_a_replayed_proof_is_refused_where_the_first_was_served(knocking: Any, door: str) -> None:
    async def scenario(doors: Doors) -> None:
        token = await doors.token()
        proof = doors.tokens.proof(url=doors.url(door), token=token)
        assert (await doors.knock(door, token, proof)).status_code == 200
        calls = len(doors.world.calls())
        again = await doors.knock(door, token, proof)
        assert again.status_code == 401
        assert 'error="invalid_dpop_proof"' in again.headers["www-authenticate"]
        assert len(doors.world.calls()) == calls
        (entry,) = doors.world.entries("refused")
        where = {"server": "payments"} if door == "gateway" else {"door": "/v1/me/can"}
        told = {"agent": "invoice-bot", "reason": "replayed_proof", **where}
        assert {name: entry[name] for name in told} == told
        assert entry["instance"]

    knocking(scenario)


def test_garbage_does_not_hide_that_a_stolen_token_is_tried(knocking: Any) -> None:
    """Anybody may knock as often as they like; what is shown of a real token is recorded all the same."""

    async def scenario(doors: Doors) -> None:
        token = await doors.token()
        for _ in range(80):
            assert (await doors.knock("gateway", "not.a.token", None)).status_code == 401
        assert len(doors.world.entries("refused")) < 80, "the garbage is over its budget"
        stolen = doors.tokens.proof(url=doors.url("gateway"), token=token, key=new_key())
        assert (await doors.knock("gateway", token, None, scheme="Bearer")).status_code == 401
        assert (await doors.knock("gateway", token, stolen)).status_code == 401
        said = [each["error"] for each in doors.world.entries("refused") if "token" in each]
        assert said == ["invalid_token", "invalid_dpop_proof"]
        doors.nothing_happened()

    knocking(scenario)


@pytest.mark.parametrize(
    ("body", "media", "expected"),
    [
        (b"{", "application/json", (400, "malformed")),
        (b'{"action":"payments/x","action":"payments/y"}', "application/json", (400, "malformed")),
        (b'{"action":"payments/x","arguments":{"n":NaN}}', "application/json", (400, "malformed")),
        (b'[{"action":"payments/x"}]', "application/json", (400, "malformed")),
        (b'{"action":"payments"}', "application/json", (400, "malformed")),
        (b'{"action":"payments/x","as":"other"}', "application/json", (400, "malformed")),
        (b'{"action":"payments/x"}', "text/plain", (415, "unsupported_media_type")),
        (b" " * (1 << 20) + b"{}", "application/json", (413, "too_large")),
    ],
)
def test_a_malformed_question_has_its_own_code(
    knocking: Any, body: bytes, media: str, expected: tuple[int, str]
) -> None:
    async def scenario(doors: Doors) -> None:
        token = await doors.token()
        proof = doors.tokens.proof(url=doors.url("can"), token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof, "Content-Type": media}
        answer = await doors.ask(body, headers)
        assert (answer.status_code, answer.json()["code"]) == expected
        doors.nothing_happened()

    knocking(scenario)


def test_the_challenge_of_each_scheme_names_its_metadata() -> None:
    for error in ("", "invalid_token"):
        for value in challenge("http://r.test", "/mcp/x", error=error, description='a "b"\n', scheme="Bearer"):
            assert 'resource_metadata="http://r.test/.well-known/oauth-protected-resource/mcp/x"' in value
            assert "\n" not in value
