"""Credentials that are changed over HTTP, by the requests that a document writes.

    create     makes the new one, by the provider's choice (`value_at`) or Remit's (`propose`)
    verify     uses it
    revoke     takes one away; 404 and 410 mean that it is gone already
    confirm    says that it is gone; without it, `verify` is asked with the old one

Who was killed after the provider's yes does not know what was made: with `leftovers` it is found by its mark and
removed before another is made, and again at the end.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed
from remit.keys.secret import Secret
from remit.vault.model import MAX_ATTRIBUTE, RESERVED, Material
from remit.vault.rotator import Answered, Plan, Refused, Send, Unclear
from remit.vault.rotators.http_settings import MARK, ROTATION, UNUSABLE, VALUE, HttpSettings, Leftovers, settings
from remit.vault.rotators.request import Missing, Request, fill, filled, pointed

_GONE: Final = (404, 410)
_LATER: Final = frozenset({408, 409, 423, 425, 429})  # it may say something else another time
_MOST: Final = 100  # leftovers looked at


@dataclass(frozen=True, slots=True)
class Http:
    """Implements remit.vault.rotator.Rotator by requests. `send`: the way out."""

    send: Send

    def propose(self, plan: Plan) -> Material | None:
        """A value of the alphabet, where Remit chooses."""
        how = settings(plan.settings).propose
        if how is None:
            return None
        value = "".join(secrets.choice(how.alphabet) for _ in range(how.length))
        known = {ROTATION: plan.rotation}
        return Material(
            value=Secret(value), attributes={name: fill(text, known) for name, text in how.attributes.items()}
        )

    async def create(self, plan: Plan, proposed: Material | None) -> Material:
        """Make it, after what an attempt left that nobody recorded was removed."""
        how = settings(plan.settings)
        if proposed is None:
            await self._tidy(plan, how)
        values = {MARK: plan.mark, **_known(how, proposed)}
        answer = await self._sent(plan, how, how.create, values, what="create", signed=True)
        _judge(answer, how.create.status, what="create")
        made = _made(answer, how, proposed)
        if _taken(plan, how, made):
            raise Refused("the provider's answer names the credential that calls use")
        return made

    async def verify(self, plan: Plan, new: Material) -> None:
        """Use it, and nothing else with it."""
        how = settings(plan.settings)
        answer = await self._asked(plan, how, how.verify, new, what="verify", signed=False)
        _judge(answer, how.verify.status, what="verify")

    async def revoke(self, plan: Plan, old: Material) -> None:
        """Take it away. Of what was never seen to be made, what bears this rotation's mark."""
        how = settings(plan.settings)
        if _taken(plan, how, old):
            raise Refused("the request would take away the credential that calls use")
        try:
            answer = await self._asked(plan, how, how.revoke, old, what="revoke", signed=True)
        except Missing:
            await self._tidy(plan, how)
            return
        if answer.status not in _GONE:
            _judge(answer, how.revoke.status, what="revoke")

    async def gone(self, plan: Plan, old: Material) -> bool:
        """Whether the provider says so, asked anew."""
        how = settings(plan.settings)
        await self._tidy(plan, how)
        if RESERVED in old.attributes:
            return True  # it was never seen there: what bears its mark is removed
        asked = how.confirm or how.verify
        try:
            answer = await self._asked(plan, how, asked, old, what="confirm", signed=VALUE not in asked.places())
        except Missing:
            return await self._unusable(plan, how, old)
        if answer.status in how.gone:
            return True
        if _yes(answer.status):
            return False
        raise Unclear(f"the provider answered {answer.status} to confirm")

    async def tidy(self, plan: Plan) -> None:
        """Remove what bears this rotation's mark and is no version that is held. Raises Refused, Unclear."""
        await self._tidy(plan, settings(plan.settings))

    # ------------------------------------------------------------------------------------------

    async def _unusable(self, plan: Plan, how: HttpSettings, old: Material) -> bool:
        """Whether what a person set, of which nothing else is known, opens nothing any more."""
        answer = await self._asked(plan, how, how.verify, old, what="verify", signed=False)
        if answer.status in UNUSABLE:
            return True
        raise Unclear("the old one works, and by_hand does not say what it is known by: remove it there")

    async def _tidy(self, plan: Plan, how: HttpSettings) -> None:
        said = how.leftovers
        if said is None:
            return
        answer = await self._asked(plan, how, said.request, None, what="leftovers", signed=True)
        _judge(answer, said.request.status, what="leftovers")
        for attributes in left(_json(answer, what="leftovers"), said, plan):
            await self._removed(plan, how, attributes)

    async def _removed(self, plan: Plan, how: HttpSettings, attributes: Mapping[str, str]) -> None:
        answer = await self._sent(plan, how, how.revoke, attributes, what="leftovers", signed=True)
        if answer.status not in _GONE:
            _judge(answer, how.revoke.status, what="leftovers")

    async def _asked(
        self, plan: Plan, how: HttpSettings, asked: Request, about: Material | None, *, what: str, signed: bool
    ) -> Answered:
        return await self._sent(plan, how, asked, _known(how, about), what=what, signed=signed)

    async def _sent(
        self, plan: Plan, how: HttpSettings, asked: Request, values: Mapping[str, str], *, what: str, signed: bool
    ) -> Answered:
        more = signature(plan, how) if signed else {}
        out = filled(asked, {ROTATION: plan.rotation, **values}, more=more)
        try:
            return await self.send(out.method, out.url, out.headers, out.body)
        except Unclear as error:
            raise Unclear(f"{what}: {error.public}") from error


