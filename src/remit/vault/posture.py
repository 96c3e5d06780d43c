"""How secrets are kept: how old each is, who uses it, what should be looked at (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.vault.service import Known
from remit.vault.uses import Key, Use, together

UNUSED_FOR: Final = Micros(90 * DAY)
_LATE_LEAST: Final = Micros(HOUR)  # a rotation takes its time; so much, or a tenth of the age at which it is due


class Finding(StrEnum):
    """What should be looked at."""

    EXPOSED = "exposed"  # the version that calls would use is known elsewhere, and not replaced yet
    OVERDUE = "rotation_overdue"  # older than its document lets it become
    NEVER_USED = "never_used"  # by any agent's call, since it is used to be counted
    UNUSED = "unused_90d"
    SHARED = "shared"  # more than one agent used the version that calls use
    STATIC = "static"  # nothing changes it but people
    MISSING = "missing"  # no version: calls that need it are refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How one secret is kept. `age`: of the version that calls use, None if there is none."""

    secret: str
    owner: str
    version: int
    age: Micros | None
    use: Use | None
    agents: tuple[str, ...]  # that used the version that calls use
    servers: tuple[str, ...]
    findings: tuple[Finding, ...]


def kept(
    known: Known, uses: Mapping[Key, Use], servers: Collection[str], *, now: Instant, signs_in: bool = False
) -> Kept:
    """One secret at `now`, with all that was counted of its use by calls.

    `signs_in`: whether it changes or makes another one. When it did so last is not counted, so nothing is said of it.
    """
    version, document = known.held.get(known.active), known.document
    mine = {key: use for key, use in uses.items() if key.secret == known.secret}
    agents = tuple(sorted({key.agent for key in mine if key.version == known.active}))
    use = together(mine.values())
    age = None if version is None else Micros(max(0, now - version.made))
    findings: list[Finding] = []
    dynamic = document is not None and document.dynamic is not None
    if version is None and not dynamic:
        findings.append(Finding.MISSING)
    if version is not None and version.exposed is not None:
        findings.append(Finding.EXPOSED)
    if age is not None and overdue(known, now=now):
        findings.append(Finding.OVERDUE)
    if use is None and not signs_in:
        findings.append(Finding.NEVER_USED)
    elif use is not None and not signs_in and now - use.last > UNUSED_FOR:
        findings.append(Finding.UNUSED)
    if len(agents) > 1:
        findings.append(Finding.SHARED)
    if not dynamic and (document is None or document.rotate is None):
        findings.append(Finding.STATIC)
    return Kept(
        secret=known.secret, owner="" if document is None else document.owner, version=known.active, age=age, use=use,
        agents=agents, servers=tuple(sorted(servers)), findings=tuple(findings),
    )  # fmt: skip


def overdue(known: Known, *, now: Instant) -> bool:
    """Whether the version that calls use should have been replaced by now."""
    version, document = known.held.get(known.active), known.document
    if version is None or document is None or document.rotate is None or document.rotate.every is None:
        return False
    every = document.rotate.every
    return now - version.made > every + max(every // 10, _LATE_LEAST)


def longest_lived_first(every: Iterable[Kept]) -> list[Kept]:
    """The oldest first; what has no version comes last."""
    return sorted(every, key=lambda each: (each.age is None, -(each.age or 0), each.secret))


def static_share(every: Collection[Kept]) -> int:
    """How many of them only people change, in millionths; 0 of none."""
    static = sum(Finding.STATIC in each.findings for each in every)
    return static * 1_000_000 // len(every) if every else 0
