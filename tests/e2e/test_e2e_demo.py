"""The demo as a user runs it: what it prints, what its printed commands do, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.running import PATIENCE, REMIT, Home

SHELL = {"PATH": "/usr/bin:/bin", "NO_COLOR": "1"}  # a second terminal that knows nothing of this checkout
NEXT = "Ctrl-C stops everything."
STEPS = [
    "Remit, two MCP servers and three agents start",
    "An agent reads",
    "A transfer above its bound is refused",
    "Three transfers at once against a budget that fits two",
    "An access that nobody uses lapses by itself",
    "Something is wrong with the agent",
    "What only a person can weigh is asked",
    "The key of payments is changed while an agent works",
    "A server changes a tool's definition",
    "A person freezes an agent",
    "Why was it refused?",
    "The log proves itself",
    "Someone with the database changes one byte of a recorded entry",
]


class Demo:
    """A running `remit demo` whose files are all in one folder."""

    def __init__(self, home: Home, *arguments: str, **environ: str) -> None:
        self.folder = home.path
        self.process = subprocess.Popen(
            [REMIT, "demo", *arguments],
            env=home.environ | {"TMPDIR": str(home.path), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a process group of its own, as in a terminal
        )

    def line(self, *parts: str) -> str:
        """The next line that has all these parts."""
        return self.lines(*parts)[-1]

    def lines(self, *parts: str) -> list[str]:
        """What it prints, up to the next line that has all these parts."""
        assert self.process.stdout is not None
        found: list[str] = []
        for line in self.process.stdout:
            found.append(line)
            if all(part in line for part in parts):
                return found
        raise AssertionError(f"the demo ended (exit code {self.process.wait()}) without {parts}: {''.join(found)}")

    def rest(self) -> str:
        """What it still prints until it ends."""
        out, _ = self.process.communicate(timeout=3 * PATIENCE)  # a whole story, and perhaps another beside it
        return out

    def children(self) -> dict[int, int]:
        """Its processes, found by the folder in their command lines: pid to a descriptor that tells their end."""
        found = {}
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                pid = int(place.parent.name)
                if str(self.folder).encode() in place.read_bytes():
                    found[pid] = os.pidfd_open(pid)
        return found


@pytest.fixture
def demo(home: Home) -> Iterator[Demo]:
    """A live demo that has said what to type next; stopped at the end if it still runs."""
    running = Demo(home)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
    running.rest()


def ended(descriptor: int, *, seconds: float) -> bool:
    """Whether the process ends within that time."""
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def ports(folder: Path) -> set[int]:
    """The ports of the demo's three servers, from its own files."""
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("remit-demo-*/estate/servers/*.yaml")]
    texts += [path.read_text(encoding="utf-8") for path in folder.glob("remit-demo-*/remit/instance.json")]
    return {int(port) for text in texts for port in re.findall(r"http://127\.0\.0\.1:(\d+)", text)}


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(400)
@pytest.mark.slow  # `make test` tells one story after the tests
def test_two_demos_at_once_tell_the_whole_story(home: Home) -> None:
    demos = [Demo(home, "--once"), Demo(home, "--once")]
    for running, said in [(each, each.rest()) for each in demos]:  # both have ended before one is judged
        assert running.process.returncode == 0, said
        told = re.findall(r"^(\d+)\. (.*)$", said, re.MULTILINE)
        assert [int(number) for number, _ in told] == list(range(1, len(STEPS) + 1))
        assert all(line.startswith(step) for (_, line), step in zip(told, STEPS, strict=True)), told
        assert said.splitlines()[-1].startswith(f"All {len(STEPS)} steps were seen from outside")
        assert "not seen" not in said
    assert list(home.path.iterdir()) == [], "no file is left"


def test_a_step_that_is_not_seen_ends_it_with_four(home: Home, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "mcp"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no MCP SDK here')\n", encoding="utf-8")
    demo = Demo(home, "--once", PYTHONPATH=str(broken.parent))
    said = demo.rest()
    assert demo.process.returncode == 4, said
    assert "x not seen: " in said
    logs = Path(said.split("logs: ")[1].strip())
    assert "no MCP SDK here" in (logs / "crm.log").read_text(encoding="utf-8")
    assert demo.children() == {}


def commands(said: list[str]) -> tuple[str, dict[str, str]]:
    """The `export` line, and each printed command by its first word after `remit`. The browser's link comes first."""
    link, *printed = [re.split(r"\s{2,}", line.strip())[0] for line in said if line.startswith("  ")]
    assert "/console?login=" in link
    return printed[0], {command.split()[1]: command for command in printed[1:]}


def test_the_commands_it_prints_work_from_a_second_terminal(demo: Demo) -> None:
    export, typed = commands(demo.lines(NEXT))
    assert export.startswith("export ")
    assert set(typed) == {"freeze", "unfreeze", "why", "can", "activation", "mandate", "review", "audit", "doctor"}

    def enter(word: str) -> str:
        script = f"{export}\n{typed[word]}"
        done = subprocess.run(
            ["bash", "-c", script], env=SHELL, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == (10 if word == "can" else 0), (script, done.stdout, done.stderr)
        return done.stdout + done.stderr

    demo.line("invoice-bot", "✗ constraint_violated")
    assert typed["why"] == "remit why DECISION"
    typed["why"] = demo.line("remit why dec_").strip()
    assert "invoice-bot was denied payments/transfer" in enter("why")
    assert "constraint_violated" in enter("can")
    assert "legacy-bot" in enter("doctor")
    assert "crm/update_note" in enter("activation")
    assert "amount" in enter("mandate")
    assert "open questions" in enter("review"), "none so far"
    assert "root" in enter("audit")
    enter("freeze")
    demo.line("support-bot", "✗ revoked")
    enter("unfreeze")
    demo.line("support-bot", "✓ allowed")
    # The day's budget is spent in the third round. From then on the agent does as it is told.
    assert "transfer: budget_exhausted, for another " in demo.line("invoice-bot", "… waits")
    assert "list_invoices()" in demo.line("invoice-bot", "✓ allowed")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_however_it_ends_nothing_keeps_running(demo: Demo, number: signal.Signals) -> None:
    demo.lines(NEXT)
    children, used = demo.children(), ports(demo.folder)
    assert len(children) == 6, "Remit, two servers, three agents"
    assert len(used) == 3
    assert all(map(listening, used))
    os.killpg(demo.process.pid, number)
    said = demo.rest()
    killed = number == signal.SIGKILL
    assert demo.process.returncode == (-number if killed else 0), said
    # Killed, it can wait for nobody: the system tells its children, which end by themselves.
    assert all(ended(child, seconds=PATIENCE if killed else 0) for child in children.values())
    assert not any(map(listening, used))
    if not killed:
        assert said.endswith("Stopped; nothing is left running.\n")
        assert list(demo.folder.iterdir()) == [], "no file is left"


def test_the_story_can_be_interrupted(home: Home) -> None:
    demo = Demo(home, "--once")
    demo.line("agents ready")
    children = demo.children()
    os.killpg(demo.process.pid, signal.SIGINT)
    said = demo.rest()
    assert demo.process.returncode == 130, said
    assert all(ended(child, seconds=0) for child in children.values())
    assert list(home.path.iterdir()) == [], "no file is left"
