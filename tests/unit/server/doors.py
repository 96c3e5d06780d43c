"""The doors and the routes of a real composition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, Router

from remit.server import compose
from remit.server.app import App
from remit.server.door import Door, Porch
from remit.server.settings import Settings


@contextmanager
def composed(folder: Path) -> Iterator[tuple[list[Door], list[BaseRoute]]]:
    """All of a Remit that keeps its things in `folder`, which is empty."""
    folder.chmod(0o700)
    doors: list[Door] = []
    route = Porch.route

    def noting(self: Porch, door: Door) -> Route:
        doors.append(door)
        return route(self, door)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Porch, "route", noting)
        settings = Settings(data=folder, keyfile=folder / "keyfile")
        remit = compose.build(settings, base="http://127.0.0.1:8470", listener=("127.0.0.1", 8470))
        assert isinstance(remit.app, App)
        assert isinstance(remit.app.rest, Starlette)
        later = remit.later.load()
        assert isinstance(later, Router)
        yield doors, [*remit.app.rest.routes, *later.routes]
    remit.life.database.close()
