"""The registered world as a plan sees it: what is stored, what the plan would change, and what a prune leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from remit.access.draft import History, Version
from remit.access.model import Purpose, PurposeState
from remit.access.sql import SqlBoundaries, SqlPurposes
from remit.agents.model import Agent, AgentState
from remit.agents.sql import SqlAgents
from remit.attestation import trusts
from remit.attestation.trust import Trust
from remit.catalog.model import Server
from remit.catalog.sql import SqlServers
from remit.certification.noticing.combination_sql import SqlCombinations
from remit.kernel.names import AgentName, BoundaryName
from remit.people.model import Owner
from remit.people.sql import SqlOwners
from remit.policy.declared.model import Declaration, Part
from remit.policy.declared.sql import SqlDeclarations
from remit.policy.sql import SqlPolicies
from remit.server.first_words import FirstWords
from remit.server.two_people import Word
from remit.vault.document import SecretDocument
from remit.vault.document_sql import SqlDocuments
from remit.vault.sql import SqlSecrets
from remit.vault.standing_sql import SqlStanding


@dataclass(slots=True)
class World:
    """Looks up by kind and name. Reads the database only, and each thing once.

    Args:
        connection: What is stored.
        kept: With a prune, the names that stay, by kind: everything else is as good as gone.
    """

    connection: Connection
    kept: Mapping[str, set[str]] | None
    _known: dict[tuple[str, str], Any] = field(default_factory=dict)
    _planned: dict[tuple[str, str], Any] = field(default_factory=dict)
    _hosts: dict[str, set[str]] | None = None
    _versions: dict[tuple[str, int], Version] = field(default_factory=dict)

    def put(self, kind: str, name: str, value: Any) -> None:  # noqa: ANN401 - the domain value of that kind
        """What will be there."""
        self._planned[kind, name] = value

    def stored(self, kind: str, name: str) -> Any:  # noqa: ANN401 - the domain value of that kind
        """What is stored now, or None."""
        if (kind, name) not in self._known:
            self._known[kind, name] = _FIND[kind](self.connection, name)
        return self._known[kind, name]

    def _find(self, kind: str, name: str) -> Any:  # noqa: ANN401 - the domain value of that kind
        if (kind, name) in self._planned:
            return self._planned[kind, name]
        if self.kept is not None and name not in self.kept[kind]:
            return None
        return self.stored(kind, name)

    def owner(self, name: str) -> Owner | None:
        """The owner as there will be, or None."""
        found: Owner | None = self._find("owner", name)
        return found

    def purpose(self, name: str) -> Purpose | None:
        """The purpose as there will be, or None."""
        found: Purpose | None = self._find("purpose", name)
        return found

    def purpose_is_open(self, name: str) -> bool:
        """Whether agents may work for the purpose."""
        found = self.purpose(name)
        return found is not None and found.state is PurposeState.ACTIVE

    def server(self, name: str) -> Server | None:
        """The server as there will be, or None."""
        found: Server | None = self._find("server", name)
        return found

    def secret(self, name: str) -> SecretDocument | None:
        """The secret's document as there will be, or None."""
        found: SecretDocument | None = self._find("secret", name)
        return found

    def has_value_of(self, secret: str) -> str | None:
        """Who has the value of a secret because they set it; None if it has no value, empty if that is not known.

        Only of the first value it is known. Who set that one does not have what came after it.
        """
        rows = SqlSecrets(self.connection)
        if not rows.newest(secret):
            return None
        setter = SqlStanding(self.connection, secret).setters().get(secret, "")
        return setter if rows.active(secret) == 1 else ""

    def servers(self) -> list[Server]:
        """Every server there will be."""
        names: set[str] = {server.server for server in SqlServers(self.connection).all()}
        names |= {name for kind, name in self._planned if kind == "server"}
        return [server for name in sorted(names) if (server := self.server(name)) is not None]

    def agent(self, name: str) -> Agent | None:
        """The agent as there will be, or None."""
        found: Agent | None = self._find("agent", name)
        return found

    def has_trust(self, name: str) -> bool:
        """Whether there will be a trust of that name."""
        return ("trust", name) in self._planned or self.stored("trust", name) is not None

    def trusted_as(self, trust: Trust) -> str | None:
        """The name of another trust of the same issuer, if there will be one."""
        stored = {each.trust: each for each in trusts.every(self.connection)}
        planned = {name: each for (kind, name), each in self._planned.items() if kind == "trust"}
        alike = (each.trust for each in (stored | planned).values() if each.issuer == trust.issuer)
        return next((name for name in alike if name != trust.trust), None)

    def history(self, name: str) -> History:
        """Where a boundary stands."""
        return SqlBoundaries(self.connection).history(BoundaryName(name))

    def versions(self, agent: AgentName) -> list[Version]:
        """Every version of an agent's boundaries, as they will be."""
        known = {(each.draft.boundary, each.version): each for each in SqlBoundaries(self.connection).of_agent(agent)}
        planned = {name: each for name, each in self._versions.items() if each.draft.agent == agent}
        return list((known | planned).values())

    def take(self, writes: Iterable[Version]) -> None:
        """Versions of boundaries that will be written."""
        self._versions |= {(each.draft.boundary, each.version): each for each in writes}

    def policies(self) -> dict[str, str]:
        """The policy files in force, those that a prune takes apart."""
        stored = SqlPolicies(self.connection).all()
        return {file: text for file, text in stored.items() if self.kept is None or file in self.kept["policy"]}

    def stored_policies(self) -> dict[str, str]:
        """The policy files in force, with those that a prune takes."""
        return SqlPolicies(self.connection).all()

    def declarations(self) -> dict[str, Declaration]:
        """What is declared of the organisation's own types, those that a prune takes apart."""
        stored, kept = self.stored_declarations(), self.kept
        return {file: each for file, each in stored.items() if kept is None or file in kept[each.part.value]}

    def stored_declarations(self) -> dict[str, Declaration]:
        """What is declared, with what a prune takes."""
        return SqlDeclarations(self.connection).all()

    def first_word(self, kind: str) -> Word | None:
        """What somebody said that waits for a second person."""
        return FirstWords(self.connection).find(kind)

    def secret_hosts(self) -> Mapping[str, set[str]]:
        """Where each secret that a registered server gets is sent now: `host:port`, as stored."""
        if self._hosts is None:
            self._hosts = {}
            for server in SqlServers(self.connection).all():
                if server.credential is not None:
                    self._hosts.setdefault(server.credential.secret, set()).add(server.secret_host)
        return self._hosts

    def stored_secrets(self) -> list[SecretDocument]:
        """Every document of a secret, as stored."""
        return SqlDocuments(self.connection).all()

    def left_out(self, kind: str) -> list[str]:
        """The names of what is in force and what a prune takes, in order."""
        if self.kept is None:
            return []
        return sorted(set(_IN_FORCE[kind](self.connection)) - self.kept[kind])


