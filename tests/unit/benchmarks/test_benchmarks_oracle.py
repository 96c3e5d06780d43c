from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks.history.catalog import WEIGHT
from benchmarks.history.days import date, day_of, moment, next_working, working
from benchmarks.history.generate import generate
from benchmarks.history.idle import live, review, window
from benchmarks.history.oracle import judge, text
from benchmarks.history.reading import Grant, Unreadable, Use, World, usable, world
from tests.unit.benchmarks.toy_engine import NEVER, TTL, Row, Said, Toy, named, write

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    generate(folder, seed=1, agents=12, days=180, stolen=1)
    return folder


@pytest.fixture(scope="module")
def truth(history: Path) -> World:
    return world(history)


@pytest.fixture
def judged(history: Path, tmp_path: Path) -> Callable[[Said], Row]:
    def judged(said: Said) -> Row:
        write(said, tmp_path)
        return judge(history, tmp_path)

    return judged


def test_an_engine_that_keeps_the_rules_passes(judged: Callable[[Said], Row], truth: World) -> None:
    found = judged(Toy(truth, TTL).said)
    assert found["broken"] == []
    assert found["ok"], found["floors"]
    assert found["unused"]["share"] == 1.0
    assert found["tasks"]["critical_only"] > 0
    for theft in found["thieves"]:
        last = theft["reach"][-1]
        assert 0 < last["direct"] + last["latent"] <= last["without"]
        assert theft["reach"][0]["latent"] > 0
        assert (theft["outside_got"], theft["outside_tried"]) == (0, 4)
    assert "unused withdrawn" in text(found)


def test_what_others_do_is_worked_out_on_the_same_history(judged: Callable[[Said], Row], truth: World) -> None:
    found = judged(Toy(truth, TTL).said)["compared"]
    granted, short, middle = found["as granted"], found["idle 30 d"], found["idle 90 d"]
    assert (granted["withdrawn"], granted["failed"]) == (0, 0)
    assert short["share"] == 1.0
    assert short["failed"] > middle["failed"] > 0
    assert granted["thieves_got"] > middle["thieves_got"] > short["thieves_got"]
    assert 0 < found["quarterly review"]["share"] < 1


def test_an_idle_window_breaks_a_task_until_a_person_has_answered() -> None:
    key = ("a", "p", "s/t")
    used = [moment(day, 36_000) for day in (1, 40, 41, 44)]
    assert [working(day) for day in (40, 41, 42, 43)] == [False, False, True, True]
    grant = Grant(key=key, tier="low", granted=moment(0), ends=moment(900))
    grant.uses = [Use(seq=seq, at=at, key=key, run="r", thief="") for seq, at in enumerate(used)]
    life = live(grant, window(30), moment(80))
    assert life.refused == {1, 2}
    assert life.stood == [(moment(0), moment(31, 36_000)), (next_working(used[1]), moment(74, 36_000))]
    assert life.gone
    assert not live(grant, window(40), moment(80)).refused


def test_a_review_comes_with_the_quarter_that_follows_90_idle_days() -> None:
    assert date(day_of(review(moment(0)))).isoformat() == "2026-04-01"
    assert date(day_of(review(moment(31)))).isoformat() == "2026-04-01"
    assert date(day_of(review(moment(32)))).isoformat() == "2026-07-01"
    assert date(day_of(review(moment(230)))).isoformat() == "2027-01-01"


# The oracle, on engines that cheat.


def only(found: Row, floor: str) -> bool:
    return [name for name, holds in found["floors"].items() if not holds] == [floor]


def test_withdrawing_nothing_is_seen(judged: Callable[[Said], Row], truth: World) -> None:
    found = judged(Toy(truth, NEVER).said)
    assert only(found, "unused withdrawn")
    assert found["unused"]["withdrawn"] < 0.2 * found["unused"]["due"]


def test_saying_nothing_is_seen(judged: Callable[[Said], Row]) -> None:
    found = judged({"transitions": [], "refused": [], "series": []})
    assert not found["ok"]
    assert any("outside an entitlement" in each for each in found["broken"])


