"""`remit certify recount` judges everything anew: what a server left stands, and what somebody changed is named."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import insert
from tests.interaction.kept_world import AGENTS, FORMS, PERSON, Gappy, KeptWorld, altered, copied, recounted

from remit.access.activation import ActivationState
from remit.certification.grouping import Grouping
from remit.cli.exits import Exit
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant
from remit.kernel.errors import Conflict, NotFound
from remit.storage.database import Database, open_database
from remit.storage.schema import runs

TOOLS = ("list_payees", "list_invoices", "delete_payee", "transfer")

_STATE = "UPDATE activations SET body = json_set(body, '$.state', ?) WHERE agent = ? AND action = ?"
_SET = "UPDATE activations SET body = json_set(body, ?, ?) WHERE agent = ? AND action = ?"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KeptWorld, Path]]:
    """Seventy days: what is used, what was left, what a person stopped, what is critical, what nobody can tell of."""
    folder = tmp_path_factory.mktemp("left")
    database = open_database(folder / "remit.db")
    with pytest.MonkeyPatch.context() as patch:
        world = KeptWorld(database, patch)
        _live(world)
        yield world, copied(folder, folder / "copy")
    database.close()


def _live(world: KeptWorld) -> None:
    for day in range(38):
        if day < 3:
            world.calls("audit-bot", "list_payees", "delete_payee")
        if day % 3 == 0:
            world.calls("report-bot", "list_invoices")
            world.calls("invoice-bot", "list_payees")
        world.beat()
        world.service.tick()
        world.later(DAY)
    world.missed += 40 * DAY  # nobody saw what was used then
    world.later(40 * DAY)
    world.calls("invoice-bot", "list_payees", "list_invoices")
    world.hands.start(world.key("invoice-bot", "transfer"), by=PERSON)
    world.hands.suspend(world.key("invoice-bot", "list_invoices"), by=PERSON)
    world.beat()
    world.service.tick()
    world.later(2 * HOUR)
    world.beat()
    world.service.tick()


@pytest.fixture
def lived(left: tuple[KeptWorld, Path]) -> Path:
    """A copy of what it left."""
    return left[1]


def test_what_a_server_left_stands_as_it_is_judged(left: tuple[KeptWorld, Path]) -> None:
    world, lived = left
    states = {(key.agent, key.action.partition("/")[2]): each.state.value for key, each in world.stored().items()}
    assert states == {
        ("audit-bot", "list_payees"): "lapsed", ("audit-bot", "delete_payee"): "lapsed",
        ("report-bot", "list_invoices"): "needs_usage", ("invoice-bot", "list_payees"): "active",
        ("invoice-bot", "list_invoices"): "suspended", ("invoice-bot", "transfer"): "active",
    }  # fmt: skip
    code, said = recounted(lived)
    assert said["otherwise"] == said["differences"] == []
    assert (code, said["seen"], said["judged"], said["unsaid"], said["turning"]) == (Exit.OK, 6, 6, 0, [])
    assert said["text"].splitlines()[1] == f"6 judged as of {said['judged_at']}, 0 stand otherwise"


@pytest.mark.parametrize(
    ("agent", "tool", "state", "judged"),
    [
        ("audit-bot", "list_payees", "active", "lapsed (idle)"),
        ("invoice-bot", "list_payees", "lapsed", "active"),
        ("invoice-bot", "list_invoices", "active", "suspended (suspended)"),
        ("invoice-bot", "transfer", "expiring", "active"),
        ("report-bot", "list_invoices", "active", "needs_usage (record_incomplete)"),
    ],
)
def test_a_state_that_somebody_changed_is_named_and_no_other(
    lived: Path, tmp_path: Path, agent: str, tool: str, state: str, judged: str
) -> None:
    code, said = recounted(altered(lived, tmp_path / "altered", _STATE, state, agent, f"payments/{tool}"))
    (odd,) = said["otherwise"]
    assert (code, odd["agent"], odd["action"], odd["judged"]) == (Exit.INTEGRITY, agent, f"payments/{tool}", judged)
    assert odd["recorded"].split()[0] == ActivationState(state)
    assert odd["why"] == f"the log last said {judged}"
    assert f"{agent} pay-invoices payments/{tool}: recorded {odd['recorded']}; judged {judged}; " in said["text"]


def test_a_reason_that_somebody_changed_a_row_that_is_gone_and_one_that_cannot_be_read(
    lived: Path, tmp_path: Path
) -> None:
    other = altered(lived, tmp_path / "why", _SET, "$.why", "let_lapse", "audit-bot", "payments/list_payees")
    (odd,) = recounted(other)[1]["otherwise"]
    assert (odd["recorded"], odd["judged"]) == ("lapsed (let_lapse)", "lapsed (idle)")
    gone = altered(lived, tmp_path / "gone", "DELETE FROM activations WHERE action = ?", "payments/transfer")
    (odd,) = recounted(gone)[1]["otherwise"]
    assert (odd["action"], odd["recorded"], odd["judged"]) == ("payments/transfer", "nothing", "active")
    damaged = altered(
        lived, tmp_path / "damaged", "UPDATE activations SET body = '{' WHERE action = ?", "payments/transfer"
    )
    (odd,) = recounted(damaged)[1]["otherwise"]
    assert (odd["action"], odd["why"][:18]) == ("payments/transfer", "its row is damaged")


def test_what_changes_the_verdict_behind_the_servers_back_is_named(lived: Path, tmp_path: Path) -> None:
    """The entitlements say what the log says: it is the risk beside them that somebody wrote."""
    risky = "INSERT INTO risks (agent, risk, since, calm) VALUES (?, 900000, 0, NULL)"
    code, said = recounted(altered(lived, tmp_path / "risky", risky, "invoice-bot"))
    assert [(odd["action"], odd["judged"]) for odd in said["otherwise"]] == [
        ("payments/list_payees", "at_risk (risk)"), ("payments/transfer", "at_risk (risk)"),
    ]  # fmt: skip
    assert (code, said["turning"]) == (Exit.INTEGRITY, [])


def test_what_is_due_at_the_end_of_the_record_may_stand_either_way(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = KeptWorld(database, monkeypatch)
    world.calls("report-bot", "list_invoices")
    world.beat()
    world.service.tick()
    (due,) = world.dues()
    world.later(due + 1 - world.rig.clock.at)
    world.beat()
    code, said = recounted(copied(tmp_path, tmp_path / "due"))
    assert (code, said["otherwise"], len(said["turning"])) == (Exit.OK, [], 1)
    assert said["text"].splitlines()[1].endswith(", 0 stand otherwise, 1 about to be looked at")
    world.later(HOUR)  # and nothing has looked for an hour, although it was due
    world.beat()
    code, said = recounted(copied(tmp_path, tmp_path / "late"))
    assert (code, len(said["otherwise"]), said["turning"]) == (Exit.INTEGRITY, 1, [])


class History:
    """Weeks in which anything happens to anybody, from a seed."""

    def __init__(self, world: KeptWorld, seed: int) -> None:
        self.world, self.order = world, random.Random(seed)
        self.grouping = Grouping(writer=world.rig.writer, reader=world.rig.writer, clock=world.rig.clock)

    def day(self) -> None:
        world, order = self.world, self.order
        world.later(order.choice([HOUR, DAY, DAY, DAY, 9 * DAY]))
        if order.random() < 0.1:
            world.missed += min(3 * DAY, Gappy(world).covered())
        for _ in range(order.randrange(4)):
            world.who = order.choice(AGENTS)
            world.call(order.choice(TOOLS))
        if order.random() < 0.7:
            happens: list[Callable[[], object]] = [self._hand, self._risk, self._signal, self.grouping.regroup]
            order.choice(happens)()
        world.beat()

    def _hand(self) -> None:
        world, hands = self.world, self.world.hands
        key = world.key(self.order.choice(AGENTS), self.order.choice(TOOLS))
        until, at = Instant(world.rig.clock.at + 5 * DAY), self.order.randrange(5)
        words: list[Callable[[], object]] = [
            lambda: hands.start(key, by=PERSON),
            lambda: hands.suspend(key, by=PERSON),
            lambda: hands.lapse(key, by=PERSON),
            lambda: world.rig.writer.change(lambda tx: hands.keep(tx, key, until=until, by=PERSON)),
            lambda: world.rig.writer.change(lambda tx: hands.unkeep(tx, key, by=PERSON)),
        ]
        with suppress(Conflict, NotFound):
            words[at]()

    def _risk(self) -> None:
        self.world.rig.agents.set_risk(self.order.choice(AGENTS), self.order.choice([0, 0, 750_000]), by=PERSON)

    def _signal(self) -> None:
        signal = self.order.choice(["credential_exposed", "critical", "anomaly", "toxic_combination"])
        on = self.order.random() < 0.4
        self.world.rig.agents.signal(self.order.choice(AGENTS), signal, about="", on=on, by=PERSON)


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_to_what_a_full_sweep_comes_to(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    world = KeptWorld(database, monkeypatch)
    history, moved = History(world, seed), Counter[str]()
    for day in range(1, 61):
        history.day()
        if day % 3:
            world.service.tick()
            continue
        code, said = recounted(copied(tmp_path, tmp_path / f"copy-{day}"), forms=("plain",) if day % 12 else FORMS)
        before = world.stored()
        world.service.sweep()
        after = world.stored()
        named = {(each["agent"], each["action"]) for part in ("otherwise", "turning") for each in said[part]}
        swept = {(key.agent, key.action) for key, each in after.items() if each.serial != before[key].serial}
        assert named == swept
        assert not any("the log" in each["why"] for each in said["otherwise"])
        assert (code == Exit.OK) is (said["otherwise"] == [])
        moved.update(after[key].state.value for key in after if after[key].serial != before[key].serial)
    while world.service.tick():
        world.later(1)
    world.beat()
    assert recounted(copied(tmp_path, tmp_path / "end"))[1]["otherwise"] == []
    assert moved.total() > 5


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> KeptWorld:
    return KeptWorld(database, monkeypatch)


def states(world: KeptWorld) -> dict[str, str]:
    return {key.action.partition("/")[2]: each.state.value for key, each in world.stored().items()}


def ticked(world: KeptWorld) -> None:
    world.beat()
    world.service.tick()


def test_a_use_that_no_tick_has_looked_at_yet_waits(world: KeptWorld, tmp_path: Path) -> None:
    world.calls("report-bot", "list_invoices")
    world.later(25 * DAY)
    ticked(world)
    assert states(world) == {"list_invoices": "expiring"}
    world.later(2 * HOUR)
    world.calls("report-bot", "list_invoices")
    world.later(3 * MINUTE)
    world.beat()
    code, said = recounted(copied(tmp_path, tmp_path / "copy"))
    (waits,) = said["turning"]
    assert (code, said["otherwise"], waits["judged"]) == (Exit.OK, [], "active (used)")
    assert (
        "list_invoices: recorded expiring (most_of_its_time_has_gone); judged active (used); it was to" in said["text"]
    )


def test_what_an_open_run_holds_is_held(world: KeptWorld, tmp_path: Path) -> None:
    world.calls("report-bot", "list_invoices")
    run = {"run": "r", "agent": "report-bot", "instance": "i", "purpose": "pay-invoices", "opened": world.begun}
    held = insert(runs).values(**run, ends=2**60, token_expires=2**60)
    world.rig.writer.change(lambda tx: tx.connection.execute(held) and None)
    world.later(30 * DAY + HOUR)
    ticked(world)
    assert states(world) == {"list_invoices": "expiring"}
    code, said = recounted(copied(tmp_path, tmp_path / "copy"))
    assert (code, said["otherwise"], said["turning"]) == (Exit.OK, [], [])


def test_what_is_used_together_stands_together(world: KeptWorld, tmp_path: Path) -> None:
    grouping = Grouping(writer=world.rig.writer, reader=world.rig.writer, clock=world.rig.clock)
    for _ in range(20):
        world.calls("report-bot", "list_invoices", "list_payees")
        world.beat()
        world.later(DAY)
    assert grouping.regroup() == 1
    for _ in range(6):
        world.calls("report-bot", "list_payees")
        ticked(world)
        world.later(5 * DAY)
    ticked(world)
    assert states(world) == {"list_invoices": "active", "list_payees": "active"}
    code, said = recounted(copied(tmp_path, tmp_path / "copy"))
    assert (code, said["otherwise"], said["turning"]) == (Exit.OK, [], [])


def test_a_clock_that_another_node_reads_a_little_behind_names_nobody(world: KeptWorld, tmp_path: Path) -> None:
    world.calls("report-bot", "list_invoices")
    ticked(world)
    (due,) = world.dues()
    world.later(due - world.rig.clock.at)
    ticked(world)
    assert states(world) == {"list_invoices": "expiring"}
    for behind, many in ((30 * SECOND, 1), (HOUR, 0)):
        world.missed = behind
        world.beat()
        code, said = recounted(copied(tmp_path, tmp_path / f"behind-{behind}"))
        assert (len(said["turning"]), len(said["otherwise"])) == (many, 1 - many)
        assert (code == Exit.OK) is (many == 1)
