"""`remit demo`: the same stage, alive in the terminal until Ctrl-C."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from remit.demo.processes import Worker
from remit.demo.stage import REMIT, Stage, opened

PAUSE = 1.0  # seconds between two steps, so that a person can read along

# What each agent keeps doing; some of it is wrong on purpose.
WORK: tuple[tuple[str, dict[str, Any]], ...] = (
    ("support-bot", {"tool": "list_customers", "arguments": {}}),
    ("invoice-bot", {"tool": "list_invoices", "arguments": {}}),
    ("legacy-bot", {"tool": "list_customers", "arguments": {}}),
    ("support-bot", {"tool": "get_customer", "arguments": {"customer": "c-17"}}),
    (
        "invoice-bot",
        {"tool": "transfer", "arguments": {"to": "Acme GmbH", "amount": 900, "currency": "EUR"}, "adapt": True},
    ),
    ("legacy-bot", {"tool": "update_note", "arguments": {"customer": "c-42", "note": "call back"}}),
)


def run() -> NoReturn:
    """Show live agents until Ctrl-C; leaves nothing running and nothing on disk."""
    console = Console(highlight=False)
    with opened() as stage:
        _start(console, stage)
        for agent, step in itertools.cycle(WORK):
            for line in _results(stage.agents[agent], step):
                console.print(_shown(line), soft_wrap=True)  # one line each, so that an id can be copied
            time.sleep(PAUSE)
    raise AssertionError("the work never ends")


def _start(console: Console, stage: Stage) -> None:
    began = time.monotonic()
    for what, part in (
        ("Remit started: keys, log and data directory made", stage.start_remit),
        ("two MCP servers started: crm, payments", stage.start_upstreams),
        ("3 agents, 3 boundaries, 1 policy applied and approved by their owner", stage.register),
        ("3 agents started: invoice-bot, support-bot, legacy-bot", stage.start_agents),
    ):
        part()
        console.print(f"[green]✓[/] {what:<70} {time.monotonic() - began:.1f} s")
    console.print(f"""
From a second terminal:
  [bold]export {_path()}REMIT_URL={stage.url} REMIT_TOKEN_FILE={stage.environ["REMIT_TOKEN_FILE"]}[/]
  [bold]remit freeze support-bot[/]        its next call is refused
  [bold]remit unfreeze support-bot[/]      and now it is not
  [bold]remit why DECISION[/]              any dec_... below
  [bold]remit can invoice-bot payments/transfer --arg to=Acme --arg amount=900 --arg currency=EUR[/]  exits 10: no
  [bold]remit audit verify[/]              proves that nothing was changed
  [bold]remit doctor[/]                    one of these agents is a finding
Ctrl-C stops everything.
""", soft_wrap=True)  # fmt: skip


def _path() -> str:
    """What the second terminal needs to find `remit`: nothing, if this one would find it too."""
    return "" if shutil.which("remit") == REMIT else f"PATH={Path(REMIT).parent}{os.pathsep}$PATH "


def _results(worker: Worker, step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    worker.tell(**step)
    line = worker.hear()
    yield line
    if step.get("adapt") and line["result"] == "denied" and "change_arguments" in line["remedies"]:
        yield worker.hear()


def _shown(line: dict[str, Any]) -> str:
    who = f"{time.strftime('%H:%M:%S')}  {line['agent']:<11}"
    arguments = ", ".join(f"{name}={value}" for name, value in (line.get("arguments") or {}).items())
    call = f"{line.get('tool') or ''}({arguments})" if line.get("tool") else ""
    if line["result"] == "ok":
        return f"{who}  [green]✓ allowed[/]  {call}"
    # What an agent may not see answers as unknown: it has no code, only a message.
    code = line.get("code") if isinstance(line.get("code"), str) else "not visible"
    decision = f"\n{'':<23}[dim]remit why {line['decision']}[/]" if line.get("decision") else ""
    return f"{who}  [red]✗ {code}[/]  {call}{decision}"
