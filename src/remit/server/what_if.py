"""What would stand instead, from documents; and what stands now, which a plan must have been made on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.access.codec import rules_text
from remit.access.draft import Draft
from remit.access.expand import expand
from remit.access.model import Boundary, BoundaryState
from remit.audit.opened import CHANGE, headers
from remit.audit.source import Stretch
from remit.audit.standing import Rows
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, EPOCH, parse_date_end, rfc3339
from remit.kernel.errors import ConfigInvalid, Conflict, Malformed
from remit.kernel.names import split_action
from remit.policy import organisation
from remit.policy.declared.model import Declaration, Part
from remit.policy.declared.reader import Reader
from remit.policy.history import Change, change_in
from remit.policy.ports import Engine
from remit.policy.rules import Rules
from remit.policy.schema import for_catalog
from remit.policy.simulate import Candidate, Range, base_digest
from remit.policy.view import View
from remit.server.documents import TEXTS, Document, Findings, read
from remit.server.plan_policies import with_documents

_NOW = "SELECT file, text FROM policies"
_OWN = "SELECT file, part, text FROM declarations"
_BOUNDARIES = "SELECT name, digest FROM states WHERE what = 'boundary'"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: documents as `apply` takes them, whether to prune, and what would have lapsed."""

    documents: Sequence[Mapping[str, Any]] = ()
    prune: bool = False
    lapsed: Sequence[Sequence[str]] = ()

    @property
    def anything(self) -> bool:
        """Whether anything would be otherwise."""
        return bool(self.documents or self.lapsed)


def base_of(rows: Rows, plan: str | None = None) -> str:
    """The digest of the policies and boundaries in force.

    Raises:
        Conflict: A plan was made on another one (`plan`).
    """
    files = {str(file): str(text) for file, text in rows(_NOW, ())}
    found = base_digest(
        organisation.digest(files), [(str(name), str(digest)) for name, digest in rows(_BOUNDARIES, ())]
    )
    if plan is not None and plan != found:
        raise Conflict(
            "the policies or boundaries in force are not those that the plan was made on",
            detail=f"planned on {plan}, in force is {found}",
            try_=f"look at the change again, then: --base {found}",
        )
    return found


def changes(stretches: Iterator[Stretch]) -> Iterator[Change]:
    """Every change of what decisions read in these stretches."""
    for stretch in stretches:
        for at, _, said in headers(stretch, CHANGE):
            if (change := change_in(at, said)) is not None:
                yield change


def candidate_of(asked: Asked, rows: Rows, now: View, engine: Engine) -> tuple[Candidate | None, str | None]:
    """What would stand, and its digest; None twice where nothing would be otherwise.

    Args:
        asked: What is asked.
        rows: The database as it is.
        now: The facts as they are: patterns in boundaries are expanded on these.
        engine: Reads policies.

    Raises:
        TreeInvalid, ConfigInvalid: A document that does not validate, with file and line.
        Malformed: What would lapse is no agent and action.
    """
    if not asked.anything:
        return None, None
    findings = Findings()
    documents = read(asked.documents, findings)
    boundaries: dict[str, Boundary] = {}
    for document in documents:
        if document.kind == "boundary":
            try:
                boundaries[document.name] = _boundary(document, now)
            except ConfigInvalid as error:
                findings.add(document, error)
    findings.finish()
    made = Candidate(
        engine=engine,
        policies={each.name: str(each.value) for each in documents if each.kind == "policy"},
        boundaries=dict(sorted(boundaries.items())),
        prune=asked.prune,
        lapsed=frozenset(_lapsed(each, now) for each in asked.lapsed),
    )
    standing = {str(file): str(text) for file, text in rows(_NOW, ())}
    policies = organisation.read(made.files(standing), engine)
    catalog = for_catalog([each.server for each in now.servers.values()])
    organisation.check(policies, {**catalog, **_declared(documents, rows, engine, prune=asked.prune)}, engine)
    said = {
        "policies": organisation.digest(made.policies),
        "boundaries": {name: _told(each) for name, each in boundaries.items()},
        "prune": made.prune,
        "lapsed": sorted(map(list, made.lapsed)),
    }
    return made, hashlib.sha256(canonical(said)).hexdigest()


def _declared(documents: Sequence[Document], rows: Rows, engine: Engine, *, prune: bool) -> Mapping[str, Any]:
    """The schema of the organisation's own types, as it would stand: policies may speak about them."""
    standing = {} if prune else {str(file): Declaration(Part(part), str(text)) for file, part, text in rows(_OWN, ())}
    texts = [each for each in documents if each.kind in TEXTS]
    return Reader(engine).read(with_documents(Rules({}, standing), texts).declarations).schema


def _boundary(document: Document, now: View) -> Boundary:
    """The version that an approval would put in force on the catalog as it is."""
    draft: Draft = document.value
    record = now.agents.get(draft.agent)
    before = next((each for each in record.boundaries if each.boundary == draft.boundary), None) if record else None
    found = expand(draft, now.server, keep=() if before is None else before.rules)
    if found.problems:
        first = found.problems[0]
        raise ConfigInvalid(f"{first.field}: {first.message}")
    if record is None:
        raise ConfigInvalid(f"there is no agent {draft.agent}")
    return Boundary(
        boundary=draft.boundary, version=1 if before is None else before.version + 1, agent=draft.agent,
        purpose=draft.purpose, rules=found.rules, not_after=draft.not_after, state=BoundaryState.ACTIVE,
        approved_by=record.agent.owner, approved_at=EPOCH, break_glass=draft.break_glass,
    )  # fmt: skip


def _lapsed(said: Sequence[str], now: View) -> tuple[str, str]:
    if len(said) != 2 or not all(isinstance(each, str) for each in said):  # noqa: PLR2004 - a pair
        raise Malformed("what would lapse is said by an agent and an action")
    agent, action = said
    split_action(action)
    if agent not in now.agents:
        raise ConfigInvalid(f"there is no agent {agent}"[:200], try_="remit agent list")
    return agent, action


def _told(boundary: Boundary) -> list[Any]:
    return [boundary.agent, boundary.purpose, boundary.not_after, boundary.break_glass, rules_text(boundary.rules)]


def within_of(since: str | None, until: str | None, agent: str | None) -> Range:
    """Which decisions are meant: dates are whole days (`until` includes its own), times are moments.

    Raises:
        Malformed: No date and no time.
    """
    start = "" if since is None else rfc3339(parse_date_end(since) - (DAY if _is_date(since) else 0))
    return Range(since=start, until="~" if until is None else rfc3339(parse_date_end(until)), agent=agent)


def _is_date(text: str) -> bool:
    return len(text) == len("2026-11-24")
