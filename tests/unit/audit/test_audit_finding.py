"""The whole log is asked, page by page: with and without the index, it gives what reading all of it would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.audit.conftest import NOON, Ledger

from remit.audit import finding
from remit.audit.checkpoint import parse
from remit.audit.finding import Finder
from remit.audit.indexing import Indexing
from remit.audit.merkle import leaf_hash
from remit.audit.path import rungs
from remit.audit.proving import Proving
from remit.audit.terms import STRETCH, Sought
from remit.audit.terms_sql import SqlTerms
from remit.kernel.clock import Instant
from remit.kernel.errors import NotFound

COUNT = 2 * STRETCH + 300


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, list[dict[str, Any]]]:
    """Two stretches and some more; every entry a second after the one before."""
    ledger = Ledger(tmp_path_factory.mktemp("finding") / "remit.db")
    made = []
    for start in range(0, COUNT, 40):
        entries = []
        for at in range(start, min(start + 40, COUNT)):
            ledger.clock.at = Instant(NOON + at * 1_000_000)
            answer = "deny" if at % 3 else "allow"
            names = {"agent": f"bot-{at % 7}", "action": f"crm/tool_{at % 5}", "run": f"run_{at // 100}"}
            fields = {**names, "decision": answer}
            entries.append(ledger.recorder.entry("decision", fields))
        ledger.record(*entries)
        made += [json.loads(each.header) for each in entries]
    ledger.sequence()
    return ledger, made


def placed(ledger: Ledger, made: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Where they stand: behind what the ledger itself recorded."""
    finder = Finder(ledger.database.reader)
    return [(finder.position(each["id"]), each) for each in made]


QUESTIONS = (
    Sought(),
    Sought(fields={"agent": "bot-3"}),
    Sought(fields={"agent": "bot-3", "answer": "allow"}),
    Sought(text="TOOL 4 crm", fields={"kind": "decision"}),
    Sought(fields={"agent": "bot-3"}, since=Instant(NOON + 900_000_000), until=Instant(NOON + 1_500_000_000)),
    Sought(fields={"agent": "nobody"}),
)


@pytest.mark.parametrize("indexed", [0, 1, 2])
@pytest.mark.parametrize("sought", QUESTIONS, ids=range(len(QUESTIONS)))
def test_pages_give_what_reading_everything_gives(
    full: tuple[Ledger, list[dict[str, Any]]], indexed: int, sought: Sought
) -> None:
    ledger, made = full
    indexing, finder = Indexing(ledger.database.writer, ledger.database.reader), Finder(ledger.database.reader)
    while ledger.database.reader.read(_covered) < indexed:
        assert indexing.step()
    wanted = [at for at, each in reversed(placed(ledger, made)) if sought.takes(each)]
    got: list[int] = []
    before = None
    for _ in range(COUNT):
        page = finder.page(sought, before=before, most=37)
        got += [each.index for each in page.entries if each.header["kind"] == "decision" and each.index is not None]
        before = page.more
        if before is None:
            break
    assert got == wanted


def _covered(connection: Any) -> int:
    return SqlTerms(connection).covered()


def test_a_stretch_that_is_not_whole_waits(full: tuple[Ledger, list[dict[str, Any]]]) -> None:
    ledger, _ = full
    indexing = Indexing(ledger.database.writer, ledger.database.reader)
    while indexing.step():
        pass
    assert ledger.database.reader.read(_covered) == 2


def test_runs_are_counted_over_the_index_and_behind_it(full: tuple[Ledger, list[dict[str, Any]]]) -> None:
    ledger, made = full
    names = ["run_0", "run_10", f"run_{COUNT // 100}"]
    found = Finder(ledger.database.reader).tally(names)
    for name in names:
        of = [each for each in made if each["run"] == name]
        assert (found[name].calls, found[name].denied) == (len(of), sum(each["decision"] == "deny" for each in of))


