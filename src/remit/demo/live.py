"""`remit demo`: the same stage, alive in the terminal until Ctrl-C."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from remit.demo.estate import COMBINATION
from remit.demo.processes import Worker
from remit.demo.stage import REMIT, Kept, Stage, opened
from remit.demo.stopping import Stopped

PAUSE = 1.0  # seconds between two steps, so that a person can read along

# What each agent keeps doing; some of it is wrong on purpose.
WORK: tuple[tuple[str, dict[str, Any]], ...] = (
    ("support-bot", {"tool": "list_customers", "arguments": {}}),
    ("invoice-bot", {"tool": "list_invoices", "arguments": {}}),
    ("legacy-bot", {"tool": "list_customers", "arguments": {}}),
    ("support-bot", {"tool": "get_customer", "arguments": {"customer": "c-17"}}),
    (
        "invoice-bot",
        {
            "tool": "transfer",
            "arguments": {"to": "Acme GmbH", "amount": 900, "currency": "EUR"},
            "adapt": True,
            "instead": {"tool": "list_invoices", "arguments": {}},  # once the day's budget is spent
        },
    ),
    ("legacy-bot", {"tool": "update_note", "arguments": {"customer": "c-42", "note": "call back"}}),
)
# In these rounds support-bot writes a note. In between it does not, for longer than its write access lasts unused.
NOTES = (0, 6, 150, 300, 450)
NOTE: dict[str, Any] = {"tool": "update_note", "arguments": {"customer": "c-17", "note": "called"}}
CUT_IN = 2  # the round in which a long call is stopped half way
RISK_FROM = 8  # from here on, once its write access has lapsed again, something is wrong with support-bot
RISK = ("anomaly", "denied_often")  # together more than half of all risk: what sleeps stays asleep


def run(*, keep: bool = False) -> NoReturn:
    """Show live agents until Ctrl-C; leaves nothing running and, unless kept, nothing on disk."""
    console = Console(highlight=False)
    kept = Kept.here(os.environ) if keep else None
    with opened(kept=kept) as stage:
        _start(console, stage)
        scenes = Scenes(console, stage)
        try:
            for turn in itertools.count():
                _round(scenes, turn)
        except Stopped:
            if kept is not None:
                console.print(_kept(kept), soft_wrap=True)
            raise
    raise AssertionError("the work never ends")


@dataclass(slots=True)
class Scenes:
    """What was shown so far, beside the work that goes on and on."""

    console: Console
    stage: Stage
    owed: bool = False  # a note is still to be written
    refused: bool = False  # it was seen that what lapsed does not come back while something is wrong
    told: bool = False  # Remit was told what nobody should hold together
    asked: bool = False  # and a person is asked


def _round(scenes: Scenes, turn: int) -> None:
    """One round of work, and what is to be seen after it."""
    console, stage = scenes.console, scenes.stage
    for agent, step in WORK:
        _step(console, stage.agents[agent], step)
    if scenes.owed or turn in NOTES:
        # If somebody froze the agent meanwhile: the round after they unfreeze it shows its access come back.
        scenes.owed = _step(console, stage.agents["support-bot"], NOTE) != "ok" and not scenes.asked
    for said in _news(stage):
        console.print(said, soft_wrap=True)
    if turn == CUT_IN:
        _cut(console, stage)
    elif turn >= RISK_FROM:
        _people(scenes)


def _people(scenes: Scenes) -> None:
    """The next of what shows where the machine stops and people go on."""
    if not scenes.refused:
        if scenes.stage.activation("crm/update_note") == "lapsed":
            _risk(scenes)
    elif not scenes.told:
        if not scenes.owed:  # its access is back
            _combine(scenes)
    elif not scenes.asked:
        _ask(scenes)


def _step(console: Console, worker: Worker, step: dict[str, Any]) -> str:
    """What came of one step, after it was shown and could be read."""
    result = ""
    for line in _results(worker, step):
        console.print(_shown(line), soft_wrap=True)  # one line each, so that an id can be copied
        result = str(line["result"])
    time.sleep(PAUSE)
    return result


def _news(stage: Stage) -> Iterator[str]:
    """Verdicts that nobody has been told of yet."""
    for each in stage.verdicts("crm/update_note"):
        if each["id"] not in stage.told and each["verdict"] in {"lapse", "reactivate"}:
            lapsed = each["verdict"] == "lapse"
            word = f"⧗ lapsed: unused for {stage.ttl}" if lapsed else "↻ in force again: its next use started it"
            yield f"{each['time'][11:19]}  support-bot  [yellow]{word}[/]  update_note"
            yield f"{'':<23}[dim]remit certify replay {each['id']}[/]"
        stage.told.add(each["id"])


def _risk(scenes: Scenes) -> None:
    """Something is noticed about an agent: its access is not given back, until that is over."""
    console, stage = scenes.console, scenes.stage
    for noticed in RISK:
        stage.remit("agent", "signal", "support-bot", noticed)
        _you(console, f"remit agent signal support-bot {noticed}")
    _step(console, stage.agents["support-bot"], NOTE)
    console.print(f"{'':<23}[dim]at risk: what lapsed is not given back meanwhile[/]", soft_wrap=True)
    for noticed in RISK:
        stage.remit("agent", "signal", "support-bot", noticed, "--over")
        _you(console, f"remit agent signal support-bot {noticed} --over")
    scenes.refused = scenes.owed = True


def _combine(scenes: Scenes) -> None:
    """The organisation says what nobody should hold together; support-bot does."""
    stage = scenes.stage
    place = stage.files / "combinations"
    place.mkdir(exist_ok=True)
    (place / "crm.yaml").write_text(COMBINATION, encoding="utf-8")
    stage.remit("apply", str(stage.files))
    _you(scenes.console, f"remit apply {stage.files}")
    scenes.console.print(f"{'':<23}[dim]new: combinations/crm.yaml, what nobody should hold together[/]")
    scenes.told = True


def _ask(scenes: Scenes) -> None:
    """What only a person can weigh, once it was asked."""
    found = json.loads(scenes.stage.remit("review", "list", "--all", "--json"))["questions"]
    for each in found[:1]:
        about = f"{each['kind']}, {each['agent']}: recommended {each['recommendation']}"
        scenes.console.print(f"{time.strftime('%H:%M:%S')}  {each['assigned']:<11}  [yellow]? is asked[/]  {about}")
        for command in (
            "remit review list --all",
            f"remit review show {each['question']}",
            f"remit review {each['recommendation']} {each['question']} --as {each['assigned']}",
        ):
            scenes.console.print(f"{'':<23}[dim]{command}[/]", soft_wrap=True)
        scenes.asked = True


def _you(console: Console, command: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')}  you          [bold]{command}[/]", soft_wrap=True)


def _cut(console: Console, stage: Stage) -> None:
    """A person stops an agent in the middle of a long call, and lets it go on."""
    bot = stage.agents["support-bot"]
    bot.tell(tool="export_customers", arguments={})
    console.print(f"{time.strftime('%H:%M:%S')}  support-bot  … export_customers() is under way; it takes a minute")
    time.sleep(2 * PAUSE)
    _you(console, "remit freeze support-bot")
    told = json.loads(stage.remit("freeze", "support-bot", "--reason", "demo", "--json"))
    console.print(_shown(bot.hear()), soft_wrap=True)
    console.print(f"{'':<23}[dim]{len(told['cut'])} call cut in the middle, contained: {told['contained']}[/]")
    time.sleep(2 * PAUSE)
    stage.remit("unfreeze", "support-bot")
    _you(console, "remit unfreeze support-bot")


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
    link = json.loads(stage.remit("console", "--json"))["url"]
    console.print(f"""
