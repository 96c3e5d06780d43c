"""Where the console's pages get what they show, and what they change: the API's own doors, as the person signed in.

A page can therefore show nothing, and its buttons do nothing, that this person could not do with a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from remit.console.sessions import Session
from remit.kernel.clock import Instant
from remit.kernel.errors import Forbidden, RemitError
from remit.policy.view import View


class Desk(Protocol):
    """Asks the API. Blocks: for worker threads."""

    def ask(
        self,
        operator: Any,  # noqa: ANN401 - the server's own value
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = ...,
        body: object = None,
        aside: bool = False,
    ) -> Mapping[str, Any]:
        """The answer of that door. `aside`: it was not this person who asked for it, but a page with more on it.

        Raises:
            Forbidden: This person may not; that is recorded, but for what a page asks aside.
            RemitError: Whatever the door says.
        """
        ...

    def refused(self, operator: Any, what: str, error: RemitError) -> None:  # noqa: ANN401 - as above
        """Record that something was refused to them before any door was asked.

        Raises:
            StorageUnavailable: It could not be recorded.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One request for a page."""

    session: Session
    desk: Desk
    view: View
    now: Instant
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str, **query: str) -> Mapping[str, Any]:
        """What the API answers to GET `path`. Raises RemitError."""
        return self.desk.ask(self.session.operator, "GET", path, query=query)

    def maybe(self, path: str, **query: str) -> Mapping[str, Any] | None:
        """As `get`, for a part of a page; None where this person may not see it. Raises RemitError."""
        try:
            return self.desk.ask(self.session.operator, "GET", path, query=query, aside=True)
        except Forbidden:
            return None

    def act(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        """Change something. Raises RemitError."""
        return self.desk.ask(self.session.operator, method, path, body=body)
