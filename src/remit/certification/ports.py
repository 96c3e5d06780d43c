"""What certification needs of the rooms above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from remit.certification.rightsizing.proposal import Observed
from remit.kernel.names import AgentName
from remit.people.change import Actor
from remit.storage.ports import Transaction


class Asker(Protocol):
    """Asks people (bound to the reviews room)."""

    def ask(self, tx: Transaction, *, kind: str, agent: str, about: str, why: str, facts: Mapping[str, Any]) -> None:
        """Ask, within a change, unless the same (kind, about) is open already.

        Args:
            tx: The change.
            kind: What is asked, such as `needs_human` or `usage_doubted`.
            agent: Whose access it is about; "" for what concerns several.
            about: An activation's id, a boundary, a server.
            why: The machine's reason, one word of the certification record.
            facts: What the person is shown; canonical JSON values.
        """
        ...


class Signaller(Protocol):
    """Keeps what was noticed about agents (bound to the agents room)."""

    def signal_within(
        self, tx: Transaction, name: str, signal: object, *, about: str = "", on: bool = True, by: Actor,
        own: bool = False,
    ) -> object:  # fmt: skip
        """Say that something was noticed about an agent, or that it is over; what is so already stays so.

        With `own`, only what the same actor raised is ended.
        """
        ...


class Nobody:
    """Nobody is asked and nothing is set to work: for what runs without people (a simulation, a unit test)."""

    def ask(self, tx: Transaction, **_question: Any) -> None:  # noqa: ANN401 - an Asker's
        """Ask nobody."""

    def begin(self, tx: Transaction, **_withdrawal: Any) -> None:  # noqa: ANN401 - a Withdrawer's
        """Begin nothing."""


class Withdrawer(Protocol):
    """Begins the one cascade that takes access away everywhere (bound to `certification/withdrawal/withdraw`)."""

    def begin(self, tx: Transaction, *, agent: str, cause: str, what: Mapping[str, Any]) -> None:
        """Begin, within the change that made the decision: from its commit on the next call is denied.

        Args:
            tx: The change.
            agent: Whose access ends.
            cause: Why, such as `agent_retired`, `boundary_ended`, `idle`, `credential_exposed`.
            what: Which entitlements: `{"purpose", "action", "scope"}` members that are missing mean all.
        """
        ...


class ObservedUses(Protocol):
    """Use that was imported from elsewhere (bound to the table of imported usage)."""

    def of(self, agent: AgentName, *, most: int) -> Sequence[Observed]:
        """The newest uses of one agent (no denials, no errors), up to `most`, newest first.

        The purpose is "" where the source did not say it; arguments are None: no import tells them.
        """
        ...
