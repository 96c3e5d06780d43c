"""What `remit doctor` says of upstream credentials: whose calls are refused for one, and what was not taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from remit.catalog.model import Server
from remit.kernel.clock import rfc3339
from remit.server import health
from remit.server.health import Check
from remit.vault.lease import Lease
from remit.vault.model import VersionState
from remit.vault.rotation import Step
from remit.vault.rotation_sql import Stored
from remit.vault.service import Known

_SHOWN = 5


def needed(known: Iterable[Known], servers: Iterable[Server]) -> Iterator[Check]:
    """Secrets that servers need and calls cannot use: not set, or exposed and the same still."""
    of: dict[str, Known] = {each.secret: each for each in known}
    using: dict[str, list[str]] = {}
    for server in servers:
        if server.credential is not None:
            using.setdefault(server.credential.secret, []).append(server.server)
    for name, names in sorted(using.items()):
        found = of.get(name)
        if found is not None and found.document is not None and found.document.dynamic is not None:
            continue
        refused = f"calls of {', '.join(sorted(names)[:_SHOWN])} are refused"
        version = None if found is None else found.held.get(found.active)
        if version is None:
            made = found is not None and found.document is not None and found.document.rotate is not None
            try_ = f"remit secret rotate {name}" if made else f"printf %s VALUE | remit secret set {name}"
            yield health.warn(f"secret {name}", f"not set: {refused}", try_)
        elif version.exposed is not None:
            yield health.warn(f"secret {name}", f"exposed: {refused}", f"remit secret show {name}")


def not_gone(rotations: Iterable[Stored], leases: Iterable[Lease]) -> Iterator[Check]:
    """Incidents that go on: what was to be taken away at its provider, and is there after a quarter of an hour."""
    for each in rotations:
        it = each.rotation
        if each.ended is None and it.incident is not None:
            detail = f"a credential that should be gone at its provider is not, since {rfc3339(it.incident)}"
            yield health.warn(f"secret {it.secret}", detail, f"remit secret rotations {it.secret}")
    late = Counter(each.secret for each in leases if each.incident is not None)
    for name, count in sorted(late.items()):
        detail = f"{count} of its leases should be gone at their provider and are not"
        yield health.warn(f"secret {name}", detail, f"remit secret leases {name}")


def left_behind(known: Iterable[Known], rotations: Iterable[Stored]) -> Iterator[Check]:
    """Versions that a rotation came to nothing with, and that nobody ended: they may work at their provider."""
    left, in_hand = set[tuple[str, int]](), set[tuple[str, int]]()
    for it, ended in rotations:
        if ended is None or it.step is Step.UNDONE:
            (in_hand if ended is None else left).update({(it.secret, it.old), (it.secret, it.new)})
    for each in known:
        for number, version in sorted(each.held.items()):
            if version.state is not VersionState.ACTIVE and (each.secret, number) in left - in_hand:
                detail = f"version {number} was left behind by a rotation, and may work at its provider"
                yield health.warn(f"secret {each.secret}", detail, f"remit secret end {each.secret} --version {number}")
