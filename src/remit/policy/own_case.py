"""A test about the organisation's own types: one question as AuthZEN asks it, and the expected answer (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.people.document import Fields
from remit.policy.case_fields import an_object, expected, text
from remit.policy.declared.judge import Asked, Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCase:
    """One such test: what an enforcement point would ask."""

    name: str
    asked: Asked
    expect: str  # allow, deny, or a denial code
    policy: str | None  # which policy must be the one that forbids
    file: str = ""
    line: int = 0


def own_case(spec: object, *, file: str, line: int) -> OwnCase:
    """Read a test that names a subject and a resource.

    Raises:
        SpecInvalid: It has problems.
    """
    fields = Fields(spec, known={"name", "subject", "action", "resource", "context", "expect", "policy"})
    subject, resource = (fields.take(part, _thing) for part in ("subject", "resource"))
    action: tuple[str, Mapping[str, Any]] = fields.take("action", _action)
    context: Mapping[str, Any] = fields.maybe("context", an_object, {})
    name, answer = fields.take("name", text), fields.take("expect", expected)
    policy: str | None = fields.maybe("policy", text, None)
    fields.finish()
    asked = Asked(subject=subject, action=action[0], resource=resource, action_properties=action[1], context=context)
    return OwnCase(name=name, asked=asked, expect=answer, policy=policy, file=file, line=line)


def _thing(value: object) -> Thing:
    fields = Fields(value, known={"type", "id", "properties"})
    found = Thing(fields.take("type", text), fields.take("id", text), fields.maybe("properties", an_object, {}))
    fields.finish()
    return found


def _action(value: object) -> tuple[str, Mapping[str, Any]]:
    """Its name; or an object, where properties go with it."""
    if isinstance(value, str):
        return text(value), {}
    fields = Fields(value, known={"name", "properties"})
    found = fields.take("name", text), fields.maybe("properties", an_object, {})
    fields.finish()
    return found


def is_own(spec: object) -> bool:
    """Whether a test is about the organisation's own types."""
    return isinstance(spec, Mapping) and "subject" in spec
