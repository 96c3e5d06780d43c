"""The live demo's rounds: an access that lapsed comes back to be seen, also if somebody froze its agent meanwhile."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from remit.demo import live
from remit.demo.stopping import Stopped

ROUNDS = 12


class Scene:
    """A stage without processes. Counts rounds by their first step; `frozen` are those in which support-bot is."""

    def __init__(self, frozen: set[int]) -> None:
        self.frozen = frozen
        self.round = -1
        self.notes: list[int] = []
        self.agents = {name: Bot(self, name) for name in ("support-bot", "invoice-bot", "legacy-bot")}
        self.told: set[str] = set()

    def verdicts(self, _action: str) -> list[dict[str, Any]]:
        return []

    def activation(self, _action: str) -> str:
        return "active"


class Bot:
    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self._name = name
        self._step: dict[str, Any] = {}

    def tell(self, **step: Any) -> None:
        self._step = step
        if (self._name, step) == live.WORK[0]:
            self._scene.round += 1
            if self._scene.round == ROUNDS:
                raise Stopped
        if step == live.NOTE:
            self._scene.notes.append(self._scene.round)

    def hear(self) -> dict[str, Any]:
        frozen = self._name == "support-bot" and self._scene.round in self._scene.frozen
        said = {"agent": self._name, "tool": self._step["tool"], "arguments": {}}
        return said | ({"result": "refused", "code": "revoked"} if frozen else {"result": "ok"})


@pytest.mark.parametrize(
    ("frozen", "notes"),
    [
        (set(), [0, 6]),
        ({3, 4}, [0, 6]),
        ({6}, [0, 6, 7]),
        ({5, 6, 7, 8}, [0, 6, 7, 8, 9]),
    ],
)
def test_a_note_that_was_refused_is_written_in_the_next_round_that_lets_it(
    monkeypatch: pytest.MonkeyPatch, frozen: set[int], notes: list[int]
) -> None:
    scene = Scene(frozen)

    @contextmanager
    def opened(**_: Any) -> Iterator[Scene]:
        yield scene

    monkeypatch.setattr(live, "opened", opened)
    monkeypatch.setattr(live, "PAUSE", 0)
    monkeypatch.setattr(live, "_start", lambda *_: None)
    monkeypatch.setattr(live, "_cut", lambda *_: None)
    with pytest.raises(Stopped):
        live.run()
    assert scene.notes == notes


# where the machine stops -------------------------------------------------------------------------


class People(Scene):
    """One whose commands are noted; `states` is how the note's access stands when it is asked for, in turn."""

    def __init__(self, files: Path, *states: str, frozen: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        super().__init__(set(frozen))
        self.files, self.states, self.typed = files, list(states), list[str]()

    def activation(self, _action: str) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def remit(self, *arguments: str) -> str:
        self.typed.append(" ".join(arguments))
        asked = {"kind": "toxic", "agent": "support-bot", "recommendation": "narrow", "assigned": "dana"}
        return json.dumps({"questions": [{"question": "qst_1", **asked}]})


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(live, "PAUSE", 0)
    monkeypatch.setattr(live, "_cut", lambda *_: None)
    return written


def play(scene: People, written: io.StringIO) -> live.Scenes:
    scenes = live.Scenes(Console(file=written, highlight=False, width=200), scene)  # type: ignore[arg-type]
    for turn in range(ROUNDS):
        live._round(scenes, turn)
    return scenes


def test_what_lapsed_is_refused_while_something_is_wrong_and_then_a_person_is_asked(
    tmp_path: Path, shown: io.StringIO
) -> None:
    scene = People(tmp_path, "active", "lapsed")
    scenes = play(scene, shown)
    assert scene.typed == [
        "agent signal support-bot anomaly",
        "agent signal support-bot denied_often",
        "agent signal support-bot anomaly --over",
        "agent signal support-bot denied_often --over",
        f"apply {tmp_path}",
        "review list --all --json",
    ]
    assert scene.notes == [0, 6, 9, 10], "refused in the ninth, and written in the next"
    assert (tmp_path / "combinations" / "crm.yaml").exists()
    assert scenes.asked
    for command in ("remit review list --all", "remit review show qst_1", "remit review narrow qst_1 --as dana"):
        assert command in shown.getvalue()


def test_nothing_of_it_is_shown_before_its_access_has_lapsed(tmp_path: Path, shown: io.StringIO) -> None:
    scene = People(tmp_path, "active")
    assert not play(scene, shown).refused
    assert scene.typed == []


def test_nobody_is_asked_before_its_access_is_back(tmp_path: Path, shown: io.StringIO) -> None:
    scene = People(tmp_path, "lapsed", frozen=set(range(9, ROUNDS)))
    scenes = play(scene, shown)
    assert (scenes.refused, scenes.owed, scenes.told) == (True, True, False)
