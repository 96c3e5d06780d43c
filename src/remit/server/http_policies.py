"""`/v1/policies` and `/v1/policy-sets`: the organisation's policies, and the life of their versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, NotFound
from remit.policy.organisation import Organisation, Policy
from remit.policy.view import View
from remit.server.door import Ask, Door, actor
from remit.server.first_words import word_counts
from remit.server.operators import Authority
from remit.server.policy_life import PolicyLife, without_examples

_SETS = "/v1/policy-sets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Policies over HTTP. Whoever may not read all decisions is told how many would flip, and not which."""

    view: Callable[[], View]
    life: PolicyLife
    clock: Clock
    authority: Authority

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            _get("/v1/policies", "List the organisation's policies in force", self.list_policies),
            _get("/v1/policies/{id:path}", "Show one policy in force, with its text", self.show_policy),
            _get(_SETS, "List the versions of the organisation's policies, newest first", self.history),
            _get(
                f"{_SETS}/flips", "What the observed version, or `version`, would have answered otherwise", self.flips,
                "version",
            ),
            _get(f"{_SETS}/{{version}}", "Show one version with its files", self.show_set),
            _post(_SETS, "Observe these policies beside those in force", self.observe, files="object"),
            _post(f"{_SETS}/aside", "Observe nothing any more", self.put_aside),
            _post(f"{_SETS}/rollback", "Bring what was in force before into force again", self.rollback),
            _post(f"{_SETS}/{{version}}/enforce", "Bring a version into force; what widens takes two", self.enforce),
        ]  # fmt: skip

    def list_policies(self, _ask: Ask) -> dict[str, Any]:
        """Every policy, in the order of files."""
        found = self._organisation()
        return {"digest": found.digest, "fault": found.fault, "policies": [_row(each) for each in found.policies]}

    def show_policy(self, ask: Ask) -> dict[str, Any]:
        """One policy."""
        wanted = ask.path["id"]
        found = next((each for each in self._organisation().policies if each.id == wanted), None)
        if found is None:
            raise NotFound("there is no such policy in force", try_="remit policy list")
        return {**_row(found), "text": found.text}

    def history(self, _ask: Ask) -> dict[str, Any]:
        """Every version, and which was in force before."""
        return self.life.history()

    def show_set(self, ask: Ask) -> dict[str, Any]:
        """One version."""
        return self.life.show(ask.path["version"])

    def flips(self, ask: Ask) -> dict[str, Any]:
        """What would change."""
        found = self.life.flips(ask.query.get("version"))
        return found if self.authority.allows(ask.operator, "readDecisions") else without_examples(found)

    def observe(self, ask: Ask) -> dict[str, Any]:
        """Put a set beside the one in force."""
        files = ask.body["files"]
        if not all(isinstance(text, str) and "\x00" not in text and name.isprintable() for name, text in files.items()):
            raise Malformed("files are an object: name to text")
        return self.life.observe(files, by=actor(ask))

    def put_aside(self, ask: Ask) -> dict[str, Any]:
        """Stop observing."""
        return self.life.put_aside(by=actor(ask))

    def enforce(self, ask: Ask) -> dict[str, Any]:
        """Bring a version into force."""
        return self.life.enforce(ask.path["version"], by=actor(ask), counts=self._counts(ask))

    def rollback(self, ask: Ask) -> dict[str, Any]:
        """Go back."""
        return self.life.rollback(by=actor(ask), counts=self._counts(ask))

    def _counts(self, ask: Ask) -> bool:
        return word_counts(ask.operator, now=self.clock.now())

    def _organisation(self) -> Organisation:
        return self.view().organisation


def _get(path: str, summary: str, handle: Callable[[Ask], dict[str, Any]], *query: str) -> Door:
    return Door(method="GET", path=path, summary=summary, action="read", handle=handle, query=query)


def _post(path: str, summary: str, handle: Callable[[Ask], dict[str, Any]], **fields: str) -> Door:
    return Door(method="POST", path=path, summary=summary, action="apply", handle=handle, body="json", fields=fields)


def _row(policy: Policy) -> dict[str, Any]:
    return {
        "id": policy.id,
        "effect": "forbid" if policy.forbids else "permit",
        "title": policy.title,
        "file": policy.file,
        "line": policy.line,
    }
