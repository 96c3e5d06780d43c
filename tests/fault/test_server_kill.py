"""kill -9 of the whole server at random instants under eight writers: nothing that was answered is lost.

A few kills each time, more of them with the slow tests; `REMIT_KILLS=200 pytest tests/fault/test_server_kill.py` for
the long run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.running import Home, upstream
from tests.fault import estate
from tests.fault.record import Record, ledger, record, text_of
from tests.fault.server_storm import WRITERS
from tests.fault.serving import Process, Server, ask

KILLS = int(os.environ.get("REMIT_KILLS", "20"))
FEW = 8
SCALE = 10_000  # a budget is counted in ten-thousandths
GIVEN_BACK = {"error", "not_sent"}


@dataclass
class Notes:
    """What the writers asked, and which answers they got."""

    path: Path
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)  # arguments of calls, by their text
    allowed: set[str] = field(default_factory=set)  # the same texts
    denied: dict[str, str] = field(default_factory=dict)  # decision: code
    tokens: set[str] = field(default_factory=set)
    freezes: set[str] = field(default_factory=set)
    thawing: set[str] = field(default_factory=set)
    thawed: set[str] = field(default_factory=set)
    budget_asked: int = 1
    budget_got: int = 1
    answers: Counter[str] = field(default_factory=Counter)  # by writer
    _read: int = 0

    def refresh(self) -> None:
        """Read what was added."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        self._read += len(lines)
        for line in lines.splitlines():
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        got, text = line.get("got"), text_of(line.get("arguments", {}))
        assert got not in {"other", "unavailable"}, f"an answer that nobody should get: {line}"
        if got is not None:
            self.answers[line["writer"]] += 1
        match line.get("asked") or got:
            case "call":
                self.asked[text] = line["arguments"]
            case "allowed":
                self.allowed.add(text)
            case "denied":
                self.denied[line["decision"]] = line["code"]
            case "token":
                self.tokens.add(line["id"])
            case "freeze":
                self.freezes.add(line["id"])
            case "unfreeze":
                (self.thawing if got is None else self.thawed).add(line["id"])
            case "budget" if got is None:
                self.budget_asked = line["units"]
            case "budget":
                self.budget_got = line["units"]


@dataclass
class Scene:
    """A server, two upstream servers with their ledgers, eight writers, and the record of it all."""

    server: Server
    ledgers: list[Path]
    storm: subprocess.Popen[str]
    notes: Notes
    record: Record
    recoveries: list[float] = field(default_factory=list)
    unknown: int = 0
    replayed: int = 0

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self.server.home.data

    def round(self, chance: random.Random) -> int:
        """Let the writers loose, kill the server, start it again; how many kills that were."""
        go(self.storm)
        assert self.server.process is not None
        kill(self.server.process, chance.uniform(0.1, 3.0))
        requests = [request for request in (stalled(self.storm) for _ in WRITERS) if request]
        kills = 1
        if chance.random() < 0.25:  # killed again while it starts and settles what the first kill left
            kill(self.server.spawn(), chance.uniform(0.05, 0.5))
            kills += 1
        self.recoveries.append(self.server.start())
        check(self)
        self.replayed += len(requests)
        for request in requests:
            status, said = again(request)
            assert (status, said["error"]) == (401, "invalid_dpop_proof"), said
            assert said["error_description"] == "the proof was used before"
        verify(self, asking=len(self.recoveries) % 2 == 0)  # in turn
        return kills


def go(storm: subprocess.Popen[str]) -> None:
    """Let the writers go on."""
    assert storm.stdin is not None
    storm.stdin.write("go\n")
    storm.stdin.flush()


def stalled(storm: subprocess.Popen[str]) -> dict[str, Any] | None:
    """Wait for one writer to meet the dead server; its newest answered request."""
    assert storm.stdout is not None
    line = storm.stdout.readline()
    assert line, f"the writers ended: {storm.wait()}"
    found: dict[str, Any] | None = json.loads(line)["request"]
    return found


def kill(process: Process, seconds: float) -> None:
    """kill -9 after `seconds`."""
    killer = threading.Timer(seconds, process.kill)
    killer.start()
    process.communicate()
    killer.join()


def again(request: dict[str, Any]) -> tuple[int, Any]:
    """The same request with the same proof a second time."""
    server, _, path = request["url"].removeprefix("http://").partition("/")
    headers = {name: value for name, value in request["headers"].items() if name != "content-length"}
    return ask(f"http://{server}", "POST", f"/{path}", json.loads(request["body"]), headers)


def check(scene: Scene) -> None:
    """The record against what was answered, the ledgers against the record, and the record against itself."""
    log, notes = scene.record, scene.notes
    log.refresh()
    notes.refresh()
    forwarded = log.forwarded()
    by_mac = {entry["arguments"]: one for one, entry in forwarded.items()}
    assert len(by_mac) == len(forwarded), "two decisions let the same call leave"
    check_answers(log, notes, by_mac)
    # Recorded before it leaves: what reached a server was let through, once, and by a decision in the log.
    ran = [log.mac(arguments) for path in scene.ledgers for arguments in ledger(path)]
    assert len(set(ran)) == len(ran), "a call reached its server twice"
    assert set(ran) <= set(by_mac), f"{len(set(ran) - set(by_mac))} calls reached a server without a decision"
    # One outcome each, and the outcome is true.
    outcomes = {one: log.outcomes.get(one, []) for one in forwarded}
    wrong = {one: found for one, found in outcomes.items() if len(found) != 1}
    assert not wrong, f"decisions with no outcome, or several: {wrong}"
    assert {found for (found,) in outcomes.values()} <= {"ok", "outcome_unknown"}
    scene.unknown = sum(found == ["outcome_unknown"] for found in outcomes.values())
    gone = {mac for mac, one in by_mac.items() if outcomes[one] == ["ok"]} - set(ran)
    assert not gone, f"{len(gone)} calls are said to have gone well that reached no server"
    check_budget(scene, by_mac)


