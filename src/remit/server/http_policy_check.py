"""`POST /v1/policies/check`: what is wrong with policies, and how tests of them end. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.policy.declared.sql import SqlDeclarations
from remit.policy.ports import Engine
from remit.policy.service import PolicyService
from remit.server import policy_check
from remit.server.door import Ask, Door
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCheck:
    """Validation over HTTP, as `remit policy lint` and `remit policy test` do it without a server."""

    policy: PolicyService
    engine: Engine
    reader: Reader
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST", path="/v1/policies/check",
                summary="What is wrong with policies (`files`: name to text), and how tests (name to YAML) of them end",
                action="plan", handle=self.check, body="json", fields={"files": "object", "tests": "object?"},
            )
        ]  # fmt: skip

    def check(self, ask: Ask) -> dict[str, Any]:
        """Findings by file and line. Tests are run where nothing is wrong; what is wrong with a test is a finding."""
        files, tests = _texts(ask.body["files"]), _texts(ask.body.get("tests") or {})
        found = policy_check.findings(files, self.policy.view(), self.engine)
        try:
            self.policy.check_policies(files)
        except ConfigInvalid as error:
            found += policy_check.refused(error, found)
        ended = None
        if tests and not _errors(found):
            declared = self.reader.read(lambda connection: SqlDeclarations(connection).all())
            try:
                ended = policy_check.tried(files, tests, declared, self.engine, now=self.clock.now())
            except ConfigInvalid as error:
                found += policy_check.refused(error, [])
        return {"findings": found, "errors": _errors(found), "warnings": len(found) - _errors(found), "tests": ended}


def _errors(found: list[dict[str, Any]]) -> int:
    return sum(each["severity"] == "error" for each in found)


def _texts(said: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(text, str) and "\x00" not in text and name.isprintable() for name, text in said.items()):
        raise Malformed("files are an object: name to text")
    return dict(said)