def left(listed: object, said: Leftovers, plan: Plan) -> list[dict[str, str]]:
    """What a provider lists that bears the mark of an earlier attempt and belongs to no version that is held. Pure."""
    items, labels = (
        pointed(listed, said.items),
        {fill(said.label, {ROTATION: plan.rotation, MARK: mark}) for mark in plan.older},
    )
    if not isinstance(items, list):
        raise Unclear("the provider's list is none")
    found = []
    for item in items[:_MOST]:
        attributes = {name: _text(pointed(item, at)) for name, at in said.attributes_at.items()}
        known = any(attributes.items() <= held.items() for held in plan.known)
        if _text(pointed(item, said.label_at)) in labels and all(attributes.values()) and not known:
            found.append(attributes)
    return found


def signature(plan: Plan, how: HttpSettings) -> dict[str, str]:
    """The header by which the provider knows Remit. Raises SecretUnavailable, Refused."""
    signs = how.signs
    material = plan.admin(signs.admin) if signs.admin else plan.current
    if material is None:
        raise Refused("there is no credential yet that could ask for its successor")
    value = material.value.text()
    if signs.user:
        return {"Authorization": f"Basic {b64encode(f'{signs.user}:{value}'.encode()).decode()}"}
    return {signs.header: signs.format.replace("{}", value)}


def _known(how: HttpSettings, about: Material | None) -> dict[str, str]:
    if about is None:
        return {}
    return {**(about.attributes or how.by_hand), VALUE: about.value.text()}


def _taken(plan: Plan, how: HttpSettings, it: Material) -> bool:
    """Whether taking `it` away would be the very request that takes away what calls use."""
    if plan.current is None:
        return False
    try:
        mine, theirs = (
            filled(how.revoke, {ROTATION: plan.rotation, **_known(how, each)}) for each in (it, plan.current)
        )
    except Missing:
        return False
    return mine == theirs


def _made(answer: Answered, how: HttpSettings, proposed: Material | None) -> Material:
    said: object = None
    if how.attributes_at or proposed is None:
        said = _json(answer, what="create")
    attributes = {name: _text(pointed(said, at)) for name, at in how.attributes_at.items()}
    if not all(attributes.values()):
        raise Unclear("the provider's answer lacks what it is known by")
    if proposed is not None:
        return Material(value=proposed.value, attributes={**proposed.attributes, **attributes})
    value = pointed(said, how.value_at or "")
    if not isinstance(value, str) or not value:
        raise Unclear("the provider's answer has no value")
    return Material(value=Secret(value), attributes=attributes)


def _text(value: object) -> str:
    """An attribute as a provider writes it: a short text, or a whole number; else nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    fits = isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= MAX_ATTRIBUTE
    return str(value) if fits else ""


def _json(answer: Answered, *, what: str) -> object:
    try:
        found: object = parse(answer.body)
    except Malformed:
        # Not its text: a value may stand in it.
        raise Unclear(f"the provider's answer to {what} is no JSON") from None
    return found


def _judge(answer: Answered, meant: tuple[int, ...], *, what: str) -> None:
    if answer.status in meant if meant else _yes(answer.status):
        return
    said = f"the provider answered {answer.status} to {what}"
    if 400 <= answer.status < 500 and answer.status not in _LATER:  # noqa: PLR2004 - RFC 9110 section 15.5
        raise Refused(said)
    raise Unclear(said)


def _yes(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - RFC 9110 section 15.3
