from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks.history.catalog import WEIGHT
from benchmarks.history.days import DAY, HOUR, date, day_of, moment, month_ends, quarters
from benchmarks.history.generate import generate
from benchmarks.history.reading import Key, Use, World, rows, world

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    generate(folder, seed=1, agents=12, days=180, stolen=1)
    return folder


@pytest.fixture(scope="module")
def truth(history: Path) -> World:
    return world(history)


def test_the_same_seed_gives_the_same_bytes(history: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/history/generate.py"), "--small", "--out", str(tmp_path / "a")]
    assert json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["agents"] == 12
    generate(tmp_path / "b", seed=2, agents=12, days=180, stolen=1)
    for name in ("history.jsonl", "labels.jsonl", "thief.jsonl"):
        first = (history / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() == first
        assert (tmp_path / "b" / name).read_bytes() != first


def test_every_line_has_what_the_format_page_asks_for(history: Path) -> None:
    needed, optional = _page()
    always = {"kind", "at", "source", "seq"}
    seen = set()
    for number, line in enumerate(rows(history / "history.jsonl"), 1):
        kind = line["kind"]
        seen.add(kind)
        assert always | needed[kind] <= set(line) <= always | needed[kind] | optional[kind], line
        assert (line["seq"], line["source"]) == (number, "estate")
        assert re.fullmatch(r"[a-z0-9-]{1,63}/[a-z_]+", line.get("action", "a/b"))
        assert line.get("tier", "low") in WEIGHT
    assert seen == set(needed) - {"breakglass", "reactivated"}  # what other sources tell, and a history need not


def _page() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The needed and the optional members of each kind, from the table of docs/usage-format.md."""
    needed: dict[str, set[str]] = {}
    optional: dict[str, set[str]] = {}
    page = (ROOT / "docs/usage-format.md").read_text(encoding="utf-8")
    for kind, members in re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE):
        if members == "the same":
            needed[kind], optional[kind] = needed["use"], optional["use"]
            continue
        named = re.findall(r"`(\w+)`(\??)", re.sub(r"\(.*?\)", "", members))
        needed[kind] = {name for name, mark in named if not mark}
        optional[kind] = {name for name, mark in named if mark}
    return needed, optional


def test_the_source_tells_everything_in_the_order_of_time(history: Path) -> None:
    lines = list(rows(history / "history.jsonl"))
    assert all(earlier["at"] < later["at"] for earlier, later in itertools.pairwise(lines))
    covered = [(line["from"], line["to"]) for line in lines if line["kind"] == "coverage"]
    assert covered == [(moment(day), moment(day + 1)) for day in range(180)]
    assert lines[-1]["at"] < moment(180) + HOUR


def test_every_entitlement_has_one_label_and_all_labels_occur(history: Path, truth: World) -> None:
    labels = list(rows(history / "labels.jsonl"))
    assert len(labels) == len(truth.grants)
    expected = {"steady", "quarterly", "seasonal", "month_end", "fading", "unused", "toxic", "critical_rare"}
    assert {row["label"] for row in labels} == expected
    assert 0.5 < sum(row["label"] == "unused" for row in labels) / len(labels) < 0.7


def test_labels_say_what_happened(history: Path, truth: World) -> None:
    for row in rows(history / "labels.jsonl"):
        grant = truth.grants[row["agent"], row["purpose"], row["action"]]
        own = [use for use in grant.uses if not use.thief]
        assert all(grant.granted < use.at < grant.ends for use in own)
        if row["label"] == "unused":
            assert not own
        elif row["label"] == "fading":
            assert date(day_of(own[-1].at)).isoformat() == row["last_day"]
        elif row["label"] != "toxic":
            assert own
        if row["label"] == "critical_rare":
            assert grant.tier == "critical"
        if row["label"] == "quarterly":
            turns = [quarter for shift in (0, 1, 2) for quarter in quarters(0, 180, shift)]
            assert {day_of(use.at) for use in own} <= {day for quarter in turns for day in quarter}
        if row["label"] == "month_end":
            assert {day_of(use.at) for use in own} <= {day for turn in month_ends(0, 180) for day in turn}


def test_runs_use_several_actions_and_belong_to_one_agent(truth: World) -> None:
    runs: dict[str, set[Key]] = defaultdict(set)
    for use in truth.uses:
        runs[use.run].add(use.key)
    assert all(len({key[0] for key in keys}) == 1 for keys in runs.values())
    assert sum(len(keys) > 1 for keys in runs.values()) > len(runs) / 2


def test_toxic_pairs_are_named_by_a_signal(history: Path) -> None:
    pairs: dict[str, set[str]] = defaultdict(set)
    for row in rows(history / "labels.jsonl"):
        if row["label"] == "toxic":
            pairs[row["agent"]].add(row["action"])
    lines = rows(history / "history.jsonl")
    told = [line for line in lines if line["kind"] == "signal" and line["signal"] == "toxic_combination" and line["on"]]
    assert {line["agent"]: set(line["about"].split("+")) for line in told} == pairs


def test_a_thief_tries_everything_within_hours_and_what_was_never_granted(history: Path, truth: World) -> None:
    tried: dict[str, list[Use]] = defaultdict(list)
    for use in truth.uses:
        if use.thief:
            tried[use.thief].append(use)
    assert len(list(rows(history / "thief.jsonl"))) == sum(map(len, tried.values()))
    assert set(tried) == {"detected", "unnoticed"}
    for uses in tried.values():
        since = uses[0].at
        held = {key for key, grant in truth.grants.items() if key[0] == uses[0].key[0] and grant.granted < since}
        assert held <= {use.key for use in uses if use.at < since + 8 * HOUR}
        assert any(use.key not in truth.grants for use in uses)
        assert uses[-1].at > since + 2 * DAY
    names = {use.thief: use.key[0] for uses in tried.values() for use in uses}
    assert [name for name, _, on in truth.signals[names["detected"]] if on][-2:] == ["anomaly", "critical"]
    assert "critical" not in {name for name, *_ in truth.signals[names["unnoticed"]]}
