"""What a change of policies and boundaries may let through: per policy and boundary, with a call that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from remit.kernel.clock import rfc3339
from remit.policy.model import Answer
from remit.policy.widen import Change
from remit.policy.widen_search import Search, Shown


class Verdict(StrEnum):
    """What a change does to what may be done. Only `narrows` and `same` say that nothing more is let through."""

    WIDENS = "widens"
    NARROWS = "narrows"
    SAME = "same"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The verdict on one policy or boundary."""

    kind: str  # policy, boundary
    name: str
    change: str  # added, removed, changed
    effect: str  # forbid, permit; of a boundary, boundary
    verdict: Verdict
    because: Sequence[str]
    file: str = ""
    line: int = 0
    shown: Shown | None = None

    @property
    def open(self) -> bool:
        """Whether it may let something through."""
        return self.verdict in {Verdict.WIDENS, Verdict.UNKNOWN}

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "effect": self.effect,
            "change": self.change,
            "verdict": self.verdict.value,
            "because": list(self.because),
            "file": self.file,
            "line": self.line,
            "example": None if self.shown is None else _example(self.shown),
        }


def policy_row(change: Change, search: Search | None) -> Row:
    """The verdict on one policy; without a search, what its structure decides."""
    shown = search.find(change) if change.widens and search is not None else None
    policy = change.policy
    return Row(
        kind="policy",
        name=policy.id,
        change="changed" if change.before and change.after else "added" if change.after else "removed",
        effect="forbid" if policy.forbids else "permit",
        verdict=_verdict(change, shown),
        because=[_because(change, shown)],
        file=policy.file,
        line=policy.line,
        shown=shown,
    )


def _verdict(change: Change, shown: Shown | None) -> Verdict:
    if change.widens:
        return Verdict.UNKNOWN if shown is None else Verdict.WIDENS
    return Verdict.NARROWS if change.narrows else Verdict.SAME


def _because(change: Change, shown: Shown | None) -> str:
    if shown is not None and shown.cedar:
        return f"{change.what}; by itself it lets no agent through, which also takes a boundary"
    if change.widens:
        return change.what if shown is not None else f"{change.what}, and no call was found that it lets through"
    if change.narrows:
        return f"{change.what}, and lets through nothing that was stopped: its structure proves it"
    return f"{change.what}, and stops what it stopped: its structure proves it"


def boundary_row(name: str, change: str, reasons: Sequence[str], shown: Shown | None, *, file: str, line: int) -> Row:
    """The verdict on one boundary; `reasons` are why its structure may widen, `change` is what apply calls it."""
    if reasons:
        verdict = Verdict.UNKNOWN if shown is None else Verdict.WIDENS
    else:
        verdict = Verdict.SAME if change == "unchanged" else Verdict.NARROWS
    said = {"create": "added", "prune": "removed"}.get(change, "changed")
    return Row(
        kind="boundary", name=name, change=said, effect="boundary", verdict=verdict, because=reasons or [_NARROW],
        file=file, line=line, shown=shown,
    )  # fmt: skip


_NARROW = "every bound, limit and end is as tight as it was, or tighter"


def _example(shown: Shown) -> dict[str, Any]:
    trial = shown.trial
    found: dict[str, Any] = {
        "agent": trial.agent,
        "owner": trial.owner,
        "agent_version": trial.version,
        "purpose": trial.purpose,
        "data_classes": list(trial.classes),
        "action": trial.action,
        "arguments": dict(trial.arguments),
        "run": trial.run,
        "instance": trial.instance,
        "at": rfc3339(trial.now),
        "before": _answer(shown.before),
        "after": _answer(shown.after),
        "registered": shown.real,
        "checked_by": "cedar" if shown.cedar else "decide",
    }
    return found | ({"given": shown.given} if shown.given else {})


def _answer(answer: Answer | None) -> dict[str, Any]:
    if answer is None:
        return {}
    denial = answer.denial
    if denial is None:
        return {"decision": True}
    told = {"policy": denial.policy, "title": denial.title, "cause": denial.cause}
    return {"decision": False, "code": denial.code.value} | {name: value for name, value in told.items() if value}


def counted(rows: Sequence[Row]) -> Mapping[str, int]:
    """How many rows have each verdict."""
    return {verdict.value: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
