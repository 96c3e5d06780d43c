"""`remit activation`, `remit certify`, `remit notices`: what is in force, why, and what owners are told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from remit.cli import recounting, replaying
from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.clock import spoken
from remit.kernel.errors import Malformed

app = group("Activations: entitlements, and whether they are in force.")
certify = group("Verdicts on entitlements, and their replay.")
Agent = Annotated[str, typer.Argument(metavar="AGENT")]
Action = Annotated[str, typer.Argument(metavar="ACTION", help="server/tool")]
Purpose = Annotated[str | None, typer.Option("--purpose", metavar="NAME", help="If the agent has several.")]


@app.command("list", epilog=examples("remit activation list", "remit activation list invoice-bot --json"))
def list_(
    agent: Annotated[str | None, typer.Argument(metavar="AGENT")] = None, json: Json = False, as_: As = None
) -> int:
    """List entitlements: in force, coming back alone, or waiting.

    direct is usable now, latent starts again without a person, person takes its owner.
    """
    answer = connect(as_).get("/v1/activations" + (f"?agent={segment(agent)}" if agent else ""))
    if json:
        data_json(answer)
    elif not answer["activations"]:
        nothing("entitlements", next_="remit apply DIR, and remit boundary approve NAME")
    else:
        columns = ("agent", "purpose", "action", "tier", "state", "reach", "last_use", "lapses in")
        table(columns, [[*(row[name] for name in columns[:-1]), _until(row)] for row in answer["activations"]])
        said = answer["privilege"]
        parts = (
            f"{name} {said[name]['count']} (weight {said[name]['weight']})" for name in ("direct", "latent", "person")
        )
        talk("privilege: " + ", ".join(parts))
    return Exit.OK


def _until(row: dict[str, Any]) -> str:
    left = row["lapses_in_seconds"]
    return "-" if left is None else spoken(left)


@app.command("start", epilog=examples("remit activation start invoice-bot payments/transfer", "... --as dana"))
def start(agent: Agent, action: Action, purpose: Purpose = None, json: Json = False, as_: As = None) -> int:
    """Start an entitlement, as its agent's owner."""
    return _by_hand("start", agent, action, purpose, json=json, as_=as_)


@app.command("suspend", epilog=examples("remit activation suspend invoice-bot payments/transfer", "... --json"))
def suspend(agent: Agent, action: Action, purpose: Purpose = None, json: Json = False, as_: As = None) -> int:
    """Suspend an entitlement until its owner starts it."""
    return _by_hand("suspend", agent, action, purpose, json=json, as_=as_)


def _by_hand(verb: str, agent: str, action: str, purpose: str | None, *, json: bool, as_: str | None) -> int:
    body = {"agent": agent, "action": action} | ({"purpose": purpose} if purpose else {})
    answer = connect(as_).post(f"/v1/activations/{verb}", body)
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['state']}: {agent} {action} for {answer['purpose']}, tier {answer['tier']}")
        talk(f"  try      remit activation list {agent}")
    return Exit.OK


@certify.command("list", epilog=examples("remit certify list", "remit certify list --agent invoice-bot --json"))
def verdicts(
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME")] = None, json: Json = False, as_: As = None
) -> int:
    """List the newest verdicts."""
    answer = connect(as_).get("/v1/verdicts" + (f"?agent={segment(agent)}" if agent else ""))
    if json:
        data_json(answer)
    elif not answer["verdicts"]:
        nothing("verdicts", next_="let an agent call a tool, then: remit certify list")
    else:
        columns = ("time", "id", "agent", "action", "verdict", "from", "to")
        table(columns, [[row.get(name) for name in columns] for row in answer["verdicts"]])
    return Exit.OK


@certify.command("replay", epilog=examples("remit certify replay ver_01...", "remit certify replay --all --data DIR"))
def replay(
    verdict: Annotated[str | None, typer.Argument(metavar="VERDICT")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every verdict of the log.")] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR", help="From a data directory or a database's URL, with no server."),
    ] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Derive a verdict again from what is stored; exit 8 if it comes out different."""
    if (verdict is None) is not all_:
        raise Malformed("one verdict, or all of them", try_="remit certify replay --all")
    return Exit.OK if replaying.show_one_or_all(verdict, data, as_, json=json) else Exit.INTEGRITY


@certify.command("run", epilog=examples("remit certify run", "remit certify run --json"))
def sweep(json: Json = False, as_: As = None) -> int:
    """Judge every entitlement now."""
    answer = connect(as_).post("/v1/certification/sweep", {})
    if json:
        data_json(answer)
    else:
        data_text(f"judged {answer['seen']} entitlements, {answer['changed']} changed state")
    return Exit.OK


recounting.add(certify)


def add(root: typer.Typer) -> None:
    """Add what stands at the top."""

    @root.command("notices", epilog=examples("remit notices", "remit notices --owner dana --seen"))
    def notices(
        owner: Annotated[str | None, typer.Option("--owner", metavar="NAME")] = None,
        seen: Annotated[bool, typer.Option("--seen", help="Mark them as seen (needs --owner).")] = False,
        json: Json = False,
        as_: As = None,
    ) -> int:
        """Show what owners are told: what started, lapsed or waits."""
        api = connect(as_)
        answer = api.get("/v1/notices" + (f"?owner={segment(owner)}" if owner else ""))
        if seen and owner:
            api.post("/v1/notices/seen", {"owner": owner})
        if json:
            data_json(answer)
        elif not answer["notices"]:
            nothing("notices", next_="remit activation list")
        else:
            columns = ("at", "agent", "what", "action", "reason", "seen")
            table(columns, [[row.get(name) for name in columns] for row in answer["notices"]])
        return Exit.OK


def add_risk(agents: typer.Typer) -> None:
    """`remit agent risk`."""

    @agents.command("risk", epilog=examples("remit agent risk invoice-bot 600000", "remit agent risk invoice-bot 0"))
    def risk(
        name: Name, risk: Annotated[int, typer.Argument(metavar="MILLIONTHS")], json: Json = False, as_: As = None
    ) -> int:
        """Say how risky an agent is now, in millionths.

        From 500000 nothing starts by itself any more; from 700000 its entitlements are at risk.
        """
        answer = connect(as_).post(f"/v1/agents/{segment(name)}/risk", {"risk": risk})
        if json:
            data_json(answer)
        else:
            data_text(f"{name}: risk {answer['risk']}")
        return Exit.OK


def add_signal(app: typer.Typer) -> None:
    """Add `remit agent signal`."""
    epilog = examples("remit agent signal invoice-bot anomaly", "remit agent signal invoice-bot critical --over")

    @app.command("signal", epilog=epilog)
    def signal(
        name: Name,
        signal: Annotated[str, typer.Argument(metavar="SIGNAL", help="Such as anomaly: docs/certification.md.")],
        about: Annotated[str, typer.Option("--about", metavar="WHAT", help="A purpose or an action.")] = "",
        over: Annotated[bool, typer.Option("--over", help="It is over.")] = False,
        json: Json = False,
        as_: As = None,
    ) -> int:
        """Say that something was noticed about an agent; the next decision reads it."""
        body = {"signal": signal, "about": about, "on": not over}
        answer = connect(as_).post(f"/v1/agents/{segment(name)}/signals", body)
        if json:
            data_json(answer)
            return Exit.OK
        data_text(f"{name}: risk {answer['risk']}")
        columns = ("signal", "about", "since")
        table(columns, [[each[name] for name in columns] for each in answer["signals"]])
        return Exit.OK
