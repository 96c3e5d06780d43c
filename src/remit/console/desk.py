"""Where the console's pages get what they show, and what they change: the API's own doors, as the person signed in.

A page can therefore show nothing, and its buttons do nothing, that this person could not do with a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from remit.console.sessions import Session
from remit.kernel.clock import Instant
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
    ) -> Mapping[str, Any]:
        """The answer of that door.

        Raises:
            Forbidden: This person may not; that is recorded.
            RemitError: Whatever the door says.
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

    def act(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        """Change something. Raises RemitError."""
        return self.desk.ask(self.session.operator, method, path, body=body)
