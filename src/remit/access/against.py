"""What speaks against an entitlement, and what of that a person vouched for (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from remit.access.activation import Activation, ActivationKey
from remit.access.judge import TOXIC
from remit.agents.signals import Noticed, Signal, risk_of, server_of
from remit.kernel.clock import Instant
from remit.kernel.names import split_action


class Against(NamedTuple):
    """What of an agent's signals concerns one of its activations."""

    other_risk: int | None = None
    exposed: bool = False
    secret_exposed: bool = False
    critical: bool = False
    weighed: Mapping[str, Instant] = {}  # what a person can weigh, and since when it is so


NOTHING: Final = Against()


def against_of(activation: Activation, noticed: Iterable[Noticed], *, risk: int) -> Against:
    """What is known against an activation, given what is noticed of its agent and the risk that this comes to."""
    noticed = tuple(noticed)
    kinds = {each.signal for each in noticed}
    servers = {each.about: server_of(each) for each in noticed if each.signal is Signal.CREDENTIAL_EXPOSED}
    exposed = None in servers.values()
    return Against(
        other_risk=_other_risk(noticed, risk) if exposed else None,
        exposed=exposed,
        secret_exposed=split_action(activation.key.action)[0] in servers.values(),
        critical=Signal.CRITICAL in kinds,
        weighed=weighed(activation.key, noticed),
    )


def _other_risk(noticed: tuple[Noticed, ...], risk: int) -> int:
    """The risk without an exposed credential. A person's word that is hidden under it counts again after that."""
    said = risk if risk > risk_of(noticed) else 0
    return risk_of((each for each in noticed if each.signal is not Signal.CREDENTIAL_EXPOSED), said)


def weighed(key: ActivationKey, noticed: Iterable[Noticed]) -> dict[str, Instant]:
    """What speaks against one entitlement and a person can vouch for, as `judge` names it, and since when it is so.

    A combination counts by its name: who keeps an entitlement in spite of one has said nothing about the next.
    """
    found: dict[str, Instant] = {}
    toxic = f"{key.purpose} {key.action}"
    for each in noticed:
        if each.signal is Signal.TOXIC_COMBINATION and (each.about == toxic or each.about.startswith(f"{toxic}: ")):
            found[f"{TOXIC} {each.about[len(toxic) + 2 :]}".rstrip()] = each.since
        elif (each.signal, each.about) in {(Signal.PURPOSE_DRIFT, key.purpose), (Signal.PEER_OUTLIER, key.action)}:
            found[each.signal.value] = each.since
    return found


def vouched_of(activation: Activation, weighed: Mapping[str, Instant]) -> tuple[str, ...]:
    """What a person's keep covers, of what speaks against it: what it was given about, and nothing beside.

    A doubt that is over and raised anew is another one, of which they know nothing. A combination is the same again:
    its name says all that they were shown of it.
    """
    looked, covers = activation.looked, activation.covers
    return tuple(
        sorted(
            each for each, since in weighed.items() if each in covers and (since <= looked or each.startswith(TOXIC))
        )
    )
