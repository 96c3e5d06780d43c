"""A PostgreSQL login that is changed every two seconds under 200 calls a second: how many of the calls it failed.

Four real processes: PostgreSQL, an API that is signed in there with exactly the user and password that each call
brings (`rotation_api.py`), `remit up`, and this client. Calls begin evenly, whatever became of those before, each with
the credential that Remit has at that moment. What is not answered 200 is counted by its status; a call that PostgreSQL
did not take is 401.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import REMIT, Running, environment, folder, free_port, ready, running, up, wait_for
from benchmarks.report import finish, options, percentile, row
from tests.real import postgres

from remit.sdk import keyfile
from remit.sdk.grant import Grant

PACE, EVERY, DRAIN, SECONDS = 200, 2, 1, 180
SLOWEST, AIM = 4.0, 2.5  # seconds to a rotation: with fewer, nothing would be shown
AGENT, SERVER, SECRET, ROLES = "plain-bot", "shop", "shop-db", ("shop_a", "shop_b")
_TOKEN = 120.0  # seconds that a token is used
_FILES = {
    "owners": "owner: dana\nname: Dana Reyes\nemail: dana@example.test\n",
    "purposes/bench": (
        "purpose: bench\nstatement: Measure\nactions: ['shop:GET /*']\ndata_classes: []\nnot_after: 2099-01-01\n"
    ),
    "servers/shop": (
        "server: shop\nkind: http\nurl: http://127.0.0.1:{api}/v1\n"
        "operations: {{'GET /things': {{tier: low}}}}\ncredential: {{secret: shop-db, inject: {{basic: nobody}}}}\n"
    ),
    "agents/plain-bot": (
        "agent: plain-bot\nowner: dana\nversion: '1'\npurposes: [bench]\nmax_instances: 99\n"
        "sender_constraint: none\nnot_after: 2099-01-01\nmax_run: 8h\n"
        "attest: [{{private_key_jwt: {{jwk_file: plain-bot.pub.jwk}}}}]\n"
    ),
    "boundaries/plain-bot": (
        "boundary: plain-bot\nagent: plain-bot\npurpose: bench\n"
        "allow: [{{action: 'shop:GET /things'}}]\nnot_after: 2098-01-01\n"
    ),
    "secrets/pg-admin": "secret: pg-admin\nowner: dana\nallow: [{{place: rotation, host: 127.0.0.1}}]\n",
    "secrets/shop-db": (
        "secret: shop-db\nowner: dana\nrotate:\n  every: {every}s\n  drain: {drain}s\n  postgres:\n"
        "    {{host: 127.0.0.1, port: {port}, database: postgres, roles: [shop_a, shop_b], admin: pg-admin,\n"
        "    admin_user: remit_admin, sslmode: disable}}\n"
    ),
}


@contextlib.contextmanager
def estate(home: Path, server: postgres.Postgres) -> Iterator[Running]:
    """The API, a Remit in front of it, and a first version of the secret, which Remit made."""
    environ, port = environment(home), free_port()
    server.roles(*ROLES)
    api = [sys.executable, str(Path(__file__).with_name("rotation_api.py")), str(port), str(server.port)]
    with running(api, environ), running(up("--dev"), environ) as process:
        wait_for(port)
        found = Running(direct="", remit=ready(process)["api"], home=home, environ=environ)
        found.command("agent", "keygen", AGENT, "--out", found.key(AGENT))
        for name, text in _FILES.items():
            path = home / "estate" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            written = text.format(api=port, port=server.port, every=EVERY, drain=DRAIN)
            path.write_text(written, encoding="utf-8")
        Path(f"{found.key(AGENT)}.pub.jwk").rename(home / "estate" / "agents" / f"{AGENT}.pub.jwk")
        found.command("apply", str(home / "estate"), "--approve", "--as", "dana", "--json")
        command = [REMIT, "secret", "set", "pg-admin"]
        subprocess.run(command, env=environ, input=server.password, check=True, capture_output=True, text=True)
        found.command("secret", "rotate", SECRET, "--wait")
        yield found


async def token(http: aiohttp.ClientSession, found: Running) -> str:
    """A token that is bound to no key."""
    key = keyfile.load(found.key(AGENT))
    form = Grant(found.remit, AGENT, key, "bench", SERVER, key).form()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{found.remit}/oauth2/token", data=form, headers=headers) as answer:
        return str((await answer.json())["access_token"])


class Caller:
    """Calls, and counts what came of them."""

    def __init__(self, http: aiohttp.ClientSession, found: Running) -> None:
        self._http, self._found = http, found
        self.came: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.times: list[float] = []
        self.said: list[str] = []

    async def one(self, headers: dict[str, str]) -> None:
        began = time.perf_counter()
        try:
            async with self._http.get(f"{self._found.remit}/http/{SERVER}/things", headers=headers) as answer:
                body = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.came[type(error).__name__] += 1
            return
        self.times.append(1000 * (time.perf_counter() - began))
        self.came[str(answer.status)] += 1
        if answer.status == 200:
            self.users[body] += 1
        else:
            self.said.append(body[:300])

    async def paced(self, seconds: int) -> None:
        """`PACE` calls begin in each second."""
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        began, fresh, headers = loop.time(), 0.0, dict[str, str]()
        for at in range(PACE * seconds):
            await asyncio.sleep(max(0.0, began + at / PACE - loop.time()))
            if loop.time() > fresh:
                headers = {"Authorization": f"Bearer {await token(self._http, self._found)}"}
                fresh = loop.time() + _TOKEN
            task = loop.create_task(self.one(headers))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)


async def measure(found: Running, *, seconds: int) -> list[dict[str, Any]]:
    began = versions(found)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=1.0)) as http:
        caller = Caller(http, found)
        start = time.perf_counter()
        await caller.paced(seconds)
        took = time.perf_counter() - start
    ended = versions(found)
    count, done = sum(caller.came.values()), ended["revoked"] - began["revoked"]
    return [
        row("calls that PostgreSQL did not let in", [caller.came["401"]], "", floor=0, less_is_better=True, digits=0),
        row("calls without a 200", [count - caller.came["200"]], "", floor=0, less_is_better=True, digits=0),
        row("  calls", [count], "", digits=0),
        row("  calls/s", [count / took], "/s"),
        row("  rotations done meanwhile", [done], "", digits=0),
        row("  seconds to a rotation", [took / max(1, done)], "s", floor=SLOWEST, aim=AIM, less_is_better=True),
        row("  rotations that came to nothing", [ended["failed"]], "", floor=0, less_is_better=True, digits=0),
        row("  p99 of a call", [percentile(caller.times, 99)], "ms", less_is_better=True),
    ]


def versions(found: Running) -> Counter[str]:
    """How many versions the secret has had so far, by their state."""
    listed = json.loads(found.command("secret", "versions", SECRET, "--json"))["versions"]
    return Counter(each["state"] for each in listed)


def main() -> int:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of calls")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with postgres.running() as server, folder(chosen.folder) as home, estate(home, server) as found:
        told = uvloop.run(measure(found, seconds=chosen.seconds))
    return finish("rotation", told, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
