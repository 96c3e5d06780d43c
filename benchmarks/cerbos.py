"""Decisions a second over HTTP at 1,000 rules: Remit, durable, beside npm's Cerbos, without and with its audit log.

Five processes: `remit up` with its durable journal, an MCP server that its rules name, two Cerbos servers (which have
the same 1,000 rules, one with audit off, one writing each decision to a file), and this client with 64 connections,
one question after the other on each. Each question is about another of 1,000 agents and is allowed by that agent's own
rule: here a boundary, there a rule for its role in one resource policy, which is the quickest way there that was found
(a principal policy for each agent is no quicker). Rounds take turns, in another order each time. A decision of Remit
is on disk before it is answered, in a log that can be proved, with its reservation and the time by which its outcome
is waited for; Cerbos answers from memory, and its file is not synced.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asking import ALLOWED, rate
from benchmarks.estate import Running, environment, estate, folder, free_port, running, wait_for
from benchmarks.report import finish, options, row

FLOOR, AIM = 2.5, 4.0
PACKAGE = "@cerbos/cerbos-linux-x64@0.55.0"
AGENTS, _WARM = 1000, 3000
REMIT, PLAIN, AUDITED = "remit", "cerbos", "cerbos, audit to a file"
_POLICY = """\
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: bench
  version: default
  rules:
"""
_RULE = """\
    - actions: [add]
      effect: EFFECT_ALLOW
      roles: [{agent}]
      condition: {{match: {{expr: 'R.attr.a <= 100 && R.attr.b >= 0 && P.attr.purpose == "bench"'}}}}
"""


def names() -> list[str]:
    """The agents, one rule each."""
    return [f"bot-{number:04}" for number in range(AGENTS)]


def documents() -> list[dict[str, Any]]:
    """What Remit is given."""
    found: list[dict[str, Any]] = []
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037 appendix A
    for number, agent in enumerate(names()):
        own = {**key, "x": f"{number:06}" + key["x"][6:]}
        found += [
            {
                "agent": agent, "owner": "dana", "version": "1", "purposes": ["bench"], "sender_constraint": "dpop",
                "not_after": "2099-01-01", "attest": [{"private_key_jwt": {"jwk": own}}],
            },
            {
                "boundary": agent, "agent": agent, "purpose": "bench", "not_after": "2098-01-01",
                "allow": [{"action": "bench/add", "when": {"a": {"max": 100}, "b": {"min": 0}}}],
            },
        ]  # fmt: skip
    return found


def applied(found: Running) -> str:
    """The rules, in force; an enforcement point's token."""
    for kind in ("agent", "boundary"):
        where = found.home / "rules" / {"agent": "agents", "boundary": "boundaries"}[kind]
        where.mkdir(parents=True)
        mine = [each for each in documents() if next(iter(each)) == kind]
        (where / "rules.yaml").write_text(json.dumps(mine), encoding="utf-8")
    found.command("apply", str(found.home / "rules"), "--approve", "--as", "dana", "--json")
    token: str = json.loads(found.command("pep", "add", "bench", "--json"))["token"]
    return token


def remit_question(port: int, token: str, agent: str, b: int) -> bytes:
    """AuthZEN 1.0, access evaluation."""
    asked = {
        "subject": {"type": "agent", "id": agent},
        "action": {"name": "bench/add"},
        "resource": {"type": "server", "id": "bench"},
        "context": {"purpose": "bench", "arguments": {"a": 40, "b": b}},
    }
    return _request("/access/v1/evaluation", asked, f"127.0.0.1:{port}\r\nAuthorization: Bearer {token}")


def cerbos_question(agent: str, b: int) -> bytes:
    """The same question in Cerbos's own API."""
    principal = {"id": agent, "roles": [agent], "attr": {"purpose": "bench"}}
    resource = {"kind": "bench", "id": "bench", "attr": {"a": 40, "b": b}}
    asked = {"principal": principal, "resources": [{"actions": ["add"], "resource": resource}]}
    return _request("/api/check/resources", asked, "127.0.0.1")


