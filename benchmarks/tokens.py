"""Tokens a second with DPoP: Remit, durable, beside npm's `oidc-provider`, in memory.

Three processes: `remit up` with its durable journal, `oidc-provider` (client_credentials, private_key_jwt, DPoP, JWT
access tokens signed with ES256, its own memory adapter), and this client with 32 requests in flight. Assertions and
proofs are signed before a round begins, because that is the agent's work. Rounds take turns. Remit's tokens are on
disk with their entry, the single use of assertion and proof, the run and the instance, before they are answered; the
peer's are nowhere.

Then 10,000 agents, each with a key of its own, get their first token, which opens their run, and renew it, 256 requests
open at a time: how long until the last has its token. An answer may be 429 or 503 with Retry-After, and is then asked
for again after that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import estate, folder
from benchmarks.report import finish, options, row

from remit.sdk import keyfile
from remit.sdk.grant import Grant

FLOOR, AIM = 1.5, 2.5
BURST_SECONDS = 20.0
PACKAGE = "oidc-provider@9.13.3"
_FLIGHT, _ROUND, _ROUNDS, _WARM = 32, 400, 41, 1500
_AGENTS, _BURST_FLIGHT, _APPLIED = 10_000, 256, 1000
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PATIENCE = aiohttp.ClientTimeout(total=120)
Asked = tuple[str, str]
"""A form and the proof that goes with it."""


def questions(grant: Grant, endpoint: str, many: int) -> list[Asked]:
    """As many questions, each with an assertion and a proof that are used once."""
    return [(grant.form(), grant.proof("POST", endpoint)) for _ in range(many)]


async def rate(endpoint: str, asked: Sequence[Asked]) -> float:
    """Tokens a second, `_FLIGHT` at a time."""
    left = iter(asked)

    async def one(http: aiohttp.ClientSession) -> None:
        for form, proof in left:
            async with http.post(endpoint, data=form, headers={**_FORM, "DPoP": proof}) as answer:
                body = await answer.read()
                assert answer.status == 200, body

    connector = aiohttp.TCPConnector(limit=_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, timeout=_PATIENCE) as http:
        began = time.perf_counter()
        await asyncio.gather(*(one(http) for _ in range(_FLIGHT)))
        return len(asked) / (time.perf_counter() - began)


@contextlib.contextmanager
def peer(public: Path) -> Iterator[str]:
    """The peer's issuer URL."""
    place = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "remit-benchmarks" / "npm"
    place.mkdir(parents=True, exist_ok=True)
    install = ["npm", "install", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(place), PACKAGE]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    script = place / "peer_oidc.mjs"  # beside the modules that it imports
    shutil.copyfile(Path(__file__).with_name("peer_oidc.mjs"), script)
    process = subprocess.Popen(
        ["node", str(script), str(public)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith('{"port"')), None)
        assert line is not None, "the peer did not start"
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.terminate()
        process.wait(20)


def beside(where: Path, rounds: int) -> list[dict[str, Any]]:
    """Both in turns."""
    with folder(where) as home, estate(home) as found:
        key, instance = keyfile.load(found.key("bound-bot")), keyfile.fresh()
        mine = Grant(found.remit, "bound-bot", key, "bench", None, instance)
        with peer(home / "estate" / "agents" / "bound-bot.pub.jwk") as issuer:
            theirs = Grant(issuer, "bound-bot", key, "bench", None, instance)
            ends = (f"{found.remit}/oauth2/token", f"{issuer}/token")
            for grant, end in zip((mine, theirs), ends, strict=True):
                uvloop.run(rate(end, questions(grant, end, _WARM)))
            rates: dict[str, list[float]] = {end: [] for end in ends}
            for _ in range(rounds):
                for grant, end in zip((mine, theirs), ends, strict=True):
                    rates[end].append(uvloop.run(rate(end, questions(grant, end, _ROUND))))
    remit, other = rates[ends[0]], rates[ends[1]]
    ratios = [one / two for one, two in zip(remit, other, strict=True)]
    return [
        row("tokens/s with DPoP, durable, of oidc-provider in memory", ratios, "x", floor=FLOOR, aim=AIM),
        row("  Remit", remit, "/s", digits=0),
        row("  oidc-provider", other, "/s", digits=0),
    ]


async def burst(endpoint: str, asked: Sequence[Grant]) -> tuple[float, int]:
    """Seconds until the last of `asked` has its token, and how many answers said to come again later."""
    later = 0
    gate = asyncio.Semaphore(_BURST_FLIGHT)

    async def one(http: aiohttp.ClientSession, grant: Grant) -> None:
        nonlocal later
        while True:
            async with gate:
                form, proof = grant.form(), grant.proof("POST", endpoint)
                async with http.post(endpoint, data=form, headers={**_FORM, "DPoP": proof}) as answer:
                    body = await answer.read()
            if answer.status == 200:
                return
            assert answer.status in {429, 503}, body
            later += 1
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    connector = aiohttp.TCPConnector(limit=_BURST_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, timeout=_PATIENCE) as http:
        began = time.perf_counter()
        await asyncio.gather(*(one(http, grant) for grant in asked))
        return time.perf_counter() - began, later


def renewing(where: Path) -> list[dict[str, Any]]:
    """10,000 agents at once."""
    with folder(where) as home, estate(home) as found:
        names = [f"bot-{number:05}" for number in range(_AGENTS)]
        keys = {name: keyfile.fresh() for name in names}
        documents = [
            {
                "agent": name, "owner": "dana", "version": "1", "purposes": ["bench"], "sender_constraint": "dpop",
                "not_after": "2099-01-01", "attest": [{"private_key_jwt": {"jwk": dict(keys[name].public)}}],
            }
            for name in names
        ]  # fmt: skip
        place = home / "many" / "agents"
        place.mkdir(parents=True)
        for at in range(0, _AGENTS, _APPLIED):
            (place / "some.yaml").write_text(json.dumps(documents[at : at + _APPLIED]), encoding="utf-8")
            found.command("apply", str(home / "many"), "--json")
        grants = [Grant(found.remit, name, keys[name], "bench", None, keyfile.fresh()) for name in names]
        first, _ = uvloop.run(burst(f"{found.remit}/oauth2/token", grants))
        seconds, later = uvloop.run(burst(f"{found.remit}/oauth2/token", grants))
    return [
        row(
            "10,000 agents renew at once: the last is served", [seconds], "s", floor=BURST_SECONDS, less_is_better=True
        ),
        row("  answers that said to come again later", [float(later)], "", digits=0),
        row("  the same for their first tokens", [first], "s", less_is_better=True),
    ]


def main() -> int:
    """Measure."""
    asked = options(__doc__, rounds=_ROUNDS).parse_args()
    where = Path.cwd()
    rows = [*beside(where, asked.rounds), *renewing(where)]
    return finish("tokens", rows, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
