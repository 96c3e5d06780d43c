"""One entry of the log: what it says, why it was decided so, and what proves that it stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
from remit.console.proof import Checked, Drawing, checked, drawn
from remit.console.steps import step_named
from remit.console.tables import Column, Table
from remit.kernel.errors import Conflict, NotFound, RemitError

_STEPS = (
    Column(name="step", title="Step", kind="number"),
    Column(name="asked", title="What it asks"),
    Column(name="said", title="What came of it"),
)
_PATH = (
    Column(name="step", title="Step", kind="number"),
    Column(name="side", title="Given, on the"),
    Column(name="given", title="Given hash", kind="code"),
    Column(name="covers", title="Entries under it"),
    Column(name="made", title="Computed hash", kind="code", hint="SHA-256(0x01, left, right)"),
)


def fill(look: Look) -> Filled:
    """The entry with its proof."""
    name = look.path["id"]
    decision, entry = _said(look, name)
    tables = []
    if decision is not None:
        tables.append(
            Table(name="path", title="Steps", columns=_STEPS, empty="No steps were recorded.",
                  command=f"remit why {name}",
                  rows=[{**each, "asked": step_named(each["step"])} for each in decision["path"]])
        )  # fmt: skip
    proof, why_not = _proof(look, name)
    drawing, said = _shown(proof)
    if proof is not None:
        rows = [
            {"step": number, "side": each["side"], "given": each["given"], "made": each["made"],
             "covers": f"{each['covers'][0]}..{each['covers'][1] - 1}"}
            for number, each in enumerate(proof["path"], 1)
        ]  # fmt: skip
        tables.append(
            Table(name="proof", title="The way up, step by step", columns=_PATH, rows=rows,
                  empty="There is no step: the entry is the whole log.", command=f"remit audit evidence --entry {name}")
        )  # fmt: skip
    values = {
        "name": name, "decision": decision, "entry": entry, "proof": proof, "drawing": drawing, "checked": said,
        "why_not": why_not,
    }  # fmt: skip
    return Filled(title=name, tables=tables, values=values)


def verify(look: Look, _form: Mapping[str, str]) -> str:
    """Verify it here and now. Raises Conflict if it does not hold."""
    proof = look.get(f"/v1/entries/{look.path['id']}/proof")
    found = checked(proof)
    if not found.holds:
        raise Conflict(f"it does not hold: {found.said}", try_="remit audit verify")
    return f"It holds: {found.said}. This is this server's own word; the command below takes nobody's."


def _said(look: Look, name: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    if name.startswith("dec_"):
        decision = look.get(f"/v1/decisions/{name}")
        return decision, decision["header"]
    if name.startswith("ver_"):
        return None, look.get(f"/v1/verdicts/{name}")
    return None, look.get(f"/v1/entries/{name}")["entry"]


def _proof(look: Look, name: str) -> tuple[Mapping[str, Any] | None, str]:
    """The proof; or, without one, why there is none."""
    try:
        found = look.maybe(f"/v1/entries/{name}/proof")
    except NotFound:
        return None, "No checkpoint covers it yet: one is signed within a second."
    except RemitError as error:
        return None, error.public
    return found, "" if found is not None else "Who may read the whole log sees the proof here."


def _shown(proof: Mapping[str, Any] | None) -> tuple[Drawing | None, Checked | None]:
    if proof is None:
        return None, None
    said = checked(proof)
    return (drawn(proof) if said.holds else None), said


ENTRY = Page(path="/log/{id}", slug="log", template="entry.html", fill=fill, acts=(Act(name="verify", carry=verify),))
