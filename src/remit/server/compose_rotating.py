"""Puts together what changes credentials at their providers: the rotators, and what carries a rotation on."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from remit.freezes.model import FreezeKind
from remit.kernel.clock import Instant
from remit.outbound.session import Outbound
from remit.server import nodes
from remit.server.compose_exposure import watch_secrets
from remit.server.compose_rotations import rotations
from remit.server.compose_rotators import admins, of_providers
from remit.server.ground import Ground
from remit.server.life import Life
from remit.server.rotating import Rotating
from remit.server.to_providers import ToProviders
from remit.vault.rotator import Rotator, Send
from remit.vault.rotators.http import Http
from remit.vault.rotators.oauth_client import OauthClient


def rotators(send: Send) -> Mapping[str, Rotator]:
    """Those of any HTTP interface, by the name that documents use."""
    return {"http": Http(send), "oauth_client": OauthClient(send)}


def secrets(ground: Ground, life: Life, outbound: Outbound) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """All that runs all the time for secrets: what changes them, what counts their use and looks at what comes back."""
    return [rotating(ground, outbound).run, *watch_secrets(ground, life)]


def rotating(ground: Ground, outbound: Outbound) -> Rotating:
    """What carries them on, which follows the feed from here on. `outbound` knows Remit's own listeners."""
    database, vault = ground.database, ground.vault

    def frozen(secret: str) -> Instant | None:
        found = ground.facts.view().freezes.get((FreezeKind.CREDENTIAL, secret))
        return None if found is None else found.since

    send = ToProviders(
        lambda: (each.document for each in vault.listing() if each.document is not None), own=outbound.refuse
    )
    made = Rotating(
        vault=vault, rotations=rotations(ground), admin=admins(vault), writer=database.writer,
        rotators={**rotators(send), **of_providers(send, ground.clock, own=outbound.refuse)}, reader=database.reader,
        clock=ground.clock, node=lambda: database.node or "only",
        epoch=lambda: database.epoch, close=send.close, frozen=frozen,
        applied=lambda epoch: nodes.applied(database.peers.others(), epoch=epoch, now=time.monotonic()),
    )  # fmt: skip
    database.feed.subscribe(send.follow, lambda _connection: send.renew())
    database.feed.subscribe(made.follow, lambda _connection: made.wake())
    return made
