"""What an agent is told of conditions before it calls (pure): beside a tool's schema, which has no words for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from remit.access.conditions_document import said
from remit.catalog.labels import Labels
from remit.policy.view import Grant

META: Final = "dev.remit/conditions"  # in `_meta` of a listed tool


def told(grants: Sequence[Grant], labels: Labels | None) -> dict[str, Any]:
    """The conditions of the rules that grant a tool, of which one set must be met, and what is said of its data.

    Empty where nothing is asked: one rule without conditions is enough.
    """
    asked = [grant.rule.conditions for grant in grants]
    sets = [said(each) for each in asked if each is not None]
    any_of = {"any_of": sets} if sets and len(sets) == len(asked) else {}
    flow = {} if labels is None else {"flow": {"returns": list(labels.returns), "carries_out": labels.carries_out}}
    return {**any_of, **flow}