In a browser (works once, for ten minutes):
  [bold]{link}[/]
From a second terminal:
  [bold]export {_path()}REMIT_URL={stage.url} REMIT_TOKEN_FILE={stage.environ["REMIT_TOKEN_FILE"]}[/]
  [bold]remit freeze support-bot[/]        its next call is refused
  [bold]remit unfreeze support-bot[/]      and now it is not
  [bold]remit why DECISION[/]              any dec_... below
  [bold]remit can invoice-bot payments/transfer --arg to=Acme --arg amount=900 --arg currency=EUR[/]  exits 10: no
  [bold]remit activation list[/]           what is in force, and what comes back alone
  [bold]remit mandate invoice-bot[/]       its own rules, as it reads them
  [bold]remit review list --all[/]         what only a person can decide; one comes in the second minute
  [bold]remit audit verify[/]              proves that nothing was changed
  [bold]remit doctor[/]                    one of these agents is a finding
Ctrl-C stops everything.{"" if stage.kept is None else _places(stage.kept)}
""", soft_wrap=True)  # fmt: skip


def _places(kept: Kept) -> str:
    """Where a demo that is kept stays, and what starts it again."""
    up = f"remit up --data {kept.data} --keyfile {kept.keyfile}"
    return f"""
What stays:
  data                          {kept.data}
  its documents                 {kept.files}
  its agents' private keys      {kept.keys}
  [bold]{up}[/]
                                starts it again (without --dev: nobody acts as another)"""


def _kept(kept: Kept) -> str:
    return f"""
Kept; the instance is yours.{_places(kept)}
  [bold]remit diff {kept.files}[/]
The two MCP servers were the demo's and are gone; put your own into {kept.files / "servers"}.
"""


def _path() -> str:
    """What the second terminal needs to find `remit`: nothing, if this one would find it too."""
    return "" if shutil.which("remit") == REMIT else f"PATH={Path(REMIT).parent}{os.pathsep}$PATH "


def _results(worker: Worker, step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    worker.tell(**step)
    line = worker.hear()
    yield line
    if line["result"] == "waits":
        yield worker.hear()  # what it does instead
    if step.get("adapt") and line["result"] == "denied" and "change_arguments" in line["remedies"]:
        yield worker.hear()


def _while(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{seconds} s" if seconds < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - of a minute


def _shown(line: dict[str, Any]) -> str:
    who = f"{time.strftime('%H:%M:%S')}  {line['agent']:<11}"
    arguments = ", ".join(f"{name}={value}" for name, value in (line.get("arguments") or {}).items())
    call = f"{line.get('tool') or ''}({arguments})" if line.get("tool") else ""
    if line["result"] == "ok":
        return f"{who}  [green]✓ allowed[/]  {call}"
    if line["result"] == "waits":
        return f"{who}  [yellow]… waits[/]  {line.get('tool')}: {line['code']}, for another {_while(line['seconds'])}"
    # What an agent may not see answers as unknown: it has no code, only a message.
    code = line.get("code") if isinstance(line.get("code"), str) else "not visible"
    decision = f"\n{'':<23}[dim]remit why {line['decision']}[/]" if line.get("decision") else ""
    return f"{who}  [red]✗ {code}[/]  {call}{decision}"
