"""The API's doors for the console: the same steps as a request takes, without the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import compile_path

from remit.kernel.errors import Forbidden, NotFound, RemitError
from remit.server.door import Ask, Door, checked, passed
from remit.server.operators import Authority, Operator


class DoorDesk:
    """Asks doors. Any worker thread.

    Args:
        doors: All of them.
        authority: Says who may what.
        noted: Records who was refused; raises StorageUnavailable.
    """

    def __init__(
        self, doors: Sequence[Door], authority: Authority, noted: Callable[[str, RemitError, str], None]
    ) -> None:
        self._doors = [(compile_path(door.path), door) for door in doors]
        self._authority = authority
        self._noted = noted

    def ask(
        self,
        operator: Operator,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        aside: bool = False,
    ) -> Mapping[str, Any]:
        """The answer of one door.

        Raises:
            NotFound: There is no such door.
            Forbidden: This person may not; that is recorded, but for what a page asks aside.
            RemitError: Whatever the door says.
        """
        door, params = self._door(method, path)
        said = checked(body or {}, door.fields) if door.body == "json" else body
        ask = Ask(operator=operator, path=params, query=dict(query or {}), body=said)
        try:
            found = passed(door, ask, self._authority)
        except Forbidden as error:
            if not aside:
                self._noted(f"{door.method} {door.path}", error, operator.person)
            raise
        return json.loads(bytes(found.body)) if isinstance(found, Response) else found

    def refused(self, operator: Operator, what: str, error: RemitError) -> None:
        """Record that something was refused to them before any door was asked.

        Raises:
            StorageUnavailable: It could not be recorded.
        """
        self._noted(what, error, operator.person)

    def _door(self, method: str, path: str) -> tuple[Door, dict[str, str]]:
        for (pattern, _, convertors), door in self._doors:
            if door.method == method and (match := pattern.match(path)):
                found = match.groupdict()
                return door, {name: str(convertors[name].convert(value)) for name, value in found.items()}
        raise NotFound("there is nothing here", detail=f"{method} {path}"[:200])