def test_withdrawing_everything_breaks_tasks(judged: Callable[[Said], Row], truth: World) -> None:
    said = Toy(truth, TTL).said
    said["transitions"] = [
        {"at": each.granted, **named(each.key), "from": "active", "to": "revoked", "reason": "", "by": "engine"}
        for each in truth.grants.values()
    ]
    said["refused"] = [{"at": use.at, "seq": use.seq, **named(use.key), "refusal": "not_granted"} for use in truth.uses]
    none = dict.fromkeys((*said["series"][0],), 0)
    said["series"] = [{**none, "day": row["day"], "agents": {}} for row in said["series"]]
    found = judged(said)
    assert found["floors"] == {"consistent": False, "unused withdrawn": True, "failed tasks outside critical": False}
    assert all("for no cause" in each for each in found["broken"])
    assert (
        found["tasks"]["failed"] + found["tasks"]["stopped_while_signalled"]
        == found["tasks"]["runs"] - (found["tasks"]["critical_only"])
    )


def test_withdrawing_all_that_is_used_at_the_last_moment_is_seen(judged: Callable[[Said], Row], truth: World) -> None:
    toy = Toy(truth, NEVER)
    for grant in truth.grants.values():
        if toy.steps[grant.key][-1][1] == "active":
            toy.change(grant, truth.end - 1, "lapsed", "engine")
    assert any("lapses too early" in each for each in judged(toy.said)["broken"])


def test_a_refused_task_is_a_failed_one(judged: Callable[[Said], Row], truth: World) -> None:
    toy = Toy(truth, TTL)
    own = {use.seq for use in truth.uses if not use.thief and truth.grants[use.key].tier != "critical"}
    brought = [row for row in toy.said["transitions"] if row["by"] == "use"]
    some = {(row["at"], row["agent"]) for row in brought if not truth.signals[row["agent"]]}
    use = next(use for use in truth.uses if (use.at, use.key[0]) in some and use.seq in own)
    toy.refuse(use, "attest")
    after = [row for row in toy.said["transitions"] if row["at"] >= use.at and _is(row, use)]
    toy.said["transitions"] = [row for row in toy.said["transitions"] if row not in after]
    found = judged(toy.said)
    assert found["tasks"]["failed"] == 1
    assert found["tasks"]["refused_calls_by_reason"] == {"attest": 1}


def _is(row: Row, use: Use) -> bool:
    return (row["agent"], row["purpose"], row["action"]) == use.key


def test_a_lapse_within_days_is_too_early(judged: Callable[[Said], Row], truth: World) -> None:
    found = judged(Toy(truth, dict.fromkeys(TTL, 3)).said)
    assert not found["floors"]["consistent"]
    assert any("lapses too early" in each for each in found["broken"])


def _keep_quiet(said: Said, truth: World) -> str:
    """Refusals of a real task are left out."""
    own = {use.seq for use in truth.uses if not use.thief}
    said["refused"] = [row for row in said["refused"] if row["seq"] not in own]
    return "is allowed and"


def _no_reactivation(said: Said, _: World) -> str:
    """Lapsed, and used all the same."""
    said["transitions"] = [row for row in said["transitions"] if row["by"] != "use"]
    return "was lapsed"


def _invented(said: Said, _: World) -> str:
    said["refused"].append({**said["refused"][0], "seq": 10**9})
    return "seq 1000000000 is refused and is no use"


def _twice(said: Said, _: World) -> str:
    said["refused"].append(said["refused"][0])
    return "is refused twice"


def _another(said: Said, _: World) -> str:
    said["refused"][0] = {**said["refused"][0], "action": "wiki/list_page"}
    return "with another entitlement"


def _outside(said: Said, truth: World) -> str:
    outside = {use.seq for use in truth.uses if use.key not in truth.grants}
    said["refused"] = [row for row in said["refused"] if row["seq"] not in outside]
    return "is allowed outside an entitlement"


def _thief_known(said: Said, truth: World) -> str:
    """Only a thief's calls of what is in force are refused, which no engine could tell from the agent's own."""
    refused = {row["seq"] for row in said["refused"]}
    said["refused"] += [
        {"at": use.at, "seq": use.seq, **named(use.key), "refusal": "risk"}
        for use in truth.uses
        if use.thief and use.seq not in refused
    ]
    return "was in force, or that is not why"


