"""What a boundary allows, in words; and what two versions of it allow otherwise. Pure, over the API's JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_APART: Final = frozenset({"action", "when", "budget", "approval_above"})
_NAMES: Final = {
    "ttl_seconds": "seconds without use until it lapses", "cadence_seconds": "seconds between two uses",
    "first_use": "first use", "approval_by": "who says yes", "approval_quorum": "how many must say yes",
    "requires_before": "only after", "forbidden_after": "never after", "per_run": "times in a run",
    "max_depth": "agents between at most",
}  # fmt: skip
_WORDS: Final = {
    "max": "at most {}", "min": "at least {}", "in": "one of {}", "prefix": "begins with {}",
    "max_length": "at most {} characters",
}  # fmt: skip


def limits(rule: Mapping[str, Any]) -> list[str]:
    """What bounds one action, a line each; none where nothing does."""
    return [f"{name}: {value}" for name, value in sorted(_parts(rule).items())]


def differences(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row for each action and limit that differs. Equal rules give none, whatever their order.

    `how`: added and removed actions; of others, the limit that is `set`, `lifted` or `changed`.
    """
    old, new = ({str(each["action"]): each for each in side} for side in (before, after))
    rows = []
    for action in sorted(old.keys() | new.keys()):
        was, now = old.get(action), new.get(action)
        if was is None or now is None:
            said = "; ".join(limits(was or now or {})) or "no limits"
            rows.append(_row(action, "action", "" if was is None else said, "" if now is None else said,
                             "added" if was is None else "removed"))  # fmt: skip
            continue
        parts = _parts(was), _parts(now)
        for name in sorted(parts[0].keys() | parts[1].keys()):
            one, other = parts[0].get(name, ""), parts[1].get(name, "")
            if one != other:
                how = "set" if not one else "lifted" if not other else "changed"
                rows.append(_row(action, name, one, other, how))
    return rows


def against(
    arguments: Mapping[str, Any], rule: Mapping[str, Any] | None, last: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Each argument of a call with what it was in the last call that passed, and what the boundary allows.

    Args:
        arguments: Of the call that is asked for.
        rule: What the boundary in force says of its action; None: nothing.
        last: The arguments of the last call of that action that was allowed; None: none is known here.
    """
    when = {} if rule is None else rule.get("when", {})
    above = {} if rule is None else rule.get("approval_above", {})
    rows = []
    for name in sorted(arguments.keys() | when.keys() | (last or {}).keys()):
        value, was = text(arguments.get(name)), text((last or {}).get(name))
        allowed = [_bound(when[name])] if name in when else []
        allowed += [f"above {above[name]} a person says yes"] if name in above else []
        rows.append({
            "name": name, "value": value, "was": was if last is not None else "",
            "differs": "" if last is None else "same" if value == was else "other",
            "allowed": "; ".join(allowed),
        })  # fmt: skip
    return rows


def text(value: object) -> str:
    """A value as text, exactly as it stands; nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(text, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(action: str, what: str, was: str, now: str, how: str) -> dict[str, str]:
    return {"action": action, "what": what, "was": was, "now": now, "how": how}


def _parts(rule: Mapping[str, Any]) -> dict[str, str]:
    """Everything that a rule says but its action, by name; what bounds an argument under that argument's."""
    found = {_NAMES.get(str(name), str(name)): text(value) for name, value in rule.items() if name not in _APART}
    found |= {f"argument {name}": _bound(bound) for name, bound in rule.get("when", {}).items()}
    found |= {f"approval above, {name}": text(value) for name, value in rule.get("approval_above", {}).items()}
    if "budget" in rule:
        budget = rule["budget"]
        found["budget"] = f"{budget['argument']}: {budget['max']} a {budget['per']}"
    return found


def _bound(bound: object) -> str:
    """What bounds one argument."""
    if not isinstance(bound, Mapping):
        return text(bound)
    return ", ".join(
        _WORDS.get(str(name), f"{name} {{}}").format(_listed(value)) for name, value in sorted(bound.items())
    )


def _listed(value: object) -> str:
    return ", ".join(map(text, value)) if isinstance(value, Sequence) and not isinstance(value, str) else text(value)
