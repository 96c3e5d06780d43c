"""What was noticed about an agent, and how risky that makes it: a fixed table, in millionths (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from remit.kernel.clock import Instant


class Signal(StrEnum):
    """Kinds of notice. Each is on until whoever raised it, or a person, says that it is over.

    Remit itself raises toxic_combination, keep_alive, denied_often, instance_conflict,
    breakglass_unreviewed and credential_posture, and credential_exposed about a server's secret. Detectors and
    people may raise these too: `own` tells apart what is whose.
    """

    CREDENTIAL_EXPOSED = "credential_exposed"  # a key or secret of the agent is known to others
    INSTANCE_CONFLICT = "instance_conflict"  # the key of one running copy is used from two places at once
    CRITICAL = "critical"  # a detector is sure: its entitlements are suspended at once
    ANOMALY = "anomaly"  # it behaves as it never did
    PURPOSE_DRIFT = "purpose_drift"  # `about` a purpose: it does other work under that name
    PEER_OUTLIER = "peer_outlier"  # `about` an action that agents of its kind do not use
    TOXIC_COMBINATION = "toxic_combination"  # `about` the combination that it holds
    KEEP_ALIVE = "keep_alive"  # `about` an action that is used like a clock and comes to nothing
    DENIED_OFTEN = "denied_often"  # it tries what it may not
    OWNER_ON_LEAVE = "owner_on_leave"
    UNAPPROVED_VERSION = "unapproved_version"  # its model, prompt or tools changed and nobody said yes
    BREAKGLASS_UNREVIEWED = "breakglass_unreviewed"  # an emergency opening was not looked at in time
    CREDENTIAL_POSTURE = "credential_posture"  # `about` a secret of a server that it uses: overdue for a rotation


# Published in docs/certification.md. What is noticed adds up, to at most 1,000,000.
RISKS: Final[Mapping[Signal, int]] = {
    Signal.CREDENTIAL_EXPOSED: 900_000,
    Signal.CRITICAL: 1_000_000,
    Signal.INSTANCE_CONFLICT: 700_000,  # at risk by itself: a copy was cloned, or a key was
    Signal.ANOMALY: 450_000,
    Signal.PURPOSE_DRIFT: 300_000,
    Signal.PEER_OUTLIER: 150_000,
    Signal.TOXIC_COMBINATION: 200_000,
    Signal.KEEP_ALIVE: 250_000,
    Signal.DENIED_OFTEN: 300_000,
    Signal.OWNER_ON_LEAVE: 100_000,
    Signal.UNAPPROVED_VERSION: 400_000,
    Signal.BREAKGLASS_UNREVIEWED: 250_000,
    Signal.CREDENTIAL_POSTURE: 50_000,
}
MOST: Final = 1_000_000


# Doubt about what the agent does, whatever the risk comes to: about a purpose, or about an action.
DOUBTS: Final = frozenset({Signal.PURPOSE_DRIFT, Signal.PEER_OUTLIER})
OWN: Final = "remit"  # what a keep_alive or denied_often is about that Remit itself raised begins with it


def own(*about: str) -> str:
    """What a signal of Remit's own is about: `remit`, or `remit: ` and what."""
    return f"{OWN}: {' '.join(filter(None, about))}" if any(about) else OWN


def is_own(about: str) -> bool:
    """Whether it is said the way in which only Remit says it, so that nobody ends what somebody else raised."""
    return about == OWN or about.startswith(f"{OWN}: ")


class Noticed(NamedTuple):
    """One signal that is on."""

    signal: Signal
    about: str
    since: Instant


_ABOUT_SECRET: Final = "remit: secret "  # noqa: S105 - words


def secret_at(secret: str, server: str) -> str:
    """What a credential_exposed is about that concerns only what its agent does at one server: that one's secret."""
    return own("secret", secret, "at", server)


def server_of(noticed: Noticed) -> str | None:
    """The server whose secret it is about (`secret_at`); None if it is about the agent."""
    return noticed.about.rpartition(" at ")[2] if noticed.about.startswith(_ABOUT_SECRET) else None


def risk_of(noticed: Iterable[Noticed], said: int = 0) -> int:
    """How risky an agent is, in millionths: the sum over the kinds that are on, or a person's word if that is higher.

    One kind counts once, however often it was noticed: ten alarms of one detector are one alarm. That a server's secret
    is exposed says nothing against those who never had it: what they do there is suspended, and no more.
    """
    kinds = {each.signal for each in noticed if each.signal is not Signal.CREDENTIAL_EXPOSED or server_of(each) is None}
    return max(said, min(MOST, sum(RISKS[kind] for kind in kinds)))
