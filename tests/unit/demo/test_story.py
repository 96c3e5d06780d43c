"""A step of the demo's story fails when what it tells was not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from remit.demo import story
from remit.demo.stage import NotSeenError, Stage
from remit.demo.stopping import Stopped
from remit.demo.story import Story

KEY = "the sealed key's hash"
READ = {"tool": "list_invoices", "authorization": KEY}
DENIED = {"result": "denied", "code": "constraint_violated", "decision": "dec_1", "remedies": ["change_arguments"]}
LOWERED = {"result": "ok", "arguments": {"amount": 500}}
PAID = {"tool": "transfer", "arguments": {"amount": 500.0}}
OK = {"result": "ok"}
SPENT = {"result": "denied", "code": "budget_exhausted"}
EXPORT = {"tool": "export_customers"}
REVOKED = {"result": "refused", "code": "revoked"}


class Bot:
    """Says what it was given, and what it does arrives at the server."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def tell(self, **_: Any) -> None:
        self._scene.lines += self._scene.arrive
        self._scene.arrive = []

    def hear(self) -> dict[str, Any]:
        return self._scene.heard.pop(0)


class Rotation:
    """`remit secret rotate`, which takes two looks."""

    def __init__(self, code: int) -> None:
        self.returncode = code
        self._looks = iter((None, code))

    def start(self, *_: Any, **__: Any) -> Rotation:
        return self

    def poll(self) -> int | None:
        return next(self._looks)


class Scene:
    """A stage without processes: what agents will say, and what will arrive upstream."""

    def __init__(self, heard: list[dict[str, Any]], arrive: list[dict[str, Any]]) -> None:
        self.heard = list(heard)
        self.arrive = arrive
        self.lines: list[dict[str, Any]] = []
        self.secret, self.environ = "old", dict[str, str]()
        self.processes = Rotation(0)
        self.keeps_old = False
        self.agents = {"invoice-bot": Bot(self), "support-bot": Bot(self)}

    def ledger(self, _server: str) -> list[dict[str, Any]]:
        return list(self.lines)

    def expected_authorization(self) -> str:
        return KEY

    def opens(self, _key: str) -> bool:
        return self.keeps_old or not self.lines

    def remit(self, *_: str, **__: Any) -> str:
        return '{"cut": ["the export"]}'


def play(step: Callable[[Story], Iterator[str]], heard: list[dict[str, Any]], arrive: list[dict[str, Any]]) -> None:
    list(step(Story(cast("Stage", Scene(heard, arrive)))))


@pytest.mark.parametrize(
    ("step", "heard", "arrive"),
    [
        (Story.read, [OK], [READ]),
        (Story.bound, [DENIED, LOWERED], [PAID]),
        (Story.budget, [OK, SPENT, OK], [PAID, PAID]),
        (Story.freeze, [REVOKED, REVOKED], [EXPORT]),
    ],
)
def test_what_was_seen_is_told(step: Any, heard: Any, arrive: Any) -> None:
    play(step, heard, arrive)


@pytest.mark.parametrize(
    ("step", "heard", "arrive", "missing"),
    [
        (Story.read, [SPENT], [READ], "invoice-bot reads"),
        (Story.read, [OK], [], "one more line"),
        (Story.read, [OK], [READ, READ], "one more line"),
        (Story.read, [OK], [READ | {"authorization": "the agent's token"}], "sealed key"),
        (Story.bound, [OK, LOWERED], [PAID], "900 is refused"),
        (Story.bound, [DENIED | {"code": "not_granted"}, LOWERED], [PAID], "900 is refused"),
        (Story.bound, [DENIED, LOWERED | {"arguments": {"amount": 900}}], [PAID], "500 is paid"),
        (Story.bound, [DENIED, LOWERED], [], "only the lower"),
        (Story.bound, [DENIED, LOWERED], [{"arguments": {"amount": 900.0}}, PAID], "only the lower"),
        (Story.budget, [OK, OK, OK], [PAID, PAID], "two pass"),
        (Story.budget, [OK, SPENT, SPENT], [PAID], "two pass"),
        (Story.budget, [OK, SPENT, OK], [PAID, PAID, PAID], "not 3"),
        (Story.freeze, [OK], [EXPORT], "is cut"),
        (Story.freeze, [REVOKED, OK], [EXPORT], "hears revoked"),
        (Story.freeze, [REVOKED, REVOKED], [READ], "is under way"),
        (Story.why, [], [], "names the argument"),
    ],
)
def test_what_was_not_seen_ends_the_story(step: Any, heard: Any, arrive: Any, missing: str) -> None:
    with pytest.raises(NotSeenError, match=missing):
        play(step, heard, arrive)


NEW = READ | {"authorization": "the new key's hash"}


def rotated(scene: Scene) -> None:
    list(Story.rotate(Story(cast("Stage", scene))))


def test_a_key_that_is_changed_is_seen_to_be() -> None:
    rotated(Scene([OK, OK], [READ, NEW]))


@pytest.mark.parametrize(
    ("heard", "arrive", "code", "keeps", "missing"),
    [
        ([SPENT, OK], [READ, NEW], 0, False, "reads meanwhile"),
        ([OK, SPENT], [READ, NEW], 0, False, "with the new key"),
        ([OK, OK], [READ, READ], 0, False, "two keys"),
        ([OK, OK], [READ, NEW], 1, False, "is done"),
        ([OK, OK], [READ, NEW], 0, True, "opens nothing"),
    ],
)
def test_a_key_that_is_not_changed_ends_the_story(
    heard: list[dict[str, Any]],
    arrive: list[dict[str, Any]],
    code: int,
    missing: str,
    *,
    keeps: bool,
) -> None:
    scene = Scene(heard, arrive)
    scene.processes, scene.keeps_old = Rotation(code), keeps
    with pytest.raises(NotSeenError, match=missing):
        rotated(scene)


def unseen(_story: Story) -> Iterator[str]:
    """Something happens."""
    yield "a first thing"
    raise NotSeenError("the second thing")


def broken(_story: Story) -> Iterator[str]:
    """Something breaks."""
    raise KeyError("tools")
    yield "never"


@pytest.mark.parametrize(
    ("steps", "code", "told"),
    [
        ((), 0, "All 0 steps were seen"),
        ((unseen, broken), 4, "1. Something happens\n     a first thing\n   x not seen: the second thing\n     logs: "),
        ((broken, unseen), 4, "1. Something breaks\n   x not seen: KeyError: 'tools'\n     logs: "),
    ],
)
def test_the_exit_code_is_four_if_a_step_is_not_seen(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    steps: Any,
    code: int,
    told: str,
) -> None:
    monkeypatch.setattr(story, "STEPS", steps)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert story.tell() == code
    assert capsys.readouterr().out.startswith(told)
    assert len(list(tmp_path.glob("remit-demo-*/logs"))) == (code == 4), "logs stay after a failure, and only then"


def test_an_interrupted_demo_leaves_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(_story: Story) -> Iterator[str]:
        raise Stopped
        yield "never"

    monkeypatch.setattr(story, "STEPS", (stopped,))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(Stopped):
        story.tell()
    assert list(tmp_path.iterdir()) == []
