"""The Cedar engine: cedarpy behind the port. A missing engine is an import error, never a fallback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cedarpy
import msgspec

from remit.kernel.canonical import encode
from remit.policy.ports import Handle, Ruling, Slice, Verdict


class CedarEngine:
    """Implements remit.policy.ports.Engine with parsed handles; strings would be parsed anew at every call."""

    def schema(self, schema: Mapping[str, Any]) -> Handle:
        """Parse a schema."""
        return cedarpy.Schema.from_json_str(_json(schema))

    def spelling(self, schema: str | Mapping[str, Any]) -> str:
        """A schema in the engine's own spelling of Cedar's schema language."""
        parse = cedarpy.Schema.from_str if isinstance(schema, str) else cedarpy.Schema.from_json_str
        return str(parse(schema if isinstance(schema, str) else _json(schema)))

    def entities(self, entities: list[dict[str, Any]], schema: Handle) -> Handle:
        """Parse entities. With the schema, because without it the engine does not know the action groups."""
        return cedarpy.Entities.from_json_str(_json(entities), schema)

    def policies(self, policies: Mapping[str, Any]) -> Handle:
        """Parse policies under ids of our own: parsed from text they would be named by their position."""
        return cedarpy.PolicySet.from_json_str(
            _json({"staticPolicies": policies, "templates": {}, "templateLinks": []})
        )

    def text(self, policies: Mapping[str, Any]) -> str:
        """Policies as Cedar text."""
        return str(
            cedarpy.policies_from_json_str(_json({"staticPolicies": policies, "templates": {}, "templateLinks": []}))
        )

    def ask(self, question: Slice, context: str) -> Verdict:
        """Decide. Anything but `Decision.Allow` itself is no allow: `bool(Decision.NoDecision)` is True."""
        result = cedarpy.is_authorized(
            {**question.request, "context": context}, question.policies, question.entities, question.schema
        )
        ruling = _RULINGS.get(result.decision, Ruling.NONE)
        diagnostics = result.diagnostics
        return Verdict(ruling, tuple(sorted(diagnostics.reasons)), tuple(diagnostics.errors))

    def read(self, text: str) -> Mapping[str, Any]:
        """Cedar text as Cedar's JSON."""
        found: Mapping[str, Any] = msgspec.json.decode(cedarpy.policies_to_json_str(text))
        return found

    def count(self, text: str) -> int:
        """How many policies Cedar text holds. Other threads run meanwhile: decisions do not wait for it."""
        parsed = cedarpy.PolicySet.from_str(text, release_gil=True)
        if parsed.templates():
            raise ValueError("templates with ?principal or ?resource are not used here")
        return len(parsed)

    def faults(self, text: str, schema: Handle) -> list[str]:
        """Strict validation. Other threads run meanwhile."""
        result = cedarpy.validate_policies(text, schema, release_gil=True)
        if result.validation_passed:
            return []
        return [error.error for error in result.errors] or ["it does not validate"]


_RULINGS = {cedarpy.Decision.Allow: Ruling.ALLOW, cedarpy.Decision.Deny: Ruling.DENY}


def _json(value: object) -> str:
    return encode(value).decode("utf-8")
