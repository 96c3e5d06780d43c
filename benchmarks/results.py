"""RESULTS.md: the table of one run, what it ran on, how each number is measured, and what to know about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from benchmarks import machine
from benchmarks.report import holds, missed, wished

HOW = {
    "decide": "One process: a whole decision and one `cedarpy.is_authorized` on the same parsed policies, entities and "
    "schema and the same request take turns, call by call; less is better. Then one decision among 10,000 policies of "
    "the organisation (20 of them unscoped) and one among 10 (8 unscoped) take turns.",
    "decisions": "One process, 64 asyncio callers that each ask for one decision after the other, with real keys, "
    "sealed entries, single-use proofs, a rate and a budget; rounds over the SQLite writer stand between rounds over "
    "a writer without a disk.",
    "http_decisions": "Two processes: one answers `/access/v1/evaluation` over the SQLite writer and over a writer "
    "without a disk, in turns, on uvicorn as `remit up` runs it; an enforcement point asks on 64 connections, one "
    "question after the other on each.",
    "writer": "One process, 64 asyncio callers that each wait for one entry after the other; each round is divided by "
    "the rate of 4 KiB append + fdatasync just before and after it, on the same file system.",
    "gateway": "Four processes: an MCP server of the `mcp` SDK with JSON answers, `remit up`, a gateway that only puts "
    "the same parts together (uvicorn, JSON, one ES256 verification, one cedarpy call, one durable row, aiohttp), and "
    "an aiohttp client with one call in flight; rounds of direct calls, calls through the bare gateway, calls with "
    "DPoP and calls with a plain token take turns.",
    "http_reverse": "Three processes: a bare ASGI API, `remit up`, and an aiohttp client with 16 kept connections, one "
    "call in flight on each; rounds of direct calls, calls with DPoP and calls with a plain token take turns. Then 100 "
    "calls begin each second, direct and with DPoP in turns; added is the difference of a round's 99th percentiles.",
    "intercept": "Four processes: an API over TLS, `remit up --proxy`, `mitmdump` 11.0.2 with a header put in, and an "
    "aiohttp client with 16 kept connections behind the one, the other or none, in turns. Remit decides and records "
    "every call; mitmproxy does neither.",
    "freeze": "Four processes: server, `remit up`, an agent that calls without a pause, and an operator; from just "
    "before the last bytes of the freeze request are sent until the agent has read its first refusal (`revoked`), and "
    "the server's ledger is checked for calls that began after the freeze was answered.",
    "streams": "Three processes: a server that streams without end, `remit up`, and ten agents with 50 open calls each "
    "on raw sockets (a numbered event every half second on each); from just before the last bytes of the freeze are "
    "sent until the last word of each of the frozen agent's 50 streams is read, 20 times; every event of the other 450 "
    "is counted.",
    "scale": "`remit up` on a database with 10,000 agents and 100,000 boundaries of three rules, to its ready line and "
    "the resident memory then; and a bare process that loads only the facts and calls a tenth of the agents.",
    "activations_scale": "A database with 10,000 agents, 100,000 boundaries of ten rules and 1,000,000 activations in "
    "force, with up to 21 days of use each; a bare process loads the facts, then reads every agent's activations and "
    "decides one call of each, and keeps what a server keeps of it; and `remit up` to its ready line.",
    "reactivation": "Three processes: an MCP server, `remit up`, and a client with one call in flight for 80 agents; "
    "400 entitlements lapse by themselves and each comes back with one timed call, beside an ordinary call of the same "
    "agent; added is the time above the median ordinary call. Each is seen in the log (`lapse`, then one `reactivate`) "
    "and in the server's ledger.",
    "schema_caller": "One process: a caller that draws arguments from a tool's input schema alone, uniform over the "
    "declared range (0 to 10 times the usual size where there is no maximum), strings from enum and examples; nine "
    "tools, each draw decided with its effects dropped; the same with the lists as Remit narrows them.",
    "start": "Fresh processes in turns: the import timed inside its interpreter, `remit up` timed from outside to its "
    "ready line, in a new data directory and then again in the same one.",
    "tokens": "Three processes: `remit up`, npm's `oidc-provider` with its in-memory adapter, and a client with 32 "
    "requests in flight, whose assertions and proofs are signed before a round begins; rounds take turns; both check a "
    "`private_key_jwt` and a DPoP proof and sign with ES256, Remit's answer is durable. Tokens are further ones of one "
    "run. Then 10,000 agents with a key each get a first token, which opens their run, and then each a second one; 256 "
    "requests are open at a time.",
    "cerbos": "Five processes: `remit up` and the MCP server that its rules name, two npm `@cerbos/cerbos-linux-x64` "
    "0.55.0 (audit off; decisions written to a file), and a client with 64 connections, one question after the other "
    "on each. 1,000 agents with a rule each on either side (a boundary; a rule for its role), each question about "
    "another agent and allowed; rounds take turns in changing order. Remit's answer is durable before it leaves, "
    "Cerbos's comes from memory, and its file is not synced.",
    "fastmcp_proxy": "Four processes: an MCP server, `remit up` with its durable journal before it, PyPI `fastmcp` "
    "4.1.2's proxy before the same server (no authentication, no state, JSON answers, its logging off), and a client "
    "with 16 calls in flight; plain tokens; rounds take turns in changing order.",
    "overload": "Three processes: an MCP server, `remit up`, and a client with 1,024 connections and one call in "
    "flight on each. The capacity is what 48 connections that call as soon as they are answered get; then five times "
    "that rate is sent for two minutes by eight agents, leaving out what no connection is free for, and in the middle "
    "one agent is frozen. Goodput counts results; no result may come for a call that the frozen agent sent after that.",
    "agentdojo": "One process, no model: user tasks and injections are read from PyPI `agentdojo` 0.1.35. In each of "
    "101 seeded halves `remit rightsize` learns a boundary for each purpose from half of the tasks; the others are "
    "judged call by call, each with every injection. A pair is blocked if any call that the injection needs is "
    "refused, a task hindered if any of its own is; low .. high are quartiles. `benchmarks/agentdojo.py --table` shows "
    "every suite and also boundaries that are not per purpose.",
    "withdrawal": "Three processes: an MCP server, `remit up` and a caller without a pause; from just before an event "
    "that ends an entitlement is sent until the first refused call.",
    "replay_scale": "100,000 recorded verdicts are derived again from the stored days of use, boundaries and tiers, "
    "in one process and then in two; the use was written down shuffled, some of it twice, and goes through two further "
    "orders beside it. Then one byte of use, one rule and one parameter are changed, and exactly theirs must differ.",
    "estate_scale": "DuckDB in two processes: 1,000,000 activations with 100,000,000 events are rolled up and judged "
    "from nothing; then a day on which one of a hundred was used, beside the same moment judged as a whole.",
    "policy_diff": "One process: two sets of 1,000 policies, of which 50 or all forbid more or permit less; it is "
    "proved that none widens, each round from the texts, without the time that reading both sets takes.",
    "policy_live": "One process: four callers decide one call after the other over the SQLite writer, while a thread "
    "brings 1,000 policies that were never seen before into force in the place of 1,000 others: read, validated, "
    "compared, stored, recorded by the word of two people, swapped in; until the first decision under them.",
    "policy_replay": "A registry is lived in (lists and transfers, let through and refused, while a boundary "
    "changes 20 times): 100,000 decisions. Its log is decided again beside its data in two processes, unchanged "
    "and with a policy more that concerns half of the calls; those are decided twice.",
    "rekey": "`remit up` on a database with 1,000,000 data keys, and a client with eight callers that ask for "
    "one durable decision after the other, 20 ms apart: for 20 s before, and for as long as the root key is replaced, "
    "from the second person's word until the old one is wiped. An answer that is no allow counts as failed. Beside it "
    "one process that seals 200 bytes and opens them again, 20,000 times a round.",
    "rotation": "Four processes: a PostgreSQL server, an API with eight sessions there, each signed in with the user "
    "and password of its call, `remit up`, and a client that begins 200 calls a second for three minutes, whatever "
    "became of those before, while the login is changed as soon as it is two seconds old.",
    "console": "`remit up` on 10,000 agents with ten boundaries each and a signed log of 1,000,000 decisions, and a "
    "client that is signed in and asks for every page 20 times: what the page's `Server-Timing` says. Then 100,000 "
    "agents with one boundary each. Then Chromium follows the live page for three minutes while an agent makes 500 "
    "decisions a second; its heap is read after a forced collection.",
    "run_start": "Fresh processes in turns, timed from outside: `remit run -- true` less bare `true`.",
}
NOTES = """
- Ratios come from one run each, with both sides in turns; absolute rates are true of this machine only.
- A spread is the lowest and highest of a run's rounds. For a percentile the measured value is that of all samples, and
  the spread that of five stretches of them.
