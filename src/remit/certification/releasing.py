"""What a person's keep releases, and what is so again when it is taken back (pure).

A keep is about what its person was shown. So it releases what needs a person only if that was shown, or if it covers
the doubts that there are and the risk is low. The days at risk run on, unless they were for a doubt and that holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from remit.access.activation import Activation, ActivationState, Under
from remit.access.become import passing
from remit.access.judge import DOUBT, TOXIC
from remit.access.parameters import SHIPPED
from remit.kernel.clock import Instant

_RELEASED: Final = frozenset({ActivationState.NEEDS_HUMAN, ActivationState.AT_RISK})  # by a person's word
_ENDED: Final = frozenset({ActivationState.LAPSED, ActivationState.SUSPENDED, ActivationState.REVOKED})


def released(
    kept: Activation, against: Mapping[str, Instant], shown: Collection[str] | None, *, quiet: bool, now: Instant
) -> Activation:
    """It as a keep leaves it, which says already what it `covers`. What ended before stays so.

    Args:
        kept: With the keep.
        against: What speaks against it, and since when (`weighed`).
        shown: What its person was shown: what speaks against it, and why it needs a person; None: all of it.
        quiet: Whether its agent's risk is low (`judge.quiet`): else that holds it, and not only doubt.
        now: The moment.
    """
    held = passing(kept)
    if held and kept.why != TOXIC:
        return kept
    base = kept.under if held else Under(kept.state, kept.why, kept.since)
    if base is None or (base.state in _RELEASED and _accounted(kept, base, against, shown, quiet=quiet)):
        return replace(kept, state=ActivationState.ACTIVE, since=now, why="kept", under=None)
    if held:
        # What needs a person comes back with the next tick, which asks.
        waits = base.state is ActivationState.NEEDS_HUMAN
        return kept if waits else replace(kept, **base._asdict(), under=None)
    under = kept.under
    if under is not None and under.state in _RELEASED and _accounted(kept, under, against, shown, quiet=quiet):
        return replace(kept, under=None)
    return kept


def _accounted(
    kept: Activation, base: Under, against: Mapping[str, Instant], shown: Collection[str] | None, *, quiet: bool
) -> bool:
    """Whether what its person was shown accounts for its being at risk, or for its needing a person."""
    doubts = {each: since for each, since in against.items() if not each.startswith(TOXIC)}
    # What is raised after they looked begins its own days.
    if any(since <= kept.looked and each not in kept.covers for each, since in doubts.items()):
        return False
    covered = quiet and any(each in kept.covers for each in doubts)
    if base.state is ActivationState.AT_RISK:
        return covered and base.why == DOUBT
    return covered or shown is None or base.why in shown


def needing(known: Activation) -> Under | None:
    """That it needs a person, or is at risk, also under a reason that ends by itself; None if it does not."""
    base = known.under if passing(known) else Under(known.state, known.why, known.since)
    return base if base is not None and base.state in _RELEASED else None


def releasable(known: Activation) -> Under | None:
    """What a keep may release: the same, also where the days at risk run on beneath something else."""
    under = None if known.state is ActivationState.ACTIVE else known.under
    return needing(known) or (under if under is not None and under.state in _RELEASED else None)


def put_back(kept: Activation, was: Under | None) -> Activation:
    """It as if a keep had not released what `was` so. What ended since, or was started anew, is another story."""
    if was is None or kept.started > was.since:
        return kept
    if passing(kept):
        over = kept.under is None or kept.under.state is ActivationState.AT_RISK
        return replace(kept, under=was) if over else kept
    if kept.state in _ENDED or kept.state is ActivationState.NEEDS_HUMAN:
        return kept
    return replace(kept, **was._asdict(), under=None)


def outlived(was: Under | None, against: Mapping[str, Instant], *, calm: Instant, quiet: bool) -> bool:
    """Whether the days at risk that a keep released would be over by themselves now.

    Between the last doubt that ended (`calm`) and the first that stands now lies the day after which it is in force
    again (`judge`, rule 8). What needs a person would need one still.
    """
    began = [since for each, since in against.items() if not each.startswith(TOXIC)]
    if was is None or was.state is not ActivationState.AT_RISK or not began or not quiet:
        return False
    return calm > was.since and min(began) - calm >= SHIPPED.calm_for
