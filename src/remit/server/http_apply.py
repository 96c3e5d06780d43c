"""`POST /v1/apply`: a tree of documents, planned (`dry_run`) or made true."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.access.service import AccessService
from remit.kernel.clock import Clock
from remit.kernel.errors import Forbidden, Malformed, NotFound
from remit.server.accountable import Accountable
from remit.server.apply import Applier
from remit.server.door import Ask, Door, actor
from remit.server.first_words import word_counts
from remit.server.operators import Authority
from remit.server.voice import Voice

_MAX_DOCUMENTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """Apply and diff over HTTP."""

    applier: Applier
    access: AccessService
    accountable: Accountable
    authority: Authority
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/apply",
                summary="Bring what is registered in line with documents; with dry_run, say what would change",
                action="plan",
                handle=self.apply,
                body="json",
                fields={"documents": "array", "prune": "boolean?", "dry_run": "boolean?", "approve": "boolean?"},
            )
        ]

    def apply(self, ask: Ask) -> dict[str, Any]:
        """Plan, and unless it is a dry run make it true, in one transaction."""
        documents = ask.body["documents"]
        if len(documents) > _MAX_DOCUMENTS:
            raise Malformed(f"over {_MAX_DOCUMENTS} documents")
        dry_run = bool(ask.body.get("dry_run"))
        anything = self.authority.allows(ask.operator, "apply")
        if not anything:
            # An owner may apply what concerns boundaries of their own agents. So the plan comes first, and
            # until it is known to hold nothing else, no server is asked at an address that was not registered.
            planned = self._run(ask, documents, dry_run=True, may_reach=False)
            if dry_run:
                return _answer(planned)
            self._check(ask, planned, documents)
        return _answer(self._run(ask, documents, dry_run=dry_run, may_reach=anything))

    def _run(
        self, ask: Ask, documents: Sequence[Mapping[str, Any]], *, dry_run: bool, may_reach: bool
    ) -> list[dict[str, Any]]:
        return self.applier.apply(
            documents,
            by=actor(ask),
            prune=bool(ask.body.get("prune")),
            dry_run=dry_run,
            voice=self._voice(ask),
            may_reach=may_reach,
        )

    def _voice(self, ask: Ask) -> Voice:
        def approves(owners: Collection[str]) -> bool:
            return self.authority.allows(ask.operator, "approveBoundary", owners=owners)

        counts = word_counts(ask.operator, now=self.clock.now())
        return Voice(approves=approves if ask.body.get("approve") else None, counts=counts)

    def _check(self, ask: Ask, planned: Sequence[Mapping[str, Any]], documents: Sequence[Mapping[str, Any]]) -> None:
        for row in planned:
            if row["change"] == "unchanged":
                continue
            owners = self._owners(row["name"], documents) if row["kind"] == "boundary" else ()
            if not self.authority.allows(ask.operator, "apply", owners=owners):
                raise Forbidden(
                    f"{ask.operator.person} may not change the {row['kind']} {row['name']}",
                    try_="an owner applies boundaries of their own agents; the rest is applied by an operator",
                )

    def _owners(self, boundary: str, documents: Sequence[Mapping[str, Any]]) -> Collection[str]:
        """Who answers for every agent that a boundary is, or would be, about."""
        said = (each["spec"] for each in documents if each.get("kind") == "boundary")
        agents = {spec["agent"] for spec in said if spec.get("boundary") == boundary}
        with contextlib.suppress(NotFound):  # a new one
            agents |= {version.agent for version in self.access.versions(boundary)}
        owners = [set(self.accountable.for_agent(agent)) for agent in agents]
        return set.intersection(*owners) if owners else ()


def _answer(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"changes": rows, "waiting": [row["name"] for row in rows if row["waits"]]}