- The bare cedarpy call gets its context as a dict, as its documentation shows and as the decision gets its arguments;
  the indented row below it compares with a call that is handed JSON text.
- The writer without a disk that decisions are compared with exists only for tests and benchmarks.
- An fsync is what the file system says is one: a virtual disk may answer early, which makes that unit small.
- Client, Remit and server of the gateway's and the freeze's measurement share one machine's cores, and a direct call
  needs fewer of them: few cores lower the gateway's share. The bare gateway says how much of a direct call's rate a
  gateway of these parts can keep at all (`docs/adr/0007-the-gateway-is-measured-against-a-bare-one.md`).
- Over HTTP the share of durable decisions can pass 100 %: the answers of one commit leave together, and fewer wake-ups
  of two processes cost less than one for each answer.
- Proofs are signed before a round of the gateway's begins, because signing is the agent's work; in the freeze's loop
  the agent signs each one, as an agent does.
- What a reactivation adds is told from the median ordinary call, so its p99 holds the machine's own noise, too: the
  p99 of the ordinary calls beside it shows how much.
- That an agent's question (`can`) and the decision of the same call agree is no measurement but a test, over 5,000
  random pairs: `tests/interaction/enforcement/test_can_is_the_decision.py`.
- Python's compiled files and the page cache are warm in every start.
"""


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table; numbers with three significant digits or all before the point."""
    floor, aim = row["floor"], row["aim"]
    return (
        row["what"],
        number(row["median"]),
        f"{number(row['low'])} .. {number(row['high'])}",
        row["unit"],
        "" if floor is None else f"{floor:g}",
        "" if aim is None else f"{aim:g}",
        _reached(row),
    )


