"""Does another schema, or another map, let permits in force reach what they do not reach now. Pure; errs towards yes.

Entities are data, like owners and agents: one person changes them, and the log says who.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.policy.declared.model import Declaration, Part
from remit.policy.organisation import Organisation
from remit.policy.schema import NAMESPACE


def widenings(before: Mapping[str, Declaration], after: Mapping[str, Declaration], standing: Organisation) -> list[str]:
    """Why `after` widens what is in force, one line a reason.

    Args:
        before: What is declared.
        after: What would be.
        standing: The policies in force. A permit that is new is a reason of its own.
    """
    reaching = sorted(policy.id for policy in standing.policies if not policy.forbids and not _ours(policy.cedar))
    forbidding = any(policy.forbids for policy in standing.policies)
    if not reaching:
        return []
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    parts = {name: (after.get(name) or before[name]).part for name in changed}
    what = "the permit " + reaching[0] + (" and others" if len(reaching) > 1 else "")
    why = f"{what} may reach more" + (", and a forbid less" if forbidding else "")
    return [f"{name} is changed: {why}" for name in changed if parts[name] is not Part.ENTITIES]


def _ours(policy: Mapping[str, Any]) -> bool:
    """Whether a policy's scope names something of Remit's own: then it speaks of nothing that can be declared."""
    return any(_names_ours(policy.get(part)) for part in ("principal", "action", "resource"))


def _names_ours(constraint: object) -> bool:
    if not isinstance(constraint, dict):
        return False
    held = constraint.get("entities", [constraint.get("entity")])
    named = [each.get("type") for each in held if isinstance(each, dict)] + [constraint.get("entity_type")]
    found = [str(each) for each in named if each is not None]
    return bool(found) and all(each.startswith(f"{NAMESPACE}::") for each in found)
