"""How a secret looks as JSON in the `/v1` API; never its value. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.catalog.injection import OauthClient, OauthUser
from remit.catalog.model import Server
from remit.kernel.clock import SECOND, Instant, rfc3339
from remit.vault.allowed import going, whereabouts
from remit.vault.connection import Connection
from remit.vault.document import SecretDocument
from remit.vault.model import Version
from remit.vault.service import Known
from remit.vault.standing_sql import UnderWay


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known beside the secrets themselves."""

    setters: Mapping[str, str]
    used: Mapping[tuple[str, int], Instant]
    under_way: Mapping[str, UnderWay]
    people: Mapping[str, Sequence[Connection]]
    servers: Sequence[Server]


def brief(it: Known, beside: Standing) -> dict[str, Any]:
    """A secret in a list. Times are null where there is none."""
    active, document = it.held.get(it.active), it.document
    used = [at for (name, _), at in beside.used.items() if name == it.secret]
    exposed = [each.exposed for each in it.held.values() if each.exposed is not None]
    going_on = beside.under_way.get(it.secret)
    return {
        "secret": it.secret,
        "owner": document.owner if document is not None else beside.setters.get(it.secret),
        "kind": kind(document, using(it.secret, beside.servers)),
        "version": it.active,
        "changed": rfc3339(it.changed),
        "made": None if active is None else rfc3339(active.made),
        "last_used": _at(max(used, default=None)),
        "exposed": _at(min(exposed, default=None)),
        "next_rotation": _at(next_rotation(document, active)),
        "rotating": None if going_on is None else _going_on(going_on),
        "people": [_person(each) for each in beside.people.get(it.secret, ())],
    }


def whole(it: Known, versions: Sequence[Version], beside: Standing) -> dict[str, Any]:
    """A secret with its versions, its document, and the servers that use it."""
    return {
        **brief(it, beside),
        **_document(it.document),
        "servers": [_use(each) for each in using(it.secret, beside.servers)],
        "versions": [_version(each, beside.used.get((it.secret, each.version))) for each in versions],
    }


def kind(document: SecretDocument | None, servers: Sequence[Server]) -> str:
    """static, oauth (the secret of a client of an authorization server) or dynamic (made for each instance)."""
    if document is not None and document.dynamic is not None:
        return "dynamic"
    return "oauth" if any(isinstance(each.credential, (OauthClient, OauthUser)) for each in servers) else "static"


def using(name: str, servers: Sequence[Server]) -> list[Server]:
    """The servers whose calls carry it."""
    return [each for each in servers if each.credential is not None and each.credential.secret == name]


def next_rotation(document: SecretDocument | None, active: Version | None) -> Instant | None:
    """When it is due to be changed by its age; None if it is not."""
    if document is None or document.rotate is None or document.rotate.every is None or active is None:
        return None
    return Instant(active.made + document.rotate.every)


def _document(it: SecretDocument | None) -> dict[str, Any]:
    if it is None:
        return {"allow": None, "rotate": None, "dynamic": None, "labels": {}}
    rotate, dynamic = it.rotate, it.dynamic
    return {
        "allow": [{"host": each.host, "place": each.place, "path": each.path} for each in it.allow] or None,
        "rotate": None if rotate is None else {
            "rotator": rotate.rotator, "settings": dict(rotate.settings), "drain_seconds": rotate.drain // SECOND,
            "every_seconds": None if rotate.every is None else rotate.every // SECOND, "on": list(rotate.on),
        },
        "dynamic": None if dynamic is None else {
            "maker": dynamic.maker, "settings": dict(dynamic.settings), "ttl_seconds": dynamic.ttl // SECOND,
        },
        "labels": dict(it.labels),
    }  # fmt: skip


def _use(server: Server) -> dict[str, Any]:
    host, path = ("", "") if server.command else whereabouts(server.url)
    places = () if server.credential is None else going(server.credential, host=host, path=path)
    return {"server": server.server, "places": list(map(str, places))}


def _version(it: Version, used: Instant | None) -> dict[str, Any]:
    return {
        "version": it.version,
        "state": it.state.value,
        "attributes": dict(it.attributes),
        "made": rfc3339(it.made),
        "since": rfc3339(it.since),
        "last_used": _at(used),
        "exposed": _at(it.exposed),
        "exposure": it.exposure or None,
    }


def _going_on(it: UnderWay) -> dict[str, Any]:
    return {"rotation": it.rotation, "cause": it.cause, "step": it.step, "started": rfc3339(it.started)}


def _person(it: Connection) -> dict[str, Any]:
    said = {"person": it.person, "state": it.state.value, "scope": it.scope}
    return said | {"connected": rfc3339(it.connected)}


def _at(it: Instant | None) -> str | None:
    return None if it is None else rfc3339(it)
