"""The life of policy sets: observed beside the one in force, enforced, rolled back; what widens takes two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import NotFound
from remit.people.change import Actor
from remit.people.ports import Records
from remit.policy.declared.sql import SqlDeclarations
from remit.policy.files import PolicyFiles
from remit.policy.flips import Count, Kind, Tally
from remit.policy.organisation import digest
from remit.policy.policy_set import PolicySet, SetState, before, differing
from remit.policy.policy_set_sql import SqlFlips, SqlPolicySets, files_of
from remit.policy.policy_sets import PolicySets
from remit.policy.rules import Rules
from remit.policy.sql import load_all
from remit.server.first_words import POLICIES, FirstWords
from remit.server.plan import PolicyChecker
from remit.server.plan_policies import Saying, Widening
from remit.server.policy_watch import PolicyWatch
from remit.server.second_word import SecondWord
from remit.storage.ports import Reader, Transaction, Writer

_TURNS: Final = (Kind.ALLOW_TO_DENY, Kind.DENY_TO_ALLOW)


class Checker(PolicyChecker, Protocol):
    """Validates policies, and says what will be asked when they are enforced before it is."""

    def foresee(self, before: Rules, after: Rules) -> None:
        """Have `widens` of these worked out beside all else."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLife:
    """What people do with policy sets.

    Args:
        checker: Validates sets, and says whether one widens.
        watch: What is observed here, and what came of it.
    """

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    files: PolicyFiles
    checker: Checker
    watch: PolicyWatch

    def history(self) -> dict[str, Any]:
        """Every set that is kept, newest first, without its files; and what `rollback` would bring into force."""
        found = self.reader.read(lambda connection: SqlPolicySets(connection).all())
        back = before(found)
        return {"sets": [shown(each) for each in found], "before": None if back is None else back.version}

    def show(self, version: str) -> dict[str, Any]:
        """One set with its files, and how it differs from what is in force."""
        found, files, stored = self.reader.read(lambda connection: _whole(connection, version))
        return {**shown(found), "texts": files, "differs": differing(stored, files)}

    def observe(self, files: Mapping[str, str], *, by: Actor) -> dict[str, Any]:
        """Put a set beside the one in force.

        Raises:
            ConfigInvalid: It cannot be read or does not validate; names file and line. Nothing changed.
            Conflict: It is what is in force.
        """
        self.checker.check_policies(files)
        sets = PolicySets(records=self.records)
        found = self.writer.change(lambda tx: sets.observe(tx, files, by=by, now=self.clock.now()))
        standing, after = self.reader.read(lambda connection: _rules(connection, load_all(connection), files))
        # Asked next, and in a hurry: by whoever enforces it. It is about what is in force now, or it is asked again.
        # Not before the writer's turn, which decisions wait for and which would take longer beside it.
        self.checker.foresee(standing, after)
        return {**shown(found), "differs": differing(standing.policies, files)}

    def put_aside(self, *, by: Actor) -> dict[str, Any]:
        """Observe nothing any more.

        Raises:
            NotFound: Nothing is observed.
        """
        sets = PolicySets(records=self.records)
        found = self.writer.change(lambda tx: sets.put_aside(tx, by=by, now=self.clock.now()))
        if found is None:
            raise NotFound("no policy set is observed", try_="remit policy observe DIR")
        return shown(found)

    def enforce(self, version: str, *, by: Actor, counts: bool) -> dict[str, Any]:
        """Bring a set into force, or say the first of two words if it widens.

        Args:
            version: Which one.
            by: Who asks.
            counts: Whether their word is one of the two.

        Raises:
            NotFound: No such version.
            ConfigInvalid: It does not validate against what is in the catalog now; nothing changed.
        """
        _, files, stored = self.reader.read(lambda connection: _whole(connection, version))
        # Read and validated before the writer's turn, which all decisions wait for: within it, this is known.
        self._judged(*self.reader.read(lambda connection: _rules(connection, stored, files)))

        def apply(tx: Transaction) -> dict[str, Any]:
            return self._enforce(tx, version, by=by, counts=counts)

        return self.writer.change(apply)

    def rollback(self, *, by: Actor, counts: bool) -> dict[str, Any]:
        """Bring what was in force before into force again; the same rules.

        Raises:
            NotFound: There is nothing that was.
        """
        found = self.reader.read(lambda connection: before(SqlPolicySets(connection).all()))
        if found is None:
            raise NotFound("no other policies were ever in force", try_="remit policy history")
        return self.enforce(found.version, by=by, counts=counts)

    def flips(self, version: str | None) -> dict[str, Any]:
        """What a set would have answered otherwise, as far as it was observed beside what is in force now.

        Raises:
            NotFound: No such version; or, without one, none is observed.
        """
        self.watch.settle()

        def query(connection: Connection) -> tuple[PolicySet, str, Tally]:
            found = _found(connection, version) if version else SqlPolicySets(connection).in_state(SetState.OBSERVE)
            if found is None:
                raise NotFound("no policy set is observed", try_="remit policy observe DIR")
            base = digest(load_all(connection))
            return found, base, SqlFlips(connection).of(found.version, base)

        found, base, tally = self.reader.read(query)
        return {**shown(found), "against": base, **_report(tally)}

    def _judged(self, stored: Rules, after: Rules) -> Sequence[str]:
        """Validate the policies; why they let through what is stopped now."""
        self.checker.check_policies(after.policies)
        return self.checker.widens(stored, after) if stored != after else ()

    def _enforce(self, tx: Transaction, version: str, *, by: Actor, counts: bool) -> dict[str, Any]:
        (found, files, stored), now = _whole(tx.connection, version), self.clock.now()
        differs = differing(stored, files)
        if not differs:
            return {**shown(found), "change": "unchanged", "waits": False, "differs": {}}
        standing, after = _rules(tx.connection, stored, files)
        reasons, first = self._judged(standing, after), FirstWords(tx.connection).find(POLICIES)
        saying = Saying(person=by.person, counts=counts, first=first, now=now)
        widening = saying.widening(standing.texts, after.texts, reasons) if reasons else None
        said = {"differs": differs, "widens": list(reasons)}
        if widening is not None:
            self._say(tx, widening, list(differs), counts=counts, by=by)
            if widening.waits:
                return {**shown(found), "change": "widen", "waits": True, "note": saying.note(widening), **said}
        self.files.become(tx, files, by=by)
        self.files.settled(tx, stored, by=by, now=now)
        return {**shown(_found(tx.connection, version)), "change": "enforced", "waits": False, **said}

    def _say(self, tx: Transaction, widening: Widening, files: Sequence[str], *, counts: bool, by: Actor) -> None:
        word = SecondWord(records=self.records)
        word.said(tx, widening, files=files, counts=counts, by=by, now=self.clock.now())


