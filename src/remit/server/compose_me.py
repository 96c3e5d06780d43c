"""Puts together what answers agents about themselves."""

from __future__ import annotations

from remit.server import me_mandate, me_whoami
from remit.server.compose_identity import whoami
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.server.me import Me
from remit.server.me_mandate import MeMandate
from remit.server.me_whoami import MeWhoami
from remit.tokens.refusals import BadTokens


def mandate_of(ground: Ground, gate: Gate) -> MeMandate:
    """What answers an agent with its own rules."""
    return MeMandate(
        me=me(ground, gate, me_mandate.ME_MANDATE, "GET"), mandates=gate.mandates, keys=ground.keys.token_keys
    )


def whoami_of(ground: Ground, gate: Gate) -> MeWhoami:
    """What answers an agent who it is."""
    return MeWhoami(me=me(ground, gate, me_whoami.ME, "GET"), whoami=whoami(ground))


def me(ground: Ground, gate: Gate, path: str, method: str) -> Me:
    """What every question of an agent about itself goes through."""
    return Me(
        base=ground.base, path=path, method=method, checker=gate.checker, writer=ground.database.writer,
        records=ground.records, bad_tokens=BadTokens(ground.records), clock=ground.clock,
    )  # fmt: skip
