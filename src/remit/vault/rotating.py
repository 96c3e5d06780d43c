"""One step of a rotation at its provider: asked once, and whatever happens is one of four outcomes.

What a provider or a rotator says may hold a value, so nothing of it is kept but the public sentence of an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed, RemitError
from remit.logs import logger
from remit.storage.due import Claim
from remit.vault.model import Material, Version, check_material
from remit.vault.rotation import Outcome, Step
from remit.vault.rotations import CLAIMED, Came, Held
from remit.vault.rotator import Admins, Doubtful, Plan, Refused, Rotator
from remit.vault.signing_in import signs_in_at

SECONDS: Final = 12.0
"""For one step: less than it is claimed for (`rotations.CLAIMED`), so that a late answer belongs to nobody else yet."""
_log = logger("remit.vault")
_TAKEN: Final = frozenset({Step.REVOKE, Step.CONFIRM, Step.UNDO})  # what there is is taken away, and nothing is made
_SAID: Final = {Refused: Outcome.REFUSED, Doubtful: Outcome.DOUBTFUL}
_OK: Final = Came(Outcome.OK)
Opens = Callable[[Version], Material]
Holds = Callable[[Claim], bool]
"""Whether a claim is held yet, and for how much longer (`rotator.HOLDS`)."""


def plan(held: Held, opens: Opens, admin: Admins, holds: Holds = lambda _claim: True) -> Plan:
    """The rotation as its rotator sees it."""
    it, rotate = held.rotation, held.rotate
    asked = it.asked[:-1] if it.step is Step.CREATE else it.asked  # the last one is this very attempt
    at = () if rotate is None else signs_in_at(rotate.rotator, rotate.settings)
    return Plan(
        rotation=it.rotation, secret=it.secret, version=it.new or held.next_version,
        settings={} if rotate is None else rotate.settings, started=it.started,
        admin=partial(admin, at=at, ends=it.step in _TAKEN),
        current=_opened(held.version(held.active), opens),
        known=tuple(each.attributes for each in held.versions), cause=it.cause,
        asked=tuple((began, Instant(began + CLAIMED)) for began in asked), attempt=held.claim.fence,
        holds=partial(holds, held.claim),
    )  # fmt: skip


async def carried(
    held: Held, rotator: Rotator | None, opens: Opens, admin: Admins, holds: Holds = lambda _claim: True
) -> Came:
    """Do the step that `held` is at, as far as it is done elsewhere. Never raises but for being cancelled."""
    it = held.rotation
    if it.step in {Step.PROMOTE, Step.DRAIN} or (it.step is Step.UNDO and not it.new):
        return _OK
    if rotator is None:
        # What was not begun elsewhere is given up; what was waits until the document says again how.
        return Came(Outcome.REFUSED if not it.new else Outcome.UNCLEAR, "its document says no more how it is changed")
    try:
        async with asyncio.timeout(SECONDS):
            return await _asked(held, rotator, plan(held, opens, admin, holds), opens)
    except TimeoutError:
        return Came(Outcome.UNCLEAR, "the provider did not answer in time")
    except RemitError as error:
        said = (outcome for kind, outcome in _SAID.items() if isinstance(error, kind))
        return Came(next(said, Outcome.UNCLEAR), error.public)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold a value: only its kind is told
        _log.error("a step of a rotation failed", rotation=it.rotation, step=it.step.value, error=type(error).__name__)
        return Came(Outcome.UNCLEAR, f"unexpected: {type(error).__name__}")


async def _asked(held: Held, rotator: Rotator, said: Plan, opens: Opens) -> Came:
    it = held.rotation
    new, old = (_opened(held.version(number), opens) for number in (it.new, it.old))
    match it.step:
        case Step.CREATE if new is not None:
            return _made(await rotator.create(said, new if it.proposed else None), said)
        case Step.VERIFY if new is not None:
            await rotator.verify(said, new)
            return _OK
        case Step.CREATE | Step.VERIFY:
            return Came(
                Outcome.UNASKED, "its new version was ended here meanwhile: what was made may stand at its provider"
            )
    return await _taken(it.step, rotator, said, new if it.step is Step.UNDO else old)


async def _taken(step: Step, rotator: Rotator, said: Plan, it: Material | None) -> Came:
    """One is taken away: the old one, or a new one that does not work."""
    if it is None:
        return Came(Outcome.UNASKED, "it was removed here meanwhile, and its provider was not asked: it may work there")
    if said.current is not None and it.value == said.current.value:
        # Somebody went back to it by hand, perhaps without saying what its provider knows it by.
        return Came(Outcome.KEPT, "calls use this very value, which was set again by hand: it stays at its provider")
    if step is not Step.CONFIRM:
        await rotator.revoke(said, it)
    if step is not Step.REVOKE and not await rotator.gone(said, it):
        return Came(Outcome.STILL_THERE, f"the {'new' if step is Step.UNDO else 'old'} one still works")
    return _OK


def _made(made: Material, said: Plan) -> Came:
    """What a provider gave, if it can be kept, and is another than calls use: that one would be taken away with it."""
    try:
        check_material(made)
    except Malformed:
        return Came(Outcome.REFUSED, "the provider gave what fits no request, or shows the value as an attribute")
    if said.current is not None and made.value == said.current.value:
        return Came(Outcome.REFUSED, "the provider gave the same credential again")
    return Came(Outcome.OK, made=made)


def _opened(version: Version | None, opens: Opens) -> Material | None:
    return None if version is None else opens(version)
