"""A secret's document as it is stored: canonical JSON, read back into the same values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.kernel.canonical import canonical
from remit.kernel.clock import Micros
from remit.kernel.names import OwnerName, SecretName
from remit.vault.document import Allowed, Cause, Dynamic, Rotate, SecretDocument


def text(it: SecretDocument) -> str:
    """A document in its one form."""
    said: dict[str, Any] = {"secret": it.secret, "owner": it.owner}
    if it.allow:
        said["allow"] = [{"host": each.host, "place": each.place, "path": each.path} for each in it.allow]
    if it.rotate is not None:
        said["rotate"] = {
            "rotator": it.rotate.rotator, "settings": dict(it.rotate.settings), "every": it.rotate.every,
            "drain": it.rotate.drain, "on": [each.value for each in it.rotate.on],
        }  # fmt: skip
    if it.dynamic is not None:
        said["dynamic"] = {
            "maker": it.dynamic.maker, "settings": dict(it.dynamic.settings), "ttl": it.dynamic.ttl,
        }  # fmt: skip
    if it.labels:
        said["labels"] = dict(it.labels)
    return canonical(said).decode()


def document(said: Mapping[str, Any]) -> SecretDocument:
    """The document that was stored."""
    rotate, dynamic = said.get("rotate"), said.get("dynamic")
    return SecretDocument(
        secret=SecretName(said["secret"]),
        owner=OwnerName(said["owner"]),
        allow=tuple(Allowed(**each) for each in said.get("allow", ())),
        rotate=None if rotate is None else _rotate(rotate),
        dynamic=None if dynamic is None else Dynamic(**{**dynamic, "ttl": Micros(dynamic["ttl"])}),
        labels=said.get("labels", {}),
    )


def _rotate(said: Mapping[str, Any]) -> Rotate:
    return Rotate(
        rotator=said["rotator"],
        settings=said["settings"],
        every=None if said["every"] is None else Micros(said["every"]),
        drain=Micros(said["drain"]),
        on=tuple(map(Cause, said["on"])),
    )
