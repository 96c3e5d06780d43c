from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Malformed, Unauthenticated
from remit.server.operator_tokens import Doorkeeper, ensure_admin, issue, load, revoke
from remit.server.operators import Operator, Role
from remit.storage.every_table import metadata
from remit.storage.model import Entry


@dataclass
class Change:
    connection: Connection
    entries: list[Entry] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)

    def touch(self, *topics: str) -> None:
        self.topics += topics


@pytest.fixture
def change() -> Iterator[Change]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        yield Change(connection)
    engine.dispose()


def keeper(change: Change, now: int = 0) -> Doorkeeper:
    found = Doorkeeper(clock=FixedClock(now), dev=False)
    found.reload(change.connection)
    return found


def test_an_issued_token_works_until_it_expires_and_is_stored_as_a_hash_only(change: Change) -> None:
    token = issue(change, person="dana", role="owner", expires=Instant(10), now=Instant(0))
    assert change.topics == ["operators"]
    assert token not in str(load(change.connection))
    operator = keeper(change, 9).operator(authorization=f"Bearer {token}", act_as=None)
    assert (operator.person, operator.roles, operator.behind) == ("dana", frozenset({"owner"}), None)
    with pytest.raises(Unauthenticated, match="expired"):
        keeper(change, 10).operator(authorization=f"Bearer {token}", act_as=None)


def test_an_operator_stands_as_long_as_their_own_token_works(change: Change) -> None:
    def made(person: str, role: str) -> str:
        return issue(change, person=person, role=role, expires=Instant(10), now=Instant(0))

    def asks(token: str) -> Operator:
        return keeper(change).operator(authorization=f"Bearer {token}", act_as=None)

    dana, lee = asks(made("dana", "owner")), asks(made("lee", "owner"))
    assert keeper(change, 9).stands(dana)
    assert not keeper(change, 10).stands(dana)
    revoke(change, "dana")
    again = asks(made("dana", "viewer"))
    assert not keeper(change).stands(dana)
    assert keeper(change).stands(lee)
    assert keeper(change).stands(again)
    assert not keeper(change).stands(Operator(person="dana", roles=frozenset({"viewer"})))


def test_who_acts_by_the_admin_token_stands_as_long_as_that_does(change: Change, tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    ensure_admin(change, path, now=Instant(0))
    dev = Doorkeeper(clock=FixedClock(0), dev=True)
    dev.reload(change.connection)
    authorization = f"Bearer {path.read_text(encoding='ascii').strip()}"
    admin, dana = (dev.operator(authorization=authorization, act_as=name) for name in (None, "dana"))
    assert dev.stands(admin)
    assert dev.stands(dana)
    path.unlink()
    ensure_admin(change, path, now=Instant(0))
    dev.reload(change.connection)
    assert not dev.stands(admin)
    assert not dev.stands(dana)


@pytest.mark.parametrize(
    ("person", "role"), [("admin", "owner"), ("dana", "admin"), ("dana", "god"), ("D ana", "owner")]
)
def test_nobody_is_made_admin(change: Change, person: str, role: str) -> None:
    with pytest.raises(Malformed):
        issue(change, person=person, role=role, expires=Instant(10), now=Instant(0))


def test_the_admin_token_is_made_once_and_kept_private(change: Change, tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    assert ensure_admin(change, path, now=Instant(0))
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text(encoding="ascii")
    assert not ensure_admin(change, path, now=Instant(0))
    assert path.read_text(encoding="ascii") == before
    operator = keeper(change).operator(authorization=f"Bearer {before}", act_as=None)
    assert operator.roles == {Role.ADMIN}


@pytest.mark.parametrize("harm", ["lost", "readable", "foreign", "link"])
def test_an_admin_token_that_others_may_know_is_replaced(change: Change, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "admin.token"
    ensure_admin(change, path, now=Instant(0))
    before = path.read_text(encoding="ascii").strip()
    if harm == "lost":
        path.unlink()
    elif harm == "readable":
        path.chmod(0o644)
    elif harm == "foreign":
        path.write_text("rmt_made_up\n", encoding="ascii")
    else:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    assert ensure_admin(change, path, now=Instant(0))
    assert not path.is_symlink()
    with pytest.raises(Unauthenticated):
        keeper(change).operator(authorization=f"Bearer {before}", act_as=None)
    assert sum(known.role is Role.ADMIN for known in load(change.connection).values()) == 1


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer rmt_unknown", "bearer\tx"])
def test_what_is_no_token_is_refused(change: Change, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        keeper(change).operator(authorization=header, act_as=None)


def test_the_admin_tokens_of_other_nodes_go_on_working(change: Change, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    held: dict[str, str] = {}

    def start(node: str) -> bool:
        def others(token_hash: str) -> list[str]:
            held[node] = token_hash
            return [each for name, each in held.items() if name != node]

        return ensure_admin(change, tmp_path / node / "admin.token", now=Instant(0), others=others)

    assert [start("one"), start("two"), start("one"), start("two")] == [True, True, False, False]
    (tmp_path / "two" / "admin.token").unlink()
    assert start("two")
    admins = {token for token, known in load(change.connection).items() if known.role is Role.ADMIN}
    assert admins == set(held.values())
    assert len(admins) == 2


def test_what_was_opened_with_a_token_stands_as_long_as_that(change: Change) -> None:
    token = issue(change, person="dana", role="owner", expires=Instant(10), now=Instant(0))
    other = issue(change, person="dana", role="owner", expires=Instant(90), now=Instant(0))
    dana = keeper(change).operator(authorization=f"Bearer {token}", act_as=None)
    second = keeper(change).operator(authorization=f"Bearer {other}", act_as=None)
    assert keeper(change, 9).stands(dana)
    assert not keeper(change, 10).stands(dana)
    assert keeper(change, 10).stands(second)
    assert token not in repr(dana)
    revoke(change, "dana")
    assert not keeper(change, 9).stands(dana)
    assert not keeper(change, 9).stands(second)


def test_who_acts_as_another_stands_with_the_token_behind(change: Change, tmp_path: Path) -> None:
    ensure_admin(change, tmp_path / "token", now=Instant(0))
    acting = Doorkeeper(clock=FixedClock(0), dev=True)
    acting.reload(change.connection)
    dana = acting.operator(authorization=f"Bearer {(tmp_path / 'token').read_text().strip()}", act_as="dana")
    assert acting.stands(dana)
    (tmp_path / "token").unlink()
    ensure_admin(change, tmp_path / "token", now=Instant(1))  # a new one: the old one ends
    acting.reload(change.connection)
    assert not acting.stands(dana)
