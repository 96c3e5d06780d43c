"""Real agent frameworks with scripted models behind `remit.sdk.adapters`, at a real `remit up`; needs PyPI.

One contract for all of them: the same calls end the same way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.running import PATIENCE, Home, Up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PINNED = (
    "langchain==1.5.2", "langchain-core==1.8.3", "langgraph==1.2.24", "pydantic-ai-slim==2.68.0",
    "openai-agents==0.24.0", "claude-agent-sdk==0.2.189", "httpx2==2.16.2", "jsonschema-rs", "msgspec", "cryptography",
)  # fmt: skip
FRAMEWORKS = ("langchain", "pydantic_ai", "openai_agents", "claude_agent")
GOOD = {"to": "Acme", "amount": 10.5, "currency": "EUR"}
CALLS = [("transfer", GOOD), ("transfer", {**GOOD, "amount": 501.0}), ("purge", {})]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def python() -> str:
    """The interpreter of a virtual environment that has the frameworks, made once and kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remit-peers"
    place = cache / "adapters"
    place.mkdir(parents=True, exist_ok=True)
    done = place / "done"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        if not done.exists() or done.read_text("utf-8") != "\n".join(PINNED):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place / "venv")], check=True, timeout=PATIENCE)
            pip = [str(place / "venv" / "bin" / "pip"), "install", "--quiet", *PINNED]
            made = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
            if made.returncode != 0:
                pytest.skip(f"PyPI is missing: the adapters were NOT tested: {made.stderr[-300:]}")
            done.write_text("\n".join(PINNED), encoding="utf-8")
    return str(place / "venv" / "bin" / "python")


@contextlib.contextmanager
def driven(python: str, home: Home, framework: str, case: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A process that drives one framework, once it was told the case."""
    script = Path(__file__).with_name("frameworks") / "driving.py"
    environ = home.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore"}
    with (home.path / f"{framework}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [python, str(script), framework], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            text=True,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


def said(process: subprocess.Popen[str], log: Path) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, log.read_text("utf-8")[-3000:]
    return json.loads(line)


def codes(told: list[str]) -> list[str]:
    """What the model reads of each call: the code of a denial, else the text."""
    return [
        json.loads(text[text.index("{") : text.rindex("}") + 1])["code"] if "{" in text else text.split()[0]
        for text in told
    ]


def test_the_same_calls_end_the_same_way_in_all_of_them(python: str, home: Home, served: Up, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    case = {"url": served.ready["api"], "key": str(files / "agents" / "invoice-bot"), "calls": CALLS}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(driven(python, home, name, case)) for name in FRAMEWORKS}
        logs = {name: home.path / f"{name}.log" for name in FRAMEWORKS}
        for name, process in running.items():
            first = said(process, logs[name])
            assert first["ran"] == ["transfer Acme 10.5 EUR"], (name, first)
            assert codes(first["told"]) == ["paid", "constraint_violated", "not_granted"], (name, first)
            found = [home.remit("why", each, "--json").json for each in first["decisions"]]
            assert [each["header"]["decision"] for each in found] == ["allow", "deny", "deny"], name
            assert {(each["header"]["pep"], each["header"]["cooperative"]) for each in found} == {
                ("sdk:invoice-bot", True)
            }, name
            assert found[0]["outcome"]["outcome"] == "ok", name
        served.end()
        for process in running.values():
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for name, process in running.items():
            last = said(process, logs[name])
            assert [each["ran"] for each in last.values()] == [[], [], []], (name, last)
            for why in ("stopped", "guard raises"):
                assert codes(last[why]["told"]) == ["enforcement_unavailable"], (name, last)