def _found(connection: Connection, version: str) -> PolicySet:
    found = SqlPolicySets(connection).find(version)
    if found is None:
        raise NotFound("there is no such policy set", try_="remit policy history")
    return found


def _whole(connection: Connection, version: str) -> tuple[PolicySet, dict[str, str], dict[str, str]]:
    """A set, its files, and those in force."""
    found = _found(connection, version)
    return found, files_of(connection, version), load_all(connection)


def _rules(connection: Connection, stored: Mapping[str, str], files: Mapping[str, str]) -> tuple[Rules, Rules]:
    """What is in force, and with other policies: what is declared stays."""
    declared = SqlDeclarations(connection).all()
    return Rules(stored, declared), Rules(files, declared)


def shown(value: PolicySet) -> dict[str, Any]:
    """A set, without its files."""
    return {
        "version": value.version,
        "state": value.state.value,
        "since": rfc3339(value.since),
        "by": value.by,
        "created": rfc3339(value.created),
        "files": value.files,
        "digest": value.digest,
    }


def _report(tally: Tally) -> dict[str, Any]:
    """Sums, and a row for each policy that makes a difference, the one that makes most of it first."""
    rows: dict[str, dict[str, Any]] = {}
    for (kind, policy), count in tally.items():
        if kind in _TURNS:
            row = rows.setdefault(policy, {"policy": policy, **{each.value: 0 for each in _TURNS}, "examples": []})
            row[kind.value] = count.count
            row["examples"] += [{"flip": kind.value, **example} for example in count.examples]
    broken = tally.get((Kind.BROKEN, ""), Count())
    return {
        "compared": tally.get((Kind.COMPARED, ""), Count()).count,
        "dropped": tally.get((Kind.DROPPED, ""), Count()).count,
        "broken": broken.count,
        "broken_examples": broken.examples,
        "flips": sum(row[each.value] for row in rows.values() for each in _TURNS),
        "policies": sorted(rows.values(), key=_weight),
    }


def without_examples(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report of `PolicyLife.flips` with its sums alone: an example says what an agent did, and when."""
    rows = [{**row, "examples": []} for row in report["policies"]]
    return {**report, "policies": rows, "broken_examples": []}


def _weight(row: Mapping[str, Any]) -> tuple[int, str]:
    return -sum(row[each.value] for each in _TURNS), row["policy"]
