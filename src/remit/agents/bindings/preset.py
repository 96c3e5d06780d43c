"""The presets: what each platform's tokens say, what of it must be asked for, and what is refused.

They are YAML beside this file. Read once, when the first is asked for: a command that reads no agent pays nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from remit.kernel.clock import Micros, parse_duration

GENERIC: Final = "oidc"
SPIFFE: Final = "spiffe"
NAMES: Final = ("aws", "azure", "gcp", "github_actions", "kubernetes", GENERIC, SPIFFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What an agent's document may name, and the claim that it is about."""

    claim: tuple[str, ...]
    glob: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What must stand in a document, and the reason if it does not."""

    all: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Conditions of which at least one must stand in a document, and not for every branch alike."""

    any: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A value that carries another condition's value, between colons; no token says two different ones."""

    key: str
    part: int  # counted from 0
    other: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Claims with which nobody is let in, whatever else fits."""

    claim: tuple[str, ...]
    like: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustUsual:
    """What is usual of a platform's issuer: the defaults of a trust."""

    issuer: str | None
    algorithms: tuple[str, ...]
    max_age: Micros
    refused_audiences: tuple[tuple[str, str], ...]  # how it begins, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One platform."""

    name: str
    what: str
    trust: TrustUsual
    conditions: Mapping[str, Condition]
    needs: Sequence[Need]
    choices: Sequence[Choice]
    agreements: Sequence[Agreement]
    refused: Sequence[Refused]


@cache
def preset(name: str) -> Preset:
    """The preset of that name, which is one of `NAMES`."""
    import yaml  # noqa: PLC0415 - the command line reads agents without it

    said = yaml.safe_load(files("remit.agents.bindings").joinpath("presets", f"{name}.yaml").read_text("utf-8"))
    return Preset(
        name=name,
        what=said["what"],
        trust=_trust(said["trust"]),
        conditions={
            key: Condition(claim=tuple(each["claim"]), glob=each.get("glob", False))
            for key, each in said["conditions"].items()
        },
        needs=tuple(Need(all=tuple(each["all"]), because=each["because"]) for each in said["needs"]),
        choices=tuple(Choice(any=tuple(each["any"]), because=each["because"]) for each in said.get("choices", ())),
        agreements=tuple(Agreement(**each) for each in said.get("agreements", ())),
        refused=tuple(
            Refused(claim=tuple(each["claim"]), like=each["like"], because=each["because"]) for each in said["refused"]
        ),
    )


def _trust(said: Mapping[str, Any]) -> TrustUsual:
    return TrustUsual(
        issuer=said.get("issuer"),
        algorithms=tuple(said["algorithms"]),
        max_age=parse_duration(said["max_age"]),
        refused_audiences=tuple((start, because) for start, because in said["refused_audiences"]),
    )
