"""What a directory would let through that is stopped now: of its policies and its boundaries, against another one.

Against a running server, what is in force is one side. Without one, both sides are directories: then patterns stand
for a tool of a name that they match, and arguments have the types that they are bounded by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.access.draft import Clause, Draft, History, Version
from remit.access.expand import expand
from remit.access.model import BoundaryState
from remit.access.propose import propose
from remit.access.widen import widenings
from remit.catalog.model import PinState, Server, Tool
from remit.catalog.pattern import matches
from remit.catalog.tier import tier_of
from remit.kernel.clock import Instant
from remit.kernel.names import ServerName, ToolName, split_action, tool_action
from remit.policy import comparing
from remit.policy.boundary_flips import Versions, lets_through
from remit.policy.diff import Row, Verdict, boundary_row, counted
from remit.policy.organisation import Organisation
from remit.policy.ports import Engine
from remit.policy.slices import Slices
from remit.policy.view import ServerRecord, server_record
from remit.server.documents import Document, Findings, read

_NEW: Final = "it is new, and lets through whatever it allows"
_ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class Side:
    """What one directory says of policies, boundaries and servers."""

    files: Mapping[str, str]
    drafts: Mapping[str, Document]
    servers: Mapping[str, Server]


def side(documents: Sequence[Mapping[str, Any]]) -> Side:
    """Read the documents of a directory.

    Raises:
        TreeInvalid: One has problems.
    """
    findings = Findings()
    found = read(documents, findings)
    findings.finish()
    return Side(
        {each.name: each.value for each in found if each.kind == "policy"},
        {each.name: each for each in found if each.kind == "boundary"},
        {each.name: each.value for each in found if each.kind == "server"},
    )


def told(rows: Sequence[Row], *, against: str) -> dict[str, Any]:
    """The answer as JSON: what widens first, and one verdict on all of it."""
    order = [Verdict.WIDENS, Verdict.UNKNOWN, Verdict.NARROWS, Verdict.SAME]
    ranked = sorted(rows, key=lambda row: order.index(row.verdict))
    verdict = ranked[0].verdict if ranked else Verdict.SAME
    return {
        "verdict": verdict.value,
        "against": against,
        "counts": dict(counted(rows)),
        "changes": [row.body() for row in ranked],
    }


# Two directories ------------------------------------------------------------------------------


def directories(old: Side, new: Side, engine: Engine, *, now: Instant) -> list[Row]:
    """The verdict on everything that differs between two directories."""
    servers = _made_up([*old.drafts.values(), *new.drafts.values()], {**old.servers, **new.servers})
    tiers: dict[str, Any] = {
        tool_action(name, tool): each.tier for name, found in servers.items() for tool, each in found.tools.items()
    }
    ground = comparing.Ground(engine=engine, servers=None, now=now, tiers=tiers)
    found = comparing.rows(old.files, new.files, ground)
    slices = Slices(engine)
    records = {name: server_record(server) for name, server in servers.items()}
    for name in sorted(old.drafts.keys() | new.drafts.keys()):
        was, document = old.drafts.get(name), new.drafts.get(name)
        if was is not None and document is not None and was.value == document.value:
            continue
        if document is None:
            found.append(
                boundary_row(name, "prune", (), None, file=was.file if was else "", line=was.line if was else 0)
            )
        else:
            found.append(_drafts(None if was is None else was.value, document, servers, records, slices, now=now))
    return found


def _drafts(
    was: Draft | None,
    document: Document,
    servers: Mapping[str, Server],
    records: Mapping[str, ServerRecord],
    slices: Slices,
    *,
    now: Instant,
) -> Row:
    draft: Draft = document.value
    after = _in_force(draft, 2, servers.get)
    before = None if was is None else _in_force(was, 1, servers.get)
    reasons = [_NEW] if before is None else widenings(before, draft, expand(draft, servers.get))
    old = None if before is None else before.boundary()
    versions = Versions(before=old, after=after.boundary())
    shown = lets_through(versions, records, Organisation(), slices, now=now) if reasons else None
    change = "create" if before is None else "update"
    return boundary_row(draft.boundary, change, reasons, shown, file=document.file, line=document.line)


def _in_force(draft: Draft, version: int, find: Callable[[ServerName], Server | None]) -> Version:
    rules = expand(draft, find).rules
    return Version(draft=draft, version=version, state=BoundaryState.ACTIVE, rules=rules)


def _made_up(documents: Sequence[Document], declared: Mapping[str, Server]) -> dict[str, Server]:
    """Servers with the tools that boundaries name; a pattern stands for one that it matches."""
    clauses: list[Clause] = [clause for document in documents for clause in document.value.allow]
    actions = {clause.pattern.replace("*", _ANY) for clause in clauses}
    found: dict[str, dict[ToolName, Tool]] = {}
    for action in sorted(actions):
        server, name, _ = split_action(action)
        tiers = declared[server].tiers if server in declared else ()
        schema = _schema([clause for clause in clauses if matches(clause.pattern, action)])
        found.setdefault(server, {})[ToolName(name)] = Tool(
            name=ToolName(name), tier=tier_of(name, tiers), pin="-", definition={"name": name, "inputSchema": schema},
            seen=None, state=PinState.APPROVED,
        )  # fmt: skip
    return {
        name: Server(
            server=ServerName(name), url="http://127.0.0.1/mcp", credential=None, tiers=(), review="quarantine",
            tools=tools, set_pin="",
        )
        for name, tools in found.items()
    }  # fmt: skip


def _schema(clauses: Sequence[Clause]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for clause in clauses:
        for bound in clause.when:
            text = bound.prefix is not None or bound.max_length is not None
            first = bound.in_[0] if bound.in_ else None
            kind = "boolean" if isinstance(first, bool) else "string" if text or isinstance(first, str) else "number"
            properties.setdefault(bound.argument, {"type": kind})
        names = [name for name, _ in clause.approval_above] + ([clause.budget.argument] if clause.budget else [])
        for name in names:
            properties.setdefault(name, {"type": "number"})
    return {"type": "object", "properties": properties}


# Against what is in force ---------------------------------------------------------------------


def boundaries_in_force(
    new: Side,
    history: Callable[[str], History],
    find: Callable[[ServerName], Server | None],
    ground: comparing.Ground,
    organisation: Organisation,
) -> list[Row]:
    """The verdict on each boundary of a directory that is not as it is in force.

    Raises:
        SpecInvalid: One does not fit the catalog.
    """
    found, slices = [], Slices(ground.engine)
    for name, document in sorted(new.drafts.items()):
        draft, standing = document.value, history(name)
        step = propose(draft, standing, find, now=ground.now)
        if standing.active is not None and standing.active.draft == draft:
            continue
        reasons = [_NEW] if standing.active is None else list(step.reasons)
        rules = expand(draft, find, keep=tuple(standing.active.rules or ()) if standing.active else ()).rules
        after = Version(draft=draft, version=step.now.version, state=BoundaryState.ACTIVE, rules=rules)
        before = None if standing.active is None else standing.active.boundary()
        versions = Versions(before=before, after=after.boundary())
        shown = None
        if reasons and ground.servers is not None:
            shown = lets_through(versions, ground.servers, organisation, slices, now=ground.now)
        change = "create" if before is None else "update"
        found.append(boundary_row(name, change, reasons, shown, file=document.file, line=document.line))
    return found
