"""What the page shows: agents with their privilege, the newest decisions, freezes (pure but for the template)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from remit.certification.posture.privilege import standings, summary
from remit.kernel.clock import Instant
from remit.policy.view import View

MOST = 200  # agents on the page; all of them are in `remit agent list`


def listed(view: View) -> list[str]:
    """The agents that the page shows, by name: those that are frozen first."""
    return sorted(view.agents, key=lambda name: (("agent", name) not in view.freezes, name))[:MOST]


def agents(view: View, *, covered: int, now: Instant) -> list[dict[str, Any]]:
    """One row for each agent, by name."""
    rows = []
    for name in listed(view):
        record = view.agents[name]
        held = summary(standings(view, record, covered=covered, now=now))
        rows.append(
            {
                "agent": name,
                "owner": record.agent.owner,
                "state": record.agent.state.value,
                "purposes": ", ".join(record.agent.purposes),
                "frozen": (freeze := view.freezes.get(("agent", name))) is not None,
                "frozen_by": freeze.by if freeze else "",
                "direct": held["direct"],
                "latent": held["latent"],
                "person": held["person"],
                "risk": record.risk.value,
            }
        )
    return rows


_WORDS = ("code", "verdict", "change", "reason", "what")


def line(header: Mapping[str, Any], index: int | None) -> dict[str, Any]:
    """One entry of the log as the page lists it: no arguments, no payload."""
    kind = header["kind"]
    allowed = header.get("decision") == "allow"
    word = next((header[name] for name in _WORDS if header.get(name)), kind)
    return {
        "id": header["id"],
        "index": index,
        "time": header["time"],
        "kind": kind,
        "agent": header.get("agent", ""),
        "action": header.get("action") or header.get("server") or header.get("name") or "",
        "word": "allowed" if kind == "decision" and allowed else _word(header, str(word)),
        "good": kind != "decision" or allowed,
    }


def _word(header: Mapping[str, Any], word: str) -> str:
    return f"let through, would be {word}" if header.get("decision") == "would_deny" else word


def render(*, person: str, csrf: str, dev: bool, rows: Iterable[Mapping[str, Any]]) -> str:
    """The whole page as HTML; every value is escaped."""
    page: str = templates().get_template("page.html").render(person=person, csrf=csrf, dev=dev, agents=list(rows))
    return page


def signed_out(*, used: bool = False, again: str = "") -> str:
    """What somebody sees without a session. `again` is where a client sent them who asks for their consent."""
    page: str = templates().get_template("signed_out.html").render(used=used, again=again)
    return page


@cache
def templates() -> Environment:
    """The pages' templates: every value is escaped, and none may be missing."""
    return Environment(loader=PackageLoader("remit.console"), autoescape=True, undefined=StrictUndefined)
