"""The mapping file: whose name in a foreign record is which agent, which service is which server (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid, Malformed
from remit.kernel.names import check_name

MEMBERS: Final = ("at", "id", "seq", "kind", "agent", "action", "server", "tool", "purpose", "run")
_PARTS: Final = {"identities", "servers", "columns", "constants", "values", "time"}
_TABLE: Final = {"columns", "constants", "values", "time"}
TIMES: Final = ("rfc3339", "seconds", "milliseconds", "microseconds", "nanoseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How the columns of a table become the members of a line.

    Args:
        columns: Member to column; a dot leads into an object.
        constants: Members that every line has alike.
        values: By member, what a column's text means.
        time: One of `TIMES`, or a format of strptime, in UTC unless it has an offset.
    """

    columns: AnyMapping[str, str]
    constants: AnyMapping[str, str] = field(default_factory=dict)
    values: AnyMapping[str, AnyMapping[str, str]] = field(default_factory=dict)
    time: str = "rfc3339"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Patterns are those of a shell (`*`, `?`, `[...]`), case-sensitive; the first in the file that matches counts."""

    identities: tuple[tuple[str, str], ...] = ()  # pattern over a principal, agent
    servers: tuple[tuple[str, str], ...] = ()  # pattern over a service, server
    table: Table | None = None

    def agent(self, principals: Iterable[str]) -> str | None:
        """The agent that one of a record's names stands for, or None."""
        return _first(self.identities, principals)

    def server(self, services: Iterable[str]) -> str | None:
        """The server that one of a record's services is in the catalog, or None."""
        return _first(self.servers, services)


EMPTY: Final = Mapping()


def _first(patterns: Iterable[tuple[str, str]], names: Iterable[str]) -> str | None:
    candidates = [name for name in names if name]
    for pattern, found in patterns:
        if any(fnmatchcase(name, pattern) for name in candidates):
            return found
    return None


def mapping_of(said: Any, *, where: str) -> Mapping:  # noqa: ANN401 - any YAML object
    """The mapping that a file says.

    Args:
        said: The file's one object, in the order in which it is written.
        where: The file, for errors.

    Raises:
        ConfigInvalid: It says something else.
    """
    if not isinstance(said, dict) or (unknown := sorted(map(str, set(said) - _PARTS))):
        odd = f": there is no part {unknown[0]}" if isinstance(said, dict) else ""
        raise ConfigInvalid(f"{where} is no mapping{odd}", try_=f"its parts are {', '.join(sorted(_PARTS))}")
    return Mapping(
        identities=_patterns(said, "identities", where),
        servers=_patterns(said, "servers", where),
        table=_table(said, where) if _TABLE & set(said) else None,
    )


def _patterns(said: AnyMapping[str, Any], part: str, where: str) -> tuple[tuple[str, str], ...]:
    found = _texts(said.get(part, {}), f"{where}: {part}")
    try:
        return tuple((pattern, check_name(name, what=f"what {pattern} stands for")) for pattern, name in found.items())
    except Malformed as error:
        raise ConfigInvalid(f"{where}: {part}: {error.public}", detail=error.detail) from error


def _table(said: AnyMapping[str, Any], where: str) -> Table:
    columns = _texts(said.get("columns", {}), f"{where}: columns")
    constants = _texts(said.get("constants", {}), f"{where}: constants")
    raw = said.get("values", {})
    if not isinstance(raw, dict):
        raise ConfigInvalid(f"{where}: values: an object is expected")
    values = {str(member): _texts(each, f"{where}: values.{member}") for member, each in raw.items()}
    if odd := sorted({*columns, *constants, *values} - set(MEMBERS)):
        raise ConfigInvalid(f"{where}: there is no member {odd[0]}", try_=f"members are {', '.join(MEMBERS)}")
    there = {*columns, *constants}
    if missing := {"at", "agent"} - there or ({"action"} - there if not {"server", "tool"} <= there else set()):
        raise ConfigInvalid(
            f"{where}: no column or constant gives {min(missing)}", try_="columns: {at: ..., agent: ..., action: ...}"
        )
    time = str(said.get("time", TIMES[0]))
    if time not in TIMES and "%" not in time:
        raise ConfigInvalid(f"{where}: time is {', '.join(TIMES)}, or a format with %", try_="time: rfc3339")
    return Table(columns=columns, constants=constants, values=values, time=time)


def _texts(said: Any, where: str) -> dict[str, str]:  # noqa: ANN401 - any YAML value
    if not isinstance(said, dict):
        raise ConfigInvalid(f"{where}: an object is expected")
    for name, value in said.items():
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ConfigInvalid(f"{where}: {name}: text is expected", try_="quote it")
    return {str(name): str(value) for name, value in said.items()}
