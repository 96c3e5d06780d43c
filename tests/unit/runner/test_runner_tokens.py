"""Renewal, on a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from remit.kernel.errors import Forbidden, RemitError
from remit.runner.model import Issued, Unreachable
from remit.runner.tokens import Tokens


class Enough(Exception):
    """The scene is over."""


@dataclass
class Scene:
    """A server that gives tokens of 300 s, and a clock that only sleeping moves."""

    now: float = 1000.0
    asked_at: list[float] = field(default_factory=list)
    failures: list[RemitError] = field(default_factory=list)
    until: float = 2000.0
    jump: float = 0.0

    def issued(self) -> Issued:
        return Issued(f"token {len(self.asked_at)}", "run_1", "work", (), self.now, self.now + 300)

    async def ask(self) -> Issued:
        self.asked_at.append(self.now)
        if self.failures:
            raise self.failures.pop(0)
        return self.issued()

    async def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 30
        self.now += seconds + self.jump
        self.jump = 0
        if self.now >= self.until:
            raise Enough

    def tokens(self) -> Tokens:
        return Tokens(self.issued(), self.ask, now=lambda: self.now, sleep=self.sleep)


def kept(scene: Scene, tokens: Tokens) -> None:
    with pytest.raises(Enough):
        asyncio.run(tokens.keep())


def run(work: Coroutine[Any, Any, Issued]) -> Issued:
    return asyncio.run(work)


def test_a_token_is_renewed_ahead_of_its_end() -> None:
    scene = Scene()
    kept(scene, scene.tokens())
    assert scene.asked_at == [1225, 1450, 1675, 1900]


def test_after_a_sleep_of_the_machine_it_is_renewed_at_once() -> None:
    scene = Scene(jump=500, until=1600)
    kept(scene, scene.tokens())
    assert scene.asked_at == [1515]


def test_what_fails_is_tried_again_less_and_less_often() -> None:
    scene = Scene(failures=[Unreachable("gone"), Forbidden("frozen"), Unreachable("gone")], until=1300)
    tokens = scene.tokens()
    kept(scene, tokens)
    assert scene.asked_at == [1225, 1226, 1228, 1232]
    assert tokens.current.expires == 1532


def test_until_its_end_a_token_is_used_although_no_other_can_be_had() -> None:
    scene = Scene(failures=[Unreachable("gone")])
    tokens = scene.tokens()
    scene.now = 1299.9
    assert run(tokens.usable()).access_token == "token 0"
    scene.now = 1300
    with pytest.raises(Unreachable):
        run(tokens.usable())
    assert run(tokens.usable()).access_token == "token 2"


def test_many_who_find_the_same_old_token_ask_once() -> None:
    scene = Scene()

    async def all_at_once() -> set[str]:
        tokens = scene.tokens()
        old = tokens.current
        found = await asyncio.gather(*(tokens.renewed(old) for _ in range(10)))
        return {each.access_token for each in found}

    assert asyncio.run(all_at_once()) == {"token 1"}


def test_a_token_is_not_shown() -> None:
    assert "token" not in repr(Scene().issued())