def _reached(row: dict[str, Any]) -> str:
    if row["met"] is None:
        return ""
    if wished([row]):
        return f"missed, see `{row['where']}`"
    return "below floor" if not row["met"] else "aim" if row["aim"] is not None and _at_aim(row) else "floor"


def number(value: float) -> str:
    """As short as it can honestly be told."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def page(reports: list[dict[str, Any]], *, load: float, seconds: float, long: bool = False) -> str:
    """A whole page, RESULTS.md or (`long`) RESULTS-LONG.md.

    `load` is how many processes wanted a core in the minute before the run.
    """
    rows = [row for report in reports for row in report["rows"]]
    facts = machine.facts() | {"Load before the run": f"{load:.2f}"}
    return "\n".join(
        [
            "# Measured", "",
            *_WHOSE[long], "",
            f"{datetime.now(UTC):%Y-%m-%d}, one run of {seconds / 60:.1f} minutes.", "",
            "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items()), "",
            *([] if long else ["![Each measurement between its floor and its aim](results.svg)", ""]),
            "| what | median | low .. high | unit | floor | aim | reached |",
            "|---|--:|--:|---|--:|--:|---|",
            *("| " + " | ".join(_indented(cells(row))) + " |" for row in rows), "",
            *_short(rows),
            "## How", "", *(f"- **{report['name']}**: {HOW[report['name']]}" for report in reports), "",
            *([] if long else ["## What to know about them", NOTES]),
        ]
    )  # fmt: skip


_WHOSE = {
    False: (
        "`make bench` measures this again and fails below a floor; `benchmarks/run.py --write` writes it here.", "",
        "What takes minutes each is on a page of its own: [RESULTS-LONG.md](RESULTS-LONG.md).",
    ),
    True: (
        "`make bench-long` measures this again and fails below a floor; `run.py --long --write` writes it here.", "",
        "Everything else stands in [RESULTS.md](RESULTS.md).",
    ),
}  # fmt: skip


def _indented(texts: tuple[str, ...]) -> tuple[str, ...]:
    what = texts[0]
    return (f"&nbsp;&nbsp;{what.strip()}" if what.startswith(" ") else f"**{what}**", *texts[1:])


def _short(rows: list[dict[str, Any]]) -> list[str]:
    """What is below its floor, what misses a floor that judges nothing, and what is short of its aim, said outright."""
    below = [each["what"].strip() for each in missed(rows)]
    between = [each["what"].strip() for each in rows if each["ok"] and not _at_aim(each)]
    lines = []
    if below:
        lines += [f"Below the floor: {'; '.join(below)}.", ""]
    for each in wished(rows):
        share = f"{number(each['median'])} {each['unit']}, floor {each['floor']:g}, aim {each['aim']:g}"
        said = f"{each['what'].strip()} ({share}): {each['why']} (`{each['where']}`)."
        lines += [f"Missed, and not judged by `make bench`: {said}", ""]
    if between:
        lines += [f"Above the floor, short of the aim: {'; '.join(between)}.", ""]
    return lines


def _at_aim(row: dict[str, Any]) -> bool:
    """Whether it is as good as its aim; without one the floor is all that is asked."""
    if row["aim"] is None:
        return bool(row["met"])
    return holds(row["median"], row["aim"], less_is_better=row["less_is_better"])
