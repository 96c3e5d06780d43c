"""`apply` and `diff`: a tree of documents, and the registered world brought in line with it, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from remit.access.service import AccessService
from remit.access.sql import SqlBoundaries
from remit.agents.service import AgentService
from remit.attestation.trusts import Declaring
from remit.catalog.model import Kind, Server
from remit.catalog.ports import Lister, Unreached
from remit.catalog.service import CatalogService
from remit.catalog.sql import SqlServers
from remit.certification.noticing.combination_sql import Combinations
from remit.kernel.clock import Clock
from remit.kernel.errors import Forbidden, Overloaded, RemitError
from remit.logs import logger
from remit.people.change import Actor, Changed, record
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.people.service import PeopleService
from remit.policy.declared.files import DeclarationFiles
from remit.policy.declared.model import Declaration, Part
from remit.policy.files import PolicyFiles
from remit.policy.sql import load_all as load_policies
from remit.server.documents import TEXTS, Document, Findings, names, read
from remit.server.first_words import OBSERVE, SECRETS, FirstWords
from remit.server.lowered import notices
from remit.server.plan import Listing, Planner, PolicyChecker
from remit.server.plan_change import Change
from remit.server.plan_observed import Observed
from remit.server.plan_spread import Spread
from remit.server.second_word import SecondWord
from remit.server.two_people import Word
from remit.server.voice import SILENT, Voice
from remit.server.world import World
from remit.storage.ports import Reader, Transaction, Writer
from remit.vault.document_sql import SecretDocuments

_log = logger("remit.apply")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0  # seconds between attempts at a server that may be starting
_AT_ONCE = 32
_KEPT = Unreached("not asked: a dry run sends a credential only to a server that is registered so", again=False)


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
    records: Records
    secrets: SecretDocuments
    patience: float = 10.0
    sleep: Callable[[float], None] = time.sleep

    def apply(
        self,
        documents: Sequence[Mapping[str, Any]],
        *,
        by: Actor,
        prune: bool = False,
        dry_run: bool = False,
        voice: Voice = SILENT,
        may_reach: bool = True,
    ) -> list[dict[str, Any]]:
        """Bring the world in line with `documents`; or, with `dry_run`, say what that would change.

        Args:
            documents: As `documents.read` takes them.
            by: Who asks.
            prune: Also end what the documents do not name.
            dry_run: Change nothing. The answer is the one that applying would give.
            voice: What the word of `by` counts for: approving what waits for an owner, and widening policies.
            may_reach: Whether `by` may apply. Who may only plan must not make this server send requests to a URL
                of their choosing: for them only servers as registered are asked.

        Raises:
            TreeInvalid: Documents with problems; nothing was changed.
            Conflict: A retired name, a purpose that would widen; nothing was changed.
            Forbidden: Asked to approve by somebody who may approve nothing; the admin token never may.
            Overloaded: Remit is stopping; nothing was changed.
        """
        findings = Findings()
        found = read(documents, findings)
        self._check_approver(found, by, voice)
        listings = self._ask(found, by=by, may_reach=may_reach, dry_run=dry_run)

        def planned(connection: Connection) -> list[Change]:
            planner = Planner(
                world=World(connection, names(found) if prune else None),
                listings=listings,
                checker=self.checker,
                person=by.person,
                voice=voice,
                now=self.clock.now(),
                findings=Findings(list(findings.invalid), list(findings.conflicts)),
            )
            return planner.plan(found)

        def apply(tx: Transaction) -> list[Change]:
            changes, before = planned(tx.connection), load_policies(tx.connection)
            for change in changes:
                self._make_true(tx, change, by=by)
            self._two_people(tx, changes, voice, by=by)
            self._observed(tx, changes, voice, by=by)
            self._spread(tx, changes, voice, by=by)
            self.policies.settled(tx, before, by=by, now=self.clock.now())
            return changes

        if dry_run or any(each.kind in TEXTS for each in found):
            # What takes long is done here: the writer, on whom decisions wait, finds it done.
            changes = self.reader.read(planned)
        if not dry_run:
            changes = self.writer.change(apply)
        return [change.row() for change in changes]

    def _check_approver(self, documents: Sequence[Document], by: Actor, voice: Voice) -> None:
        if voice.approves is None:
            return
        owners = {owner.owner for owner in self.people.owners() if owner.active} | names(documents)["owner"]
        if by.person not in owners or not voice.approves({by.person}):
            raise Forbidden(
                f"{by.person} may not approve: only an agent's owner or backup may",
                try_="apply without --approve, then have the owner run: remit boundary approve NAME",
            )

    # asking servers for their tools -----------------------------------------------------------

    def _ask(
        self, documents: Sequence[Document], *, by: Actor, may_reach: bool, dry_run: bool
    ) -> Mapping[str, Listing]:
        """What the servers of the documents list; of an HTTP server, what its document says, and nobody is asked.

        (1) A server as it is registered is asked: where its credential goes was recorded when it was registered.
        (2) Who may only plan has no other server asked.
        (3) A dry run leaves no trace, so it sends no credential to any other place, and starts no command: it would run
            as Remit's own user.
        (4) What else is asked is recorded, durably, before the first request leaves.
        """
        every: list[Server] = [each.value for each in documents if each.kind == "server"]
        servers = [each for each in every if each.kind is Kind.MCP]
        asked: list[Server] = []
        new: list[Server] = []
        for server in servers:
            (asked if self._registered(server) else new).append(server)
        kept: dict[str, Listing] = {}
        if may_reach:
            kept = {each.server: _KEPT for each in new if dry_run and (each.credential is not None or each.command)}
            new = [each for each in new if each.server not in kept]
            if new and not dry_run:
                self.writer.change(partial(self._announce, servers=new, by=by))
            asked += new
        written: dict[str, Listing] = {
            each.server: [dict(said) for said in each.declared or ()] for each in every if each.kind is Kind.HTTP
        }
        return written | kept | self._list_all(asked)

    def _announce(self, tx: Transaction, *, servers: Sequence[Server], by: Actor) -> None:
        for server in servers:
            secret = None if server.credential is None else server.credential.secret
            more = {"host": server.host, "secret": secret}
            changed = Changed(what="asked_server", name=server.server, change="ask", before=None, after=None, more=more)
            record(tx, self.records, changed, by=by)

    def _list_all(self, servers: Sequence[Server]) -> dict[str, Listing]:
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
        return known is not None and known.place == server.place

    def _list(self, server: Server) -> Listing:
        deadline, pause = time.monotonic() + self.patience, _FIRST_PAUSE
        while True:
            try:
                return self.lister.list_tools(server)
            except Unreached as error:
                if not error.again or time.monotonic() + pause > deadline:
                    return error
            except Overloaded:
                raise  # Remit's own word, not the server's: it is stopping, and plans nothing more
            except RemitError as error:
                return error
            except Exception as error:  # noqa: BLE001 - one server's surprise must not end the apply of all
                _log.warning("a server's tools could not be listed", server=server.server, error=repr(error)[:300])
                return Unreached("the server's tools could not be listed")
            self.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    # making the plan true -----------------------------------------------------------------------

    def _make_true(self, tx: Transaction, change: Change, *, by: Actor) -> None:
        for each in change.incidents:
            tx.record(self.records.entry("incident", each))
        if change.lowered:
            boundaries = SqlBoundaries(tx.connection).open()
            for agent, notice in notices(change.name, change.lowered, boundaries, now=self.clock.now()):
                SqlNotices(tx.connection).put(agent, notice)
        if change.waits and (change.kind in TEXTS or change.kind == "secret"):
            return
        if change.change == "prune":
            self._prune(tx, change, by=by)
        elif change.kind == "boundary":
            for step, history in change.value.steps:
                self.access.take(tx, step, history, by=by)
        elif change.change != "unchanged":
            self._put(tx, change, by=by)

    def _two_people(self, tx: Transaction, changes: Sequence[Change], voice: Voice, *, by: Actor) -> None:
        """Keep the first word on a widening of the policies, or note that this was the second."""
        widening = next((change.widening for change in changes if change.widening is not None), None)
        if widening is not None:
            files = [change.name for change in changes if change.widening is not None]
            word = SecondWord(records=self.records)
            word.said(tx, widening, files=files, counts=voice.counts, by=by, now=self.clock.now())

    def _observed(self, tx: Transaction, changes: Sequence[Change], voice: Voice, *, by: Actor) -> None:
        """The same of servers that are no longer enforced."""
        coming = next((change.observed for change in changes if change.observed is not None), None)
        if coming is not None and self._word(tx, OBSERVE, coming, voice, by=by):
            what = {"what": "servers", "change": "observe", "names": list(coming.servers)}
            self._said(tx, what, coming, by=by)

    def _spread(self, tx: Transaction, changes: Sequence[Change], voice: Voice, *, by: Actor) -> None:
        """The same of secrets that may go further."""
        coming = next((change.spread for change in changes if change.spread is not None), None)
        if coming is not None and self._word(tx, SECRETS, coming, voice, by=by):
            self._said(tx, {"what": "secrets", "change": "allow", "names": list(coming.secrets)}, coming, by=by)

    def _word(self, tx: Transaction, kind: str, coming: Observed | Spread, voice: Voice, *, by: Actor) -> bool:
        """Keep or use up the first word; whether this was a word at all."""
        if coming.waits and not voice.counts:
            return False
        words = FirstWords(tx.connection)
        if coming.waits:
            words.put(kind, Word(person=by.person, about=coming.about, at=self.clock.now()))
        else:
            words.forget(kind)
        return True

    def _said(self, tx: Transaction, what: Mapping[str, Any], coming: Observed | Spread, *, by: Actor) -> None:
        first = {} if coming.first is None else {"first": coming.first.person}
        change = f"{what['change']}_asked" if coming.waits else f"{what['change']}_seconded"
        more = {what["what"]: what["names"], "about": coming.about, **first}
        said = Changed(what=what["what"], name=what["what"], change=change, before=None, after=None, more=more)
        record(tx, self.records, said, by=by)

    def _put(self, tx: Transaction, change: Change, *, by: Actor) -> None:
        put: dict[str, Callable[..., None]] = {
            "owner": self.people.put,
            "purpose": self.access.put_purpose,
            "secret": self.secrets.put,
            "server": self.catalog.put,
            "agent": self.agents.put,
            "trust": Declaring(self.records, self.clock).put,
            "combination": Combinations(self.records).put,
            "policy": partial(_put_policy, self.policies, change.name),
            **dict.fromkeys(Part, partial(_declare, DeclarationFiles(self.records), change)),
        }
        put[change.kind](tx, change.value, by=by)

    def _prune(self, tx: Transaction, change: Change, *, by: Actor) -> None:
        end: dict[str, Callable[..., object]] = {
            "owner": self.people.remove,
            "purpose": self.access.close_purpose,
            "secret": self.secrets.remove,
            "server": self.catalog.remove,
            "agent": self.agents.retire_within,
            "boundary": self.access.revoke_within,
            "combination": Combinations(self.records).remove,
            "policy": self.policies.remove,
            **dict.fromkeys(Part, DeclarationFiles(self.records).remove),
        }
        end[change.kind](tx, change.name, by=by)


def _put_policy(policies: PolicyFiles, file: str, tx: Transaction, text: str, *, by: Actor) -> None:
    policies.put(tx, file, text, by=by)


def _declare(files: DeclarationFiles, change: Change, tx: Transaction, text: str, *, by: Actor) -> None:
    files.put(tx, change.name, Declaration(Part(change.kind), text), by=by)