def test_runs_are_counted_in_part_while_the_index_is_far_behind(
    full: tuple[Ledger, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, _ = full
    name = f"run_{(COUNT - 1) // 100}"
    whole = Finder(ledger.database.reader).tally([name])[name]
    monkeypatch.setattr(finding, "_READ", 10)
    part = Finder(ledger.database.reader).tally([name])[name]
    assert (whole.whole, part.whole) == (True, False)
    assert 0 < part.calls <= 10 < whole.calls


def test_what_has_no_position_yet_comes_first(full: tuple[Ledger, list[dict[str, Any]]]) -> None:
    ledger, _ = full
    entry = ledger.recorder.entry("change", {"what": "test", "name": "fresh"})
    ledger.record(entry)
    finder = Finder(ledger.database.reader)
    first = finder.page(Sought(), most=1).entries[0]
    assert (first.header["id"], first.index) == (entry.id, None)
    with pytest.raises(NotFound):
        finder.position(entry.id)
    ledger.sequence()
    assert finder.page(Sought(fields={"name": "fresh"}), most=1).entries[0].index is not None


@pytest.mark.parametrize("sequenced_after", [0, 1, 2, 9], ids="at the page {}".format)
def test_what_has_no_position_yet_is_paged_like_the_rest(tmp_path: Path, sequenced_after: int) -> None:
    ledger = Ledger(tmp_path / "remit.db")
    made: list[str] = []
    for burst in range(7):
        entries = [ledger.recorder.entry("decision", {"agent": "bot", "decision": "allow"}) for _ in range(20)]
        ledger.record(*entries)
        made += [each.id for each in entries]
        if burst == 0:
            ledger.sequence()
    finder, got, before = Finder(ledger.database.reader), list[str](), None
    for number in range(len(made)):
        if number == sequenced_after:
            ledger.sequence()
        page = finder.page(Sought(fields={"agent": "bot"}), before=before, most=33)
        got += [each.header["id"] for each in page.entries]
        before = page.more
        if before is None:
            break
    assert got == made[::-1]


def test_the_way_up_ends_at_the_signed_root(full: tuple[Ledger, list[dict[str, Any]]]) -> None:
    ledger, _ = full
    proving = Proving(ledger.database.reader, ledger.log)
    standing = proving.standing([0, 1, 1000, 2047, 2048])
    point = parse(standing.note)
    assert [at for at, _, _ in standing.entries] == [0, 1, 1000, 2047, 2048]
    for at, header, proof in standing.entries:
        steps = rungs(leaf_hash(header), index=at, size=point.size, proof=proof)
        assert steps[-1].made == point.root
        assert (steps[-1].made_low, steps[-1].made_high) == (0, point.size)


@pytest.mark.parametrize("agents", [2, 30], ids=["few", "many"])
def test_the_outcomes_of_few_and_of_many_agents_are_found(tmp_path: Path, agents: int) -> None:
    ledger = Ledger(tmp_path / "remit.db")
    decided: list[str] = []
    for start in range(0, STRETCH, 64):
        entries = []
        for at in range(start, start + 64):
            fields = {"agent": f"bot-{at % agents}", "decision": "allow"}
            entries.append(ledger.recorder.entry("decision", fields))
            decided.append(entries[-1].id)
            ended = {"agent": f"bot-{at % agents}", "decision": decided[-1], "outcome": f"ended-{at}"}
            entries.append(ledger.recorder.entry("outcome", ended))
        ledger.record(*entries)
    ledger.sequence()
    indexing, finder = Indexing(ledger.database.writer, ledger.database.reader), Finder(ledger.database.reader)
    while indexing.step():
        pass
    wanted = {each: finder.position(each) for each in decided[100:130]}
    found = finder.outcomes(wanted, {f"bot-{number}" for number in range(agents)})
    assert {each: found[each]["outcome"] for each in found} == {
        each: f"ended-{at}" for at, each in enumerate(decided[100:130], 100)
    }


def test_an_outcome_is_found_however_much_others_did_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, mine = Ledger(tmp_path / "remit.db"), list[str]()
    for burst in range(12):
        entries = []
        for at in range(40):
            decision = ledger.recorder.entry("decision", {"agent": "bot", "decision": "allow"})
            mine += [decision.id] if at == 20 else []
            entries += [decision, ledger.recorder.entry("outcome", {"agent": "bot", "decision": decision.id})]
        ledger.record(*(entries if burst else [*entries, ledger.recorder.entry("incident", {})]))
    ledger.sequence()
    monkeypatch.setattr(finding, "_READ", 50)
    finder = Finder(ledger.database.reader)
    places = {each: finder.position(each) for each in mine}
    assert set(finder.outcomes(places, {"bot"})) == set(mine)
