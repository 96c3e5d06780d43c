"""`remit policy simulate` as its users run it: real calls, either database, beside the data and without a server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.peers import behind, transfers, upstream
from tests.e2e.running import PATIENCE, Done, Home, ok

STOP = """@id("no-large")
@title("Transfers over 100 are made by people")
forbid (principal, action == Remit::Action::"payments/transfer", resource)
when { context.input.amount.greaterThan(decimal("100.0")) };
"""
COUNTS = """@id("no-counting")
forbid (principal, action == Remit::Action::"payments/count", resource);
"""
# What a process of the command may have done first: take another engine, smaller parts, or tell of progress at once.
OTHER_ENGINE = "import remit.policy.evaluate as e; e.VERSION = 99\n"
IN_PIECES = "import remit.server.simulating as s; s._PIECE = 4\n"
AT_ONCE = "import remit.cli.simulations as s; s._PATIENCE = 0\n"
MAIN = "from remit.cli.main import main; main()"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, home: Home) -> tuple[str, ...]:
    """What `remit up` is told of its database."""
    return () if request.param == "sqlite" else ("--database", str(request.getfixturevalue("postgres_url")))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), "json"]
    with upstream(command, os.environ, tmp_path / "server.log") as url:
        yield url


def wrote(root: Path, **files: str) -> Path:
    """A directory with these files; `a__b` for `a/b`."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def policy(root: Path, file: str, text: str) -> Path:
    return wrote(root, **{f"policies__{file}": text})


def boundary(root: Path, *allow: dict[str, Any]) -> Path:
    said = {"boundary": "bot-work", "agent": "bot", "purpose": "work", "allow": allow, "not_after": "2029-12-31"}
    return wrote(root, **{"boundaries__bot.yaml": json.dumps(said)})


def command(home: Home, before: str, *arguments: str) -> Done:
    """A `remit` whose process ran `before` first."""
    done = subprocess.run(
        [sys.executable, "-c", before + MAIN, *arguments],
        env=home.environ, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def settled(home: Home, tree: Path, *, counted: int) -> Any:
    """The report once every decision has its place in the log: counting comes last, and `tree` forbids it."""
    for _ in range(40):
        found = ok(home.remit("policy", "simulate", "--json")).json
        against = ok(home.remit("policy", "simulate", str(tree), "--json")).json
        if against["changes"] == {"narrow": counted} and found["decisions"] == against["decisions"]:
            return found
    raise AssertionError("not every decision got its place in the log")


def changes(home: Home, *arguments: str, code: int = 0) -> dict[str, int]:
    done = ok(home.remit("policy", "simulate", *arguments, "--json"), code)
    assert done.json["differs"] == []
    return dict(done.json["changes"])


def test_a_change_is_tried_on_what_was_decided(
    home: Home, tmp_path: Path, server: str, database: tuple[str, ...]
) -> None:
    data = database[1] if database else str(home.data)
    files, candidate = tmp_path / "files", tmp_path / "candidate"
    narrow = policy(candidate / "narrow", "count.cedar", COUNTS)
    with home.up("--dev", *database) as up:
        peer = behind(home, up, files, "payments", server, ["transfer", "count"])
        assert asyncio.run(transfers(peer)) == [False, False, False]
        first = settled(home, narrow, counted=1)
        ok(home.remit("apply", str(policy(files, "money.cedar", STOP))))
        assert asyncio.run(transfers(peer)) == [False, True, False]
        found = settled(home, narrow, counted=2)
        assert (found["reproduced"], found["differs"], found["not_replayable"]) == (found["decisions"], [], {})
        _candidates(home, candidate)
        # A plan that was made before the policy came is stale; one that was made now is not.
        tree = str(narrow)
        stale = ok(home.remit("policy", "simulate", tree, "--base", first["base"]), 9)
        assert f"--base {found['base']}" in stale.err
        ok(home.remit("policy", "simulate", tree, "--base", found["base"]))
        live = ok(home.remit("policy", "simulate", tree, "--json")).json
        _alike(home, tree, data, live)
    _without_a_server(home, tree, data, live)


def _candidates(home: Home, root: Path) -> None:
    """Policies, boundaries and entitlements as they might be."""
    narrow = policy(root / "narrow", "count.cedar", COUNTS)
    assert changes(home, str(narrow), "--fail-on", "widen") == {"narrow": 2}
    wide = policy(root / "wide", "money.cedar", "// nothing is forbidden\n")
    assert changes(home, str(wide)) == {"widen": 1}
    assert changes(home, str(wide), "--fail-on", "widen", code=9) == {"widen": 1}
    shown = ok(home.remit("policy", "simulate", str(wide), "--fail-on", "widen"), 9)
    assert "1 would be let through" in shown.out
    assert "forbidden_by_policy, no-large" in shown.out
    less = boundary(
        root / "less", {"action": "payments/transfer", "when": {"amount": {"max": "150.00"}}, "first_use": "auto"}
    )
    assert changes(home, str(less), "--fail-on", "widen") == {"narrow": 3}  # one transfer, and counting twice
    assert changes(home, str(less), "--prune", "--fail-on", "widen") == {"narrow": 3, "otherwise": 1}
    # It would have started again by itself: the first of the two calls started it for the first time.
    assert changes(home, "--lapse", "bot=payments/count", "--fail-on", "widen") == {"otherwise": 1}
    # What was never decided proves nothing, and a gate says so.
    empty = ok(home.remit("policy", "simulate", str(narrow), "--fail-on", "widen", "--since", "2031-01-01"), 9)
    assert "nothing was replayed" in empty.err
    late = ok(home.remit("policy", "simulate", str(narrow), "--since", "2031-01-01"))
    assert "nothing was replayed" in late.err
    free = ("--fail-on", "widen", "--at-least", "0")
    assert (
        "nothing was replayed" in ok(home.remit("policy", "simulate", str(narrow), *free, "--since", "2031-01-01")).err
    )
    assert "--at-least says 1000" in ok(home.remit("policy", "simulate", str(narrow), *free[:3], "1000"), 9).err


def _alike(home: Home, tree: str, data: str, live: Any) -> None:
    """Beside the data of the running server it comes to the same, byte for byte."""
    given = ("policy", "simulate", tree, "--data", data, "--keyfile", str(home.keyfile), "--json", "--processes")
    for processes in ("1", "2"):
        assert ok(home.remit(*given, processes)).json == live
        assert ok(command(home, IN_PIECES, *given, processes)).json == live


def _without_a_server(home: Home, tree: str, data: str, live: Any) -> None:
    given = ("policy", "simulate", tree, "--data", data, "--keyfile", str(home.keyfile))
    told = ok(command(home, AT_ONCE, *given, "--json"))
    assert "entries gone through ..." in told.err
    assert told.json["flips"] == live["flips"]
    # Made by another engine: nothing is claimed of these decisions.
    other = ok(command(home, OTHER_ENGINE, *given), 8)
    assert "another version of the engine" in other.err
    assert "--since" in other.err
    assert other.out == ""
    assert ok(home.remit(*given, "--lapse", "nobody=payments/count"), 3).out == ""