def _critical(said: Said, truth: World) -> str:
    critical = {key for key, grant in truth.grants.items() if grant.tier == "critical"}
    for use in truth.uses:
        if use.key in critical and not use.thief:
            change = {"from": "lapsed", "to": "active", "reason": "", "by": "use"}
            said["transitions"].append({"at": use.at, **named(use.key), **change})
    said["refused"] = [row for row in said["refused"] if (row["agent"], row["purpose"], row["action"]) not in critical]
    return "is put in force by a use, which cannot be"


def _by_a_person(said: Said, _: World) -> str:
    said["transitions"] = [{**row, "by": "person"} for row in said["transitions"]]
    return "changed by a person who is not in the history"


def _jump(said: Said, _: World) -> str:
    said["transitions"][0] = {**said["transitions"][0], "from": "at_risk"}
    return "leaves at_risk and was active"


def _small_sums(said: Said, _: World) -> str:
    said["series"] = [{**row, "direct": row["direct"] // 2} for row in said["series"]]
    return "not between"


def _small_agents(said: Said, _: World) -> str:
    said["series"] = [{**row, "agents": {}} for row in said["series"]]
    return "direct of agent-000"


def _short_series(said: Said, _: World) -> str:
    del said["series"][17]
    return "the series lacks 2025-12-18"


def _no_latent(said: Said, _: World) -> str:
    """What comes back by itself is counted as what a person must give back."""
    for row in said["series"]:
        row["latent"], row["person"] = 0, row["person"] + row["latent"]
    return "could come back"


def _all_suspended(said: Said, truth: World) -> str:
    """Everything is stopped at the last moment."""
    for grant in truth.grants.values():
        changes = [row for row in said["transitions"] if named(grant.key).items() <= row.items()]
        if not changes or changes[-1]["to"] == "active":
            change = {"from": "active", "to": "suspended", "reason": "", "by": "engine"}
            said["transitions"].append({"at": truth.end, **named(grant.key), **change})
    return "is suspended for no cause"


def _no_suspension(said: Said, _: World) -> str:
    said["refused"] = [row for row in said["refused"] if row["refusal"] != "suspended"]
    return "is allowed under a critical signal"


CHEATS = (
    _keep_quiet, _no_reactivation, _invented, _twice, _another, _outside, _thief_known, _critical, _by_a_person, _jump,
    _small_sums, _small_agents, _short_series, _no_suspension, _no_latent, _all_suspended,
)  # fmt: skip


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.__name__)
def test_a_lie_is_named(
    cheat: Callable[[Said, World], str], history: Path, truth: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.history.oracle._SHOWN", 1000)
    said = Toy(truth, TTL).said
    sentence = cheat(said, truth)
    write(said, tmp_path)
    found = judge(history, tmp_path)
    assert not found["floors"]["consistent"]
    assert any(sentence in each for each in found["broken"]), found["broken"][:5]


def test_the_exit_code_says_whether_it_holds(history: Path, truth: World, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/history/oracle.py"), str(history), str(tmp_path), "--json"]
    missing = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (missing.returncode, "unreadable" in json.loads(missing.stdout)) == (1, True)
    for ttl, code in ((NEVER, 1), (TTL, 0)):
        write(Toy(truth, ttl).said, tmp_path)
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, json.loads(done.stdout)["ok"]) == (code, code == 0)


def test_a_line_that_is_no_object_or_lacks_something_is_unreadable(history: Path, tmp_path: Path) -> None:
    for line in ("[1]", "{", '{"seq": 1}'):
        (tmp_path / "refused.jsonl").write_text(line + "\n", encoding="utf-8")
        with pytest.raises(Unreadable):
            judge(history, tmp_path)


def test_a_question_to_a_person_stops_critical_and_high_only() -> None:
    assert [usable("needs_human", tier) for tier in WEIGHT] == [False, False, True, True]
    assert all(usable(state, "high") for state in ("active", "expiring", "needs_usage", "at_risk"))
    assert not any(usable(state, "low") for state in ("lapsed", "revoked", "suspended", "new"))