def _request(path: str, asked: dict[str, Any], host: str) -> bytes:
    body = json.dumps(asked, separators=(",", ":"))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii")


def _allows(body: bytes) -> bool:
    return b'"EFFECT_ALLOW"' in body


def binary() -> Path:
    """The peer's own, as npm has it."""
    place = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "remit-benchmarks" / "npm"
    place.mkdir(parents=True, exist_ok=True)
    install = ["npm", "install", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(place), PACKAGE]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    return place / "node_modules" / "@cerbos" / "cerbos-linux-x64" / "cerbos-linux-x64"


@contextlib.contextmanager
def peer(program: Path, home: Path, *, audit: bool) -> Iterator[int]:
    """A Cerbos with the same rules; its port."""
    policies = home / "policies"
    policies.mkdir(parents=True)
    rules = "".join(_RULE.format(agent=agent) for agent in names())
    (policies / "bench.yaml").write_text(_POLICY + rules, encoding="utf-8")
    port = free_port()
    config: dict[str, Any] = {
        "server": {"httpListenAddr": f"127.0.0.1:{port}", "grpcListenAddr": f"127.0.0.1:{free_port()}"},
        "storage": {"driver": "disk", "disk": {"directory": str(policies), "watchForChanges": False}},
        "telemetry": {"disabled": True},
    }
    if audit:
        file = {"path": str(home / "decisions.log")}
        config["audit"] = {
            "enabled": True, "accessLogsEnabled": False, "decisionLogsEnabled": True, "backend": "file", "file": file
        }  # fmt: skip
    (home / "cerbos.yaml").write_text(json.dumps(config), encoding="utf-8")
    command = [str(program), "server", "--config", str(home / "cerbos.yaml"), "--log-level", "error"]
    with running(command, environment(home)):
        wait_for(port)
        yield port
    assert not audit or (home / "decisions.log").stat().st_size, "the peer wrote no audit log"


def measure(where: Path, *, rounds: int, count: int) -> list[dict[str, Any]]:
    """All three in turns."""
    program, agents = binary(), names()
    with (
        folder(where) as home,
        estate(home) as found,
        peer(program, home / "plain", audit=False) as plain,
        peer(program, home / "audited", audit=True) as audited,
    ):
        token, port = applied(found), int(found.remit.rpartition(":")[2])
        mine = [remit_question(port, token, agents[n % AGENTS], n) for n in range(max(count, _WARM))]
        theirs = [cerbos_question(agents[n % AGENTS], n) for n in range(max(count, _WARM))]
        sides = {
            REMIT: (port, mine, ALLOWED.__eq__),
            PLAIN: (plain, theirs, _allows),
            AUDITED: (audited, theirs, _allows),
        }
        for at, questions, fine in sides.values():
            uvloop.run(rate(at, questions[:_WARM], fine))
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds):
            for side in sorted(sides, reverse=number % 2 == 1):
                at, questions, fine = sides[side]
                rates[side].append(uvloop.run(rate(at, questions[:count], fine)))
    ratios = {
        side: [one / two for one, two in zip(rates[REMIT], rates[side], strict=True)] for side in (PLAIN, AUDITED)
    }
    return [
        row("decisions/s over HTTP, durable, of Cerbos in memory", ratios[PLAIN], "x", floor=FLOOR, aim=AIM),
        row("  of Cerbos with its decisions written to a file", ratios[AUDITED], "x"),
        row("  Remit, durable", rates[REMIT], "/s", digits=0),
        row("  Cerbos, audit off", rates[PLAIN], "/s", digits=0),
        row("  Cerbos, decisions to a file", rates[AUDITED], "/s", digits=0),
    ]


def main() -> int:
    parser = options(__doc__, rounds=9)
    parser.add_argument("--count", type=int, default=4000, help="decisions per round and side")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    rows = measure(chosen.folder, rounds=chosen.rounds, count=chosen.count)
    return finish("cerbos", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
