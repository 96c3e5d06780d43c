"""Versions: states only go forward, what was erased never opens, at most one is active."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection, create_engine, select, update
from sqlalchemy.pool import StaticPool
from tests.unit.vault.test_vault_service import Change

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Conflict, Malformed
from remit.kernel.names import SecretName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.storage.credential_schema import secret_versions
from remit.storage.every_table import metadata
from remit.vault.model import HELD, Material, SecretUnavailable, Version, VersionState
from remit.vault.service import Vault
from remit.vault.sql import SqlSecrets

NAME = SecretName("key")
NOW = 1_800_000_000_000_000
FORWARD = [
    VersionState.PENDING, VersionState.ACTIVE, VersionState.DRAINING, VersionState.REVOKED, VersionState.FAILED
]  # fmt: skip


class Versioned(RuleBasedStateMachine):
    """One secret, changed in every order there is."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self.engine)
        self.connection: Connection = self.engine.connect()
        provider = KeyfileProvider.create(Path(self.folder.name) / "k" / "keyfile")
        KeyRing.create(Change(self.connection), provider, now=Instant(NOW))
        self.keys = KeyRing.open(self.connection, provider, clock=FixedClock(NOW))
        self.vault = Vault(self.keys)
        self.now = NOW
        self.values: dict[int, str] = {}
        self.seen: dict[int, list[VersionState]] = {}
        self.erased: list[Version] = []  # as they were while they held a value

    def teardown(self) -> None:
        self.connection.close()
        self.engine.dispose()
        self.folder.cleanup()

    def _change(self) -> Change:
        self.now += 1
        return Change(self.connection)

    def _told(self, change: Change) -> None:
        for follow in (self.keys.follow, self.vault.follow):
            follow(1, tuple(change.touched), self.connection)

    def _versions(self) -> list[Version]:
        return SqlSecrets(self.connection).versions(NAME)

    def _any(self, data: st.DataObject) -> Version:
        return data.draw(st.sampled_from(self._versions()))

    @rule(value=st.text("abcdef0123456789", min_size=8, max_size=12), user=st.sampled_from(["", "a", "b"]))
    def begin(self, value: str, user: str) -> None:
        change = self._change()
        material = Material(value=Secret(value), attributes={"user": user} if user else {})
        made = self.vault.versions.begin(change, NAME, material, now=Instant(self.now))
        assert made.version == len(self.values) + 1, "numbers are never given twice"
        self.values[made.version] = value
        self._told(change)

    @precondition(lambda self: self.values)
    @rule(data=st.data(), value=st.text("ghijkl", min_size=8, max_size=12))
    def fill(self, data: st.DataObject, value: str) -> None:
        it, change = self._any(data), self._change()
        if it.state is not VersionState.PENDING:
            with pytest.raises(Conflict):
                self.vault.versions.fill(change, it, Material(value=Secret(value)))
            return
        self.vault.versions.fill(change, it, Material(value=Secret(value)))
        self.values[it.version] = value
        self._told(change)

    @precondition(lambda self: self.values)
    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        it, change = self._any(data), self._change()
        if it.state is not VersionState.PENDING:
            return
        self.vault.versions.promote(change, it, now=Instant(self.now))
        self._told(change)
        if it.exposed is None:
            assert self.vault.lend(NAME).value.text() == self.values[it.version]

    @precondition(lambda self: self.values)
    @rule(data=st.data(), state=st.sampled_from([VersionState.REVOKED, VersionState.FAILED]))
    def end(self, data: st.DataObject, state: VersionState) -> None:
        it, change = self._any(data), self._change()
        fits = (it.state, state) in {
            (VersionState.PENDING, VersionState.FAILED), (VersionState.DRAINING, VersionState.REVOKED)
        }  # fmt: skip
        if not fits:
            return
        self.erased.append(it)
        self.vault.versions.end(change, it, state, now=Instant(self.now))
        self._told(change)

    @precondition(lambda self: any(each.state is VersionState.ACTIVE for each in self._versions()))
    @rule()
    def the_active_one_is_not_ended(self) -> None:
        it = next(each for each in self._versions() if each.state is VersionState.ACTIVE)
        with pytest.raises(Conflict):
            self.vault.versions.end(self._change(), it, VersionState.REVOKED, now=Instant(self.now))

    @precondition(lambda self: self.values)
    @rule()
    def retire(self) -> None:
        change = self._change()
        before = next((each for each in self._versions() if each.state is VersionState.ACTIVE), None)
        if before is not None:
            self.erased.append(before)
        self.vault.versions.retire(change, NAME, now=Instant(self.now))
        self._told(change)
        with pytest.raises(SecretUnavailable):
            self.vault.lend(NAME)

    @precondition(lambda self: self.values)
    @rule(data=st.data())
    def expose(self, data: st.DataObject) -> None:
        it, change = self._any(data), self._change()
        after = self.vault.versions.expose(change, it, "seen", now=Instant(self.now))
        again = self.vault.versions.expose(change, after, "seen again", now=Instant(self.now + 5))
        assert (again.exposed, again.exposure) == (after.exposed, after.exposure), "the first to say so stays"
        self._told(change)
        if it.state is VersionState.ACTIVE:
            with pytest.raises(SecretUnavailable):
                self.vault.lend(NAME)

    @invariant()
    def states_only_go_forward(self) -> None:
        for each in self._versions():
            path = self.seen.setdefault(each.version, [])
            if not path or path[-1] is not each.state:
                path.append(each.state)
            assert path == sorted(path, key=FORWARD.index)
            assert not (VersionState.FAILED in path and VersionState.ACTIVE in path), "what served has not failed"

    @invariant()
    def at_most_one_is_active_and_it_is_the_one_that_is_named(self) -> None:
        active = [each.version for each in self._versions() if each.state is VersionState.ACTIVE]
        assert active == [each for each in [SqlSecrets(self.connection).active(NAME) or 0] if each]

    @invariant()
    def what_is_held_opens_and_nothing_else_does(self) -> None:
        for each in self._versions():
            assert (each.sealed is not None) == (each.state in HELD)
            if each.state in HELD:
                assert self.vault.open(each).text() == self.values[each.version]
        for each in self.erased:
            with pytest.raises(SecretUnavailable):
                self.vault.open(each)  # its bytes, kept by whoever copied the database


