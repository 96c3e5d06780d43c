"""`apply` and `diff`: a tree of documents, and the registered world brought in line with it, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from remit.access.service import AccessService
from remit.agents.service import AgentService
from remit.catalog.model import Server
from remit.catalog.ports import Lister, Unreached
from remit.catalog.service import CatalogService
from remit.catalog.sql import SqlServers
from remit.kernel.clock import Clock
from remit.kernel.errors import Forbidden, RemitError
from remit.people.change import Actor
from remit.people.service import PeopleService
from remit.policy.files import PolicyFiles
from remit.server.documents import Document, Findings, names, read
from remit.server.plan import Change, Listing, Planner, PolicyChecker
from remit.server.world import World
from remit.storage.ports import Reader, Transaction, Writer

_log = structlog.get_logger("remit.apply")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0  # seconds between attempts at a server that may be starting
_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Plans, and makes the plan true.

    Args:
        patience: Seconds that one server may take to be asked for its tools, attempts and all.
        sleep: How it waits between attempts.
    """

    writer: Writer
    reader: Reader
    clock: Clock
    people: PeopleService
    agents: AgentService
    catalog: CatalogService
    access: AccessService
    policies: PolicyFiles
    checker: PolicyChecker
    lister: Lister
    patience: float = 10.0
    sleep: Callable[[float], None] = time.sleep

    def apply(
        self,
        documents: Sequence[Mapping[str, Any]],
        *,
        by: Actor,
        prune: bool = False,
        dry_run: bool = False,
        approve: bool = False,
        may_reach: bool = True,
    ) -> list[dict[str, Any]]:
        """Bring the world in line with `documents`; or, with `dry_run`, say what that would change.

        Args:
            documents: As `documents.read` takes them.
            by: Who asks.
            prune: Also end what the documents do not name.
            dry_run: Change nothing. The answer is the one that applying would give.
            approve: Approve what waits, where `by` is the agent's owner or a backup.
            may_reach: Whether `by` may apply. Who may only plan must not make this server send requests, with
                credentials, to a URL of their choosing: for them only servers as registered are asked.

        Raises:
            TreeInvalid: Documents with problems; nothing was changed.
            Conflict: A retired name, a purpose that would widen; nothing was changed.
            Forbidden: `approve` by somebody who answers for no agent; the admin token never does.
        """
        findings = Findings()
        found = read(documents, findings)
        self._check_approver(found, by, approve=approve)
        listings = self._ask(found, only_registered=not may_reach)

        def planned(connection: Connection) -> list[Change]:
            planner = Planner(
                world=World(connection, names(found) if prune else None),
                listings=listings,
                checker=self.checker,
                approver=by.person if approve else None,
                now=self.clock.now(),
                findings=Findings(list(findings.invalid), list(findings.conflicts)),
            )
            return planner.plan(found)

        def apply(tx: Transaction) -> list[Change]:
            changes = planned(tx.connection)
            for change in changes:
                self._make_true(tx, change, by=by)
            return changes

        changes = self.reader.read(planned) if dry_run else self.writer.change(apply)
        return [change.row() for change in changes]

    def _check_approver(self, documents: Sequence[Document], by: Actor, *, approve: bool) -> None:
        if not approve:
            return
        owners = {owner.owner for owner in self.people.owners() if owner.active}
        if by.person not in owners | names(documents)["owner"]:
            raise Forbidden(
                f"{by.person} may not approve: only an agent's owner or backup may",
                try_="apply without --approve, then have the owner run: remit boundary approve NAME",
            )

    # asking servers for their tools -----------------------------------------------------------

    def _ask(self, documents: Sequence[Document], *, only_registered: bool) -> dict[str, Listing]:
        servers = [each.value for each in documents if each.kind == "server"]
        if only_registered:
            servers = [each for each in servers if self._registered(each)]
        if not servers:
            return {}
        pool = ThreadPoolExecutor(min(len(servers), _AT_ONCE), thread_name_prefix="remit-import")
        try:
            asked = {server.server: pool.submit(self._list, server) for server in servers}
            wait(asked.values(), timeout=self.patience + _LONGEST_PAUSE)
            late = Unreached("the server did not answer in time")
            return {name: future.result() if future.done() else late for name, future in asked.items()}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _registered(self, server: Server) -> bool:
        def query(connection: Connection) -> Server | None:
            return SqlServers(connection).find(server.server)

        known = self.reader.read(query)
        return known is not None and (known.url, known.credential) == (server.url, server.credential)

    def _list(self, server: Server) -> Listing:
        deadline, pause = time.monotonic() + self.patience, _FIRST_PAUSE
        while True:
            try:
                return self.lister.list_tools(server)
            except Unreached as error:
                if not error.again or time.monotonic() + pause > deadline:
                    return error
            except RemitError as error:
                return error
            except Exception as error:  # noqa: BLE001 - one server's surprise must not end the apply of all
                _log.warning("a server's tools could not be listed", server=server.server, error=repr(error)[:300])
                return Unreached("the server's tools could not be listed")
            self.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    # making the plan true -----------------------------------------------------------------------

    def _make_true(self, tx: Transaction, change: Change, *, by: Actor) -> None:
        if change.change == "prune":
            self._prune(tx, change, by=by)
        elif change.kind == "boundary":
            for step, history in change.value.steps:
                self.access.take(tx, step, history, by=by)
        elif change.change != "unchanged":
            self._put(tx, change, by=by)

    def _put(self, tx: Transaction, change: Change, *, by: Actor) -> None:
        put: dict[str, Callable[..., None]] = {
            "owner": self.people.put,
            "purpose": self.access.put_purpose,
            "server": self.catalog.put,
            "agent": self.agents.put,
            "policy": partial(_put_policy, self.policies, change.name),
        }
        put[change.kind](tx, change.value, by=by)

    def _prune(self, tx: Transaction, change: Change, *, by: Actor) -> None:
        end: dict[str, Callable[..., object]] = {
            "owner": self.people.remove,
            "purpose": self.access.close_purpose,
            "server": self.catalog.remove,
            "agent": self.agents.retire_within,
            "boundary": self.access.revoke_within,
            "policy": self.policies.remove,
        }
        end[change.kind](tx, change.name, by=by)


def _put_policy(policies: PolicyFiles, file: str, tx: Transaction, text: str, *, by: Actor) -> None:
    policies.put(tx, file, text, by=by)
