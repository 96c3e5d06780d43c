"""That another secret is shown at a host where it was not before, by what changes or makes the secret of a document.

One person's word is enough where that secret's document lets it go there. But the first places of a secret are one
person's word as well, so the log says it, as it does of servers (`secret_to_another_host`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from remit.server.world import World
from remit.vault.document import SecretDocument
from remit.vault.settings import admin
from remit.vault.signing_in import signs_in_at

_MOST: Final = 10  # hosts that are named


def ways(said: SecretDocument) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What changes the secret, and what makes it: its place in the document, its name, its settings."""
    if said.rotate is not None:
        yield f"rotate.{said.rotate.rotator}", said.rotate.rotator, said.rotate.settings
    if said.dynamic is not None:
        yield f"dynamic.{said.dynamic.maker}", said.dynamic.maker, said.dynamic.settings


def elsewhere(world: World, said: SecretDocument) -> Iterator[Mapping[str, Any]]:
    """An incident for each secret that goes to a host of this document's, and went to others before.

    Raises:
        Malformed: A URL leads nowhere.
    """
    for name, hosts in _shown(said).items():
        before = {host for each in world.stored_secrets() for host in _shown(each).get(name, set())}
        before |= world.secret_hosts().get(name, set())
        for host in sorted(hosts - before) if before else ():
            what = {"what": "secret_to_another_host", "document": said.secret, "secret": name}
            yield what | {"host": host, "hosts_before": sorted(before)[:_MOST]}


def _shown(said: SecretDocument) -> Mapping[str, set[str]]:
    """Which other secrets a document's ways sign in with, and the hosts that they are shown at."""
    found: dict[str, set[str]] = {}
    for _, name, settings in ways(said):
        if (signs := admin(settings)) is not None:
            found.setdefault(signs, set()).update(each.host for each in signs_in_at(name, settings))
    return found
