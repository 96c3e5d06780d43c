"""Another system that holds rights of agents, as an operator declared it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.catalog.injection import Injection
from remit.catalog.url import check_url
from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import Malformed
from remit.kernel.names import SecretName, ServerName, check_name

_MOST_SERVERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Where it is told of withdrawals, for which servers' actions, and whether of mere idleness too."""

    system: str
    url: str
    servers: tuple[ServerName, ...]
    secret: SecretName | None = None
    lapses: bool = False

    @property
    def injection(self) -> Injection | None:
        """How its credential goes along."""
        return (
            None if self.secret is None else Injection(secret=self.secret, header="Authorization", format="Bearer {}")
        )

    @property
    def body(self) -> str:
        """What is stored besides the name."""
        said = {"url": self.url, "servers": list(self.servers), "secret": self.secret, "lapses": self.lapses}
        return canonical(said).decode("utf-8")


def declared(name: object, *, url: object, servers: object, secret: object = None, lapses: object = False) -> System:
    """A system from what an operator wrote.

    Raises:
        Malformed: It is not well-formed; says what.
    """
    if not isinstance(lapses, bool):
        raise Malformed("lapses is true or false")
    written = check_url(url)
    if not isinstance(servers, list) or not 0 < len(servers) <= _MOST_SERVERS:
        raise Malformed(f"servers: 1 to {_MOST_SERVERS} names of servers, whose actions it holds rights for")
    named = sorted({ServerName(check_name(each, what="a server")) for each in servers})
    held = None if secret is None else SecretName(check_name(secret, what="a secret's name"))
    return System(
        system=check_name(name, what="a system"), url=written, servers=tuple(named), secret=held, lapses=lapses
    )  # fmt: skip


def stored(name: str, body: str) -> System:
    """A system as it was stored.

    Raises:
        Malformed: The row is damaged.
    """
    said: dict[str, Any] = parse(body)
    return declared(name, **said)
