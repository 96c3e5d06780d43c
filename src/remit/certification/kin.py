"""Which entitlements depend on one, and on which it depends (pure): `access/needs.py`, on what is in force."""

from __future__ import annotations

from remit.access.activation import ActivationKey
from remit.kernel.names import ActionName, split_action
from remit.policy.view import View


def kin_of(view: View, key: ActivationKey) -> list[ActivationKey]:
    """What it needs and what needs it, directly or through others."""
    needs, needed_by = _kin(view, key)
    return [key._replace(action=each, scope=split_action(each)[0]) for each in sorted({*needs, *needed_by})]


def depth(view: View, key: ActivationKey) -> tuple[int, ActivationKey]:
    """Its place where what needs another goes before it: how many need it; then its name."""
    return len(_kin(view, key)[1]), key


def _kin(view: View, key: ActivationKey) -> tuple[tuple[ActionName, ...], tuple[ActionName, ...]]:
    agent = view.agents.get(key.agent)
    kin = None if agent is None else agent.reach.needs.get(key.purpose)
    return ((), ()) if kin is None else (kin.needs.get(key.action, ()), kin.needed_by.get(key.action, ()))
