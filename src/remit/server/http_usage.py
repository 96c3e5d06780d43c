"""`/v1/usage`: what other sources tell of use, and when they told everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from remit.access.activation import activation_id
from remit.certification.usage.imported import Imported
from remit.certification.usage.importing import UsageService
from remit.certification.usage.line import instant_of
from remit.certification.usage.model import RefusedLine
from remit.certification.usage.shadowing import Shadowing, shown
from remit.certification.usage.sources import Sources, Standing, Told
from remit.certification.usage.windows import Span, Windows
from remit.connectors.lines import parsed
from remit.kernel.clock import rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.server.door import Ask, Door, actor

_SHOWN: Final = 100  # refused lines that are answered one by one; the others are counted
_IMPORT: Final = {"events": "array", "covers": "array?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDoors:
    """Usage over HTTP."""

    usage: UsageService
    known: Sources
    shadowing: Shadowing

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/usage/sources", summary="Who tells of use, and when they told everything",
                action="read", handle=self.sources,
            ),
            Door(
                method="POST", path="/v1/usage/sources", summary="Register a source, or the servers it tells of",
                action="registerSource", handle=self.register, body="json",
                fields={"source": "string", "servers": "array"},
            ),
            Door(
                method="GET", path="/v1/usage/sources/{source}", summary="One source, and what hangs on it",
                action="read", handle=self.source,
            ),
            Door(
                method="DELETE", path="/v1/usage/sources/{source}",
                summary="Take a source off its servers; what it told stays", action="unregisterSource",
                handle=self.unregister,
            ),
            Door(
                method="GET", path="/v1/usage/coverage", summary="When the record of use is complete (?server=NAME)",
                action="read", handle=self.coverage, query=("server",),
            ),
            Door(
                method="POST", path="/v1/usage/{source}", summary="Import what a source tells",
                action="importUsage", handle=self.take, body="json", fields=_IMPORT,
            ),
        ]  # fmt: skip

    def sources(self, _ask: Ask) -> dict[str, Any]:
        """Every source."""
        return {"sources": [_source(each) for each in self.known.listing()]}

    def source(self, ask: Ask) -> dict[str, Any]:
        """One, and what would be judged without it."""
        found, stands = self.known.find(ask.path["source"])
        return {**_source(found), **_standing(stands)}

    def unregister(self, ask: Ask) -> dict[str, Any]:
        """Idle clocks no longer wait for it."""
        source, stands = self.known.unregister(ask.path["source"], by=actor(ask))
        return {"source": source.source, "servers": list(source.servers), **_standing(stands)}

    def register(self, ask: Ask) -> dict[str, Any]:
        """Register, or change which servers it is about."""
        servers = ask.body["servers"]
        if not all(isinstance(server, str) for server in servers):
            raise Malformed("servers is a list of names")
        source = self.usage.register(ask.body["source"], servers, by=actor(ask))
        return {"source": source.source, "servers": list(source.servers), "created": rfc3339(source.created)}

    def coverage(self, ask: Ask) -> dict[str, Any]:
        """By server: when all of its sources told everything."""
        wanted, found = ask.query.get("server"), self.usage.coverage()
        if wanted is not None and wanted not in found:
            raise NotFound(f"no source tells of the server {wanted}"[:200], try_="remit usage sources")
        tellers = [each.source for each in self.known.listing()]
        return {
            "servers": [
                {
                    "server": server,
                    "sources": [each.source for each in tellers if server in each.servers],
                    "windows": _windows(found[server]),
                }
                for server in sorted(found)
                if wanted in (None, server)
            ]
        }

    def take(self, ask: Ask) -> dict[str, Any]:
        """Import lines of the native format."""
        source = ask.path["source"]
        covers = [_span(each) for each in ask.body.get("covers") or ()]
        lines = parsed(ask.body["events"], source)
        found = self.shadowing.look(source, lines)
        imported = self.usage.import_batch(source, lines, covers=covers, by=actor(ask))
        self.shadowing.tell(source, found)
        seen = [shown(source, each) for each in found.shadows[:_SHOWN]]
        return _imported(imported) | {"shadows": seen, "shadow_count": len(found.shadows), "unread": found.unread}


def _span(said: Any) -> Span:  # noqa: ANN401 - any JSON value
    if not isinstance(said, list) or len(said) != 2:  # noqa: PLR2004 - from and until
        raise Malformed("covers is a list of [from, until]")
    return instant_of(said[0]), instant_of(said[1])


def _source(each: Told) -> dict[str, Any]:
    source, hearing = each.source, each.hearing
    return {
        "source": source.source,
        "servers": list(source.servers),
        "batch": source.batch,
        "created": rfc3339(source.created),
        "state": "heard" if hearing.heard else "silent",
        "silent_since": None if hearing.heard else rfc3339(hearing.until),
        "expected": rfc3339(hearing.expected),
        "windows": _windows(each.windows),
    }


def _standing(stands: Standing) -> dict[str, Any]:
    """`alone`: the servers of which no other source tells, so that Remit's own record counts without this one."""
    return {"entitlements": stands.entitlements, "agents": len(stands.agents), "alone": list(stands.alone)}


def _windows(windows: Windows) -> list[list[str]]:
    return [[rfc3339(start), rfc3339(until)] for start, until in windows.spans]


def _imported(found: Imported) -> dict[str, Any]:
    return {
        "source": found.source,
        "batch": found.batch or None,
        "taken": found.taken,
        "duplicates": found.duplicates,
        "refused_count": len(found.refused),
        "refused": _refused(found.refused[:_SHOWN]),
        "not_understood": sum(not each.told for each in found.refused),
        "unknown_agents": dict(sorted(found.unknown.items())),
        "unattributed": [
            {"agent": agent, "action": action, "count": count}
            for (agent, action), count in sorted(found.unattributed.items())
        ],
        "moved": [activation_id(key) for key in sorted(found.moved)],
        "covered": found.covered,
    }


def _refused(lines: Iterable[RefusedLine]) -> list[dict[str, Any]]:
    return [{"line": each.line, "reason": each.reason, "told": each.told} for each in lines]