_FIND: Mapping[str, Callable[[Connection, Any], Any]] = {
    "owner": lambda connection, name: SqlOwners(connection).find(name),
    "purpose": lambda connection, name: SqlPurposes(connection).find(name),
    "secret": lambda connection, name: SqlDocuments(connection).find(name),
    "server": lambda connection, name: SqlServers(connection).find(name),
    "agent": lambda connection, name: SqlAgents(connection).find(name),
    "trust": trusts.find,
    "combination": lambda connection, name: SqlCombinations(connection).find(name),
}
_IN_FORCE: Mapping[str, Callable[[Connection], list[Any]]] = {
    "owner": lambda connection: [each.owner for each in SqlOwners(connection).all()],
    "purpose": lambda connection: [
        each.purpose for each in SqlPurposes(connection).all() if each.state is not PurposeState.CLOSED
    ],
    "secret": lambda connection: [each.secret for each in SqlDocuments(connection).all()],
    "server": lambda connection: [each.server for each in SqlServers(connection).all()],
    "trust": lambda _connection: [],  # whoever declared one takes it back; no file that is gone does
    "agent": lambda connection: [
        each.agent for each in SqlAgents(connection).all() if each.state is not AgentState.RETIRED
    ],
    "boundary": lambda connection: SqlBoundaries(connection).open_names(),
    "combination": lambda connection: [each.combination for each in SqlCombinations(connection).all()],
    "schema": lambda connection: _declared(connection, Part.SCHEMA),
    "entities": lambda connection: _declared(connection, Part.ENTITIES),
    "authzen": lambda connection: _declared(connection, Part.AUTHZEN),
    "policy": lambda connection: list(SqlPolicies(connection).all()),
}


def _declared(connection: Connection, part: Part) -> list[str]:
    return [file for file, each in SqlDeclarations(connection).all().items() if each.part is part]
