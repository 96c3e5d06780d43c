"""What happened to one agent, from what several doors tell of it: for its timeline. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from remit.console.frame import micros

Row = Mapping[str, Any]


def happened(
    agent: str, *, entries: Iterable[Row], changes: Iterable[Row], questions: Iterable[Row], rotations: Iterable[Row],
    secrets: Iterable[Row],
) -> list[dict[str, Any]]:  # fmt: skip
    """Everything with `at` (microseconds), `lane`, `mood`, `said`, and `to`, the page of it below the console's root.

    Args:
        agent: Its name.
        entries: The newest entries about it, of any kind.
        changes: The newest changes of it, and freezes of what has its name.
        questions: Open questions about it.
        rotations: Of any secret.
        secrets: Those that its servers get.
    """
    mine = {each["secret"] for each in secrets}
    found = [
        *_entries(entries),
        *_changes(agent, changes),
        *_of("review", "wait", questions, "asked", "question", "reviews"),
        *_of("credential", "good", (each for each in rotations if each["secret"] in mine), "started", "cause", ""),
        *_of("credential", "bad", (each for each in secrets if each["exposed"]), "exposed", "secret", "credentials"),
    ]
    once = {(each["at"], each["lane"], each["said"]): each for each in found if each["at"] is not None}
    return sorted(once.values(), key=lambda each: (-each["at"], each["lane"], each["said"]))


def _entries(entries: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for each in entries:
        at, to = micros(each["time"]), f"log/{each['id']}"
        if each["kind"] == "verdict":
            mood = "good" if each.get("to") == "active" else "warn"
            said = f"{each.get('verdict', '')} {each.get('action', '')}: {each.get('from', '')} → {each.get('to', '')}"
            yield {"at": at, "lane": "verdict", "mood": mood, "said": said, "to": to}
        elif each["kind"] == "decision" and each.get("decision") == "deny":
            said = f"{each.get('action', '')}: {each.get('code', '')}"
            yield {"at": at, "lane": "refused", "mood": "bad", "said": said, "to": to}


def _changes(agent: str, changes: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for each in changes:
        what, change = each.get("what"), str(each.get("change", ""))
        row = {"at": micros(each["time"]), "to": f"log/{each['id']}"}
        if what == "freeze" and each.get("target") == "agent" and each.get("target_name") == agent and change != "cut":
            mood = "bad" if change == "freeze" else "good"
            yield {**row, "lane": "frozen", "mood": mood, "said": f"{change} by {each.get('by', '')}"}
        elif what == "agent" and each.get("name") == agent:
            yield {**row, "lane": "change", "mood": "calm", "said": f"{change} by {each.get('by', '')}"}


def _of(lane: str, mood: str, rows: Iterable[Row], at: str, said: str, page: str) -> Iterator[dict[str, Any]]:
    for each in rows:
        to = f"{page}/{each[said]}" if page else f"credentials/{each['secret']}"
        about = " ".join(str(each.get(name) or "") for name in ("kind", "secret", "cause", "action")).strip()
        yield {"at": micros(each[at]), "lane": lane, "mood": mood, "said": about, "to": to}