Versioned.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestVersions = Versioned.TestCase


@pytest.fixture
def machine() -> Versioned:
    return Versioned()


@pytest.mark.parametrize("column", ["version", "secret", "attributes", "key"])
def test_a_row_that_was_moved_does_not_open(machine: Versioned, column: str) -> None:
    """Attack: whoever writes the database puts a sealed value where another one belongs."""
    change = Change(machine.connection)
    first = machine.vault.versions.begin(
        change, NAME, Material(value=Secret("first-value"), attributes={"user": "a"}), now=Instant(NOW)
    )
    machine.vault.versions.begin(change, SecretName("other"), Material(value=Secret("other-value")), now=Instant(NOW))
    machine._told(change)
    assert machine.vault.open(first).text() == "first-value"
    moved = {"version": 9, "secret": "third", "attributes": '{"user":"b"}', "key": "secret:other@1"}
    here = (secret_versions.c.secret == NAME) & (secret_versions.c.version == first.version)
    machine.connection.execute(update(secret_versions).where(here).values({column: moved[column]}))
    name = moved["secret"] if column == "secret" else NAME
    (found,) = SqlSecrets(machine.connection).versions(str(name))
    with pytest.raises(SecretUnavailable):
        machine.vault.open(found)
    machine.teardown()


def test_a_value_or_attribute_that_would_write_more_is_refused(machine: Versioned) -> None:
    change = Change(machine.connection)
    for material in (
        Material(value=Secret("a\r\nHost: evil")),
        Material(value=Secret("a-good-value"), attributes={"user": "a\r\nb"}),
        Material(value=Secret("a-good-value"), attributes={"user": "a:b"}),
        Material(value=Secret("a-good-value"), attributes={"id": "key a-good-value"}),  # attributes are shown
    ):
        with pytest.raises(Malformed):
            machine.vault.versions.begin(change, NAME, material, now=Instant(NOW))
    assert machine.connection.execute(select(secret_versions)).first() is None
    machine.teardown()