def check_answers(log: Record, notes: Notes, by_mac: dict[str, str]) -> None:
    """Nothing that was answered is lost: decisions, tokens and state changes."""
    lost = [text for text in notes.allowed if log.mac(notes.asked[text]) not in by_mac]
    lost += [one for one, code in notes.denied.items() if log.entries.get(one, {}).get("code") != code]
    lost += [one for one in notes.tokens if log.entries.get(one, {}).get("kind") != "token"]
    assert not lost, f"{len(lost)} answers are lost, such as {lost[0]}"
    frozen = log.frozen()
    said = Counter((entry["name"], entry["change"]) for entry in log.of_kind("change") if entry["what"] == "freeze")
    assert notes.freezes <= frozen.keys(), "a freeze is lost"
    assert set(said.values()) <= {1}
    for freeze in notes.freezes:
        assert frozen[freeze] or freeze in notes.thawing, f"{freeze} ended by itself"
        assert not (frozen[freeze] and freeze in notes.thawed), f"the end of {freeze} is lost"
        assert (freeze, "freeze") in said
        assert ((freeze, "unfreeze") in said) is not frozen[freeze]


def check_budget(scene: Scene, by_mac: dict[str, str]) -> None:
    """Never overspent, and counted to the last cent."""
    log, notes = scene.record, scene.notes
    assert notes.budget_got <= log.budget(estate.BOUNDARY) <= notes.budget_asked, "an approved boundary is lost"
    most = notes.budget_asked * SCALE
    windows = log.spent(f"budget month {estate.BOUNDARY} ")
    assert all(used <= most for used in windows), f"{windows} of {most} is spent"
    paid = sum(int(each["amount"] * SCALE) for each in ledger(scene.ledgers[0]))
    assert paid <= most * len(windows), f"{paid} of {most} was paid"
    reserved = sum(
        int(arguments["amount"] * SCALE)
        for arguments in notes.asked.values()
        if "amount" in arguments and log.mac(arguments) in by_mac
    )
    assert sum(windows) == reserved, "the counter is not the sum of what was let through"


def verify(scene: Scene, *, asking: bool) -> None:
    """`remit audit verify`, asking the server or reading the files."""
    done = scene.server.remit("audit", "verify", *(() if asking else ("--data", str(scene.data))))
    assert done.code == 0, done.out + done.err


@contextmanager
def scene(tmp_path: Path, seed: int) -> Iterator[Scene]:
    """Everything running, the writers waiting."""
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    ledgers = [tmp_path / "payments.jsonl", tmp_path / "crm.jsonl"]
    files, notes = tmp_path / "files", tmp_path / "notes"
    notes.touch()
    with upstream("payments", ledgers[0]) as payments, upstream("crm", ledgers[1]) as crm, Server(home) as server:
        server.start()
        estate.register(server, files, payments=payments, crm=crm)
        estate.set_budget(server, 1)
        admin = (home.data / "admin.token").read_text(encoding="ascii").strip()
        settings = {"url": server.url, "keys": str(files), "admin": admin, "seed": seed, "notes": str(notes)}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.fault.server_storm", json.dumps(settings)],
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as storm:  # fmt: skip
            try:
                yield Scene(server, ledgers, storm, Notes(notes), record(home.data / "remit.db", home.keyfile))
            finally:
                storm.kill()


def kill_many(tmp_path: Path, kills: int) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    with scene(tmp_path, seed) as it:
        done = 0
        while done < kills:
            try:
                done += it.round(chance)
            except Exception as error:  # noqa: BLE001 - whatever it was, the seed is wanted
                pytest.fail(f"after {done} kills of seed {seed}: {error!r}")
        verify(it, asking=True)
        assert it.server.end() == 0
        check(it)
        verify(it, asking=False)
        answers, ran = it.notes.answers, sum(len(ledger(path)) for path in it.ledgers)
        codes = Counter(it.notes.denied.values())
    assert min(answers[writer] for writer in WRITERS) >= done // 4, answers
    assert codes["budget_exhausted"] > 0
    assert it.unknown > 0
    assert it.replayed >= done
    recoveries = sorted(it.recoveries)
    print(  # noqa: T201 - what the run was worth
        f"{done} kills, {sum(answers.values())} answers {dict(answers)}, none lost; {ran} calls reached a server, "
        f"{it.unknown} with outcome_unknown; denials {dict(codes)}; {len(it.record.entries)} entries; "
        f"ready again after {recoveries[len(recoveries) // 2]:.2f} s (median), {recoveries[-1]:.2f} s (longest)"
    )


@pytest.mark.timeout(60 + 20 * FEW)
def test_nothing_answered_is_lost(tmp_path: Path) -> None:
    kill_many(tmp_path, FEW)


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
def test_the_long_run(tmp_path: Path) -> None:
    kill_many(tmp_path, KILLS)
