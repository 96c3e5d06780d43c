"""Puts together what counts the use of secrets, marks those that are known elsewhere, and says how they are kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from remit.agents.service import AgentService
from remit.audit.credential_uses import CredentialUses
from remit.certification.noticing.credentials import Credentials
from remit.enforcement.credited import Credited
from remit.server.compose_rotations import rotations
from remit.server.door import Door
from remit.server.exposing import Exposing
from remit.server.ground import Ground
from remit.server.http_exposure import ExposureDoors
from remit.server.keeping_uses import KeepingUses
from remit.server.life import Life


def credited(ground: Ground) -> Credited:
    """What makes entries, and says of outcomes with which secret their calls were made."""
    return Credited(ground.records, ground.vault.uses.ended, ground.clock)


def watch_secrets(ground: Ground, life: Life) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What comes back is looked into from here on; what is to run all the time for that, and for counting uses."""
    marks = exposing(ground)
    keeping = KeepingUses(vault=ground.vault, exposing=marks, writer=ground.database.writer)
    ground.vault.sent = marks.was_sent
    if not ground.settings.unsafe_keep_echoed:
        ground.vault.seen = marks.came_back
    life.kept.append(keeping.write_within)
    return [keeping.run]


def credentials(ground: Ground, agents: AgentService) -> Credentials:
    """What tells agents' entitlements of the secrets that they need."""
    return Credentials(
        vault=ground.vault, view=ground.facts.view, servers=ground.servers, writer=ground.database.writer,
        clock=ground.clock, signaller=agents,
    )  # fmt: skip


def exposing(ground: Ground, after: Callable[[], object] = lambda: None) -> Exposing:
    """What marks secrets, and has them changed."""
    return Exposing(
        vault=ground.vault, writer=ground.database.writer, records=ground.records, clock=ground.clock,
        rotate=rotations(ground).ask, after=after,
    )  # fmt: skip


def exposure_doors(ground: Ground, agents: AgentService) -> list[Door]:
    """Their doors."""
    marks = exposing(ground, credentials(ground, agents).check)
    writer = KeepingUses(vault=ground.vault, exposing=marks, writer=ground.database.writer)
    return ExposureDoors(
        exposing=marks, vault=ground.vault, uses=CredentialUses(ground.database.reader), clock=ground.clock,
        reader=ground.database.reader, written=writer.write,
        servers=lambda secret: {
            each.server for each in ground.servers() if each.credential is not None and each.credential.secret == secret
        },
    ).doors()  # fmt: skip
