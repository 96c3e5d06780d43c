"""The live demo's rounds: an access that lapsed comes back to be seen, also if somebody froze its agent meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

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
