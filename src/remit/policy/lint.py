"""What a careful reader would say of policy files before anything is applied (pure over the engine port).

Errors are what Remit would refuse, or what can never do anything; warnings are what works and surprises.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from remit.catalog.model import Server
from remit.kernel.errors import ConfigInvalid
from remit.policy import futile, guards, organisation, schema
from remit.policy.organisation import Policy
from remit.policy.ports import Engine

_PLACE: Final = re.compile(r"(?P<file>.+?)(?::(?P<line>[0-9]+))?: (?P<what>.*)\Z", re.DOTALL)
_GROUP: Final = re.compile(r"(server|tier):")
_CALL: Final = "principal has name, version and owner; resource name; context input, purpose, run, instance and now"
_OURS: Final = f"{schema.NAMESPACE}::"


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing, where it stands, why it matters and what to do."""

    severity: Severity
    rule: str
    file: str
    line: int  # on which the policy begins; 0 if it is not known
    policy: str
    what: str
    because: str
    try_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known offline. Names that are None are not known, so nothing is said of them.

    `servers` carries the tools whose schemas are known, `declared` the schema of the organisation's own types: policies
    about these alone are type-checked.
    """

    agents: Collection[str] | None = None
    owners: Collection[str] | None = None
    names: Collection[str] | None = None  # of servers
    servers: Collection[Server] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)


def lint(files: Mapping[str, str], engine: Engine, known: Known) -> list[Finding]:
    """Every finding, by file and line."""
    found: list[Finding] = []
    policies: list[Policy] = []
    for file, text in sorted(files.items()):
        try:
            policies += organisation.read({file: text}, engine).policies
        except ConfigInvalid as error:
            found.append(_unreadable(file, error))
    found += _same_ids(policies)
    checked = _Checked(engine, known)
    for policy in policies:
        found += _of(policy, known, checked)
    return sorted(found, key=lambda each: (each.file, each.line, each.rule))


class _Checked:
    """Strict validation, as far as the tools are known."""

    def __init__(self, engine: Engine, known: Known) -> None:
        self._engine = engine
        self.catalog: Mapping[str, Any] = {**schema.for_catalog(known.servers), **known.declared}
        self._actions = {
            (f"{namespace}::Action" if namespace else "Action", name)
            for namespace, own in self.catalog.items()
            for name in own["actions"]
        }
        self._schema = engine.schema(self.catalog) if known.servers or known.declared else None

    def covers(self, policy: Policy) -> bool:
        """Whether everything that it speaks of is known."""
        named = set(_entities(policy.cedar.get("action")))
        return self._schema is not None and bool(named) and named <= self._actions

    def faults(self, policy: Policy) -> list[str]:
        """What does not validate."""
        return self._engine.faults(policy.text, self._schema)


def _of(policy: Policy, known: Known, checked: _Checked) -> Iterator[Finding]:
    said = _Saying(policy)
    annotations = policy.cedar.get("annotations", {})
    if "id" not in annotations:
        yield said.warning(
            "no_id", "it has no @id", "a denial names it by its place, which changes with the file",
            '@id("a-short-name") before it',
        )  # fmt: skip
    if "title" not in annotations and policy.forbids:
        yield said.warning(
            "no_title", "it has no @title", "an agent that it refuses is told the title, and nothing else of it",
            '@title("Why, in a few words") before it',
        )  # fmt: skip
    if all(policy.cedar[part].get("op") == "All" for part in ("principal", "action", "resource")):
        yield said.warning(
            "unscoped", "it speaks of everything", "it is evaluated for every call of every agent",
            'name an agent, an action or a group, as in: action in Remit::Action::"tier:critical"',
        )  # fmt: skip
    if not policy.forbids and organisation.about_calls(policy.cedar):
        yield said.warning(
            "permit_alone", "it is a permit", "no permit of the organisation allows a call that no boundary allows",
            "a boundary, or a forbid with an unless",
        )  # fmt: skip
    yield from _never(policy, known, said)
    yield from _unheard(policy, checked, said)
    yield from _errs(policy, checked, said)


def _errs(policy: Policy, checked: _Checked, said: _Saying) -> Iterator[Finding]:
    """What refuses calls because it cannot be evaluated."""
    covered = checked.covers(policy)
    faults = checked.faults(policy) if covered else []
    for fault in faults:
        yield said.error(
            "invalid", fault.removeprefix("for policy `policy0`, "), "apply refuses it",
            "what the tools are called, and what they take: remit server show NAME",
        )  # fmt: skip
    if not covered:
        for path in guards.missing(policy.cedar):
            before, _, name = path.rpartition(".")
            yield said.warning(
                "may_be_missing", f"{path} may be missing", "a call without it is refused: an error decides nothing",
                f"{before} has {name} && ...",
            )  # fmt: skip
    if guards.overflows(policy.cedar):
        yield said.warning(
            "may_overflow", "it computes with numbers", "a sum over 64 bits is an error, and refuses the call",
            "compare with a number that is written out",
        )  # fmt: skip
    for function in guards.made_from_text(policy.cedar):
        yield said.warning(
            "may_not_parse", f"{function}() reads text that is not written out",
            "text that is no such value is an error, and refuses the call", "compare the text itself",
        )  # fmt: skip


def _never(policy: Policy, known: Known, said: _Saying) -> Iterator[Finding]:
    """Scopes that nothing meets."""
    because = "so it never applies, and forbids nothing"
    for what in _misses(policy, known):
        yield said.error("never_applies", what, because, "remit agent list, remit server show NAME")
    if futile.never_holds(policy.cedar):
        yield said.error("never_applies", "its condition never holds", because, "take the policy away")


def _unheard(policy: Policy, checked: _Checked, said: _Saying) -> Iterator[Finding]:
    """What no call has. `has` asks for it without an error, and a forbid behind it forbids nothing."""
    asks = futile.unheard(policy.cedar, checked.catalog) if organisation.about_calls(policy.cedar) else None
    if asks is None or (checked.covers(policy) and checked.faults(policy)):
        return  # what is read without `has` is said already
    rule = "no_such_argument" if asks.names else "no_such_attribute"
    try_ = "what the tools take: remit server show NAME" if asks.names else _CALL
    if asks.exact:
        yield said.error(rule, asks.what, "apply refuses it", try_)
    else:
        because = "what it asks for is never there, unless another tool has it"
        yield said.warning(rule, asks.what, because, try_)


def _misses(policy: Policy, known: Known) -> Iterator[str]:
    """Each entity of the scope that no call can have."""
    principal, action, resource = (policy.cedar[part] for part in ("principal", "action", "resource"))
    callers = {schema.AGENT: known.agents}
    if principal.get("op") != "==":  # an agent is in its owner, and never is one
        callers[schema.OWNER] = known.owners
    yield from _not_among(principal, callers, "agent")
    yield from _not_among(resource, {schema.SERVER: known.names}, "resource")
    for kind, name in _entities(action):
        if kind == schema.ACTION and action.get("op") == "==" and _GROUP.match(name):
            yield f"no call is the group {name}: in, not =="
        elif kind == schema.ACTION and known.names is not None and _server(name) not in {"", *known.names}:
            yield f"there is no server {_server(name)}"


def _not_among(constraint: Mapping[str, Any], kinds: Mapping[str, Collection[str] | None], what: str) -> Iterator[str]:
    """The entities of a constraint that are of none of the kinds, or not known."""
    for kind, name in _entities(constraint):
        if kind.startswith(_OURS) and kind not in kinds:
            yield f'no {what} is {kind}::"{name}"'
        elif (names := kinds.get(kind)) is not None and name not in names:
            yield f"there is no {kind.removeprefix(_OURS).lower()} {name}"


def _server(action: str) -> str:
    """The server of an action or of a server's group; "" for a tier."""
    if action.startswith("tier:"):
        return ""
    if action.startswith("server:"):
        return action.removeprefix("server:")
    return re.split(r"[/:]", action, maxsplit=1)[0]


def _entities(constraint: object) -> list[tuple[str, str]]:
    if not isinstance(constraint, Mapping):
        return []
    named: list[Any] = [*constraint.get("entities", ()), constraint.get("entity")]
    return [(each["type"], each["id"]) for each in named if isinstance(each, Mapping) and "id" in each]


@dataclass(frozen=True, slots=True)
class _Saying:
    policy: Policy

    def error(self, rule: str, what: str, because: str, try_: str) -> Finding:
        return self._finding(Severity.ERROR, rule, what, because, try_)

    def warning(self, rule: str, what: str, because: str, try_: str) -> Finding:
        return self._finding(Severity.WARNING, rule, what, because, try_)

    def _finding(self, severity: Severity, rule: str, what: str, because: str, try_: str) -> Finding:
        it = self.policy
        return Finding(
            severity=severity,
            rule=rule,
            file=it.file,
            line=it.line,
            policy=it.id,
            what=what,
            because=because,
            try_=try_,
        )


def _same_ids(policies: Collection[Policy]) -> Iterator[Finding]:
    seen: dict[str, Policy] = {}
    for policy in policies:
        first = seen.setdefault(policy.id, policy)
        if first is not policy and (first.file, first.line) != (policy.file, policy.line):
            yield _Saying(policy).error(
                "same_id", f"@id {policy.id!r} is taken by {first.file}:{first.line}",
                "a denial names one policy", "another @id",
            )  # fmt: skip


def _unreadable(file: str, error: ConfigInvalid) -> Finding:
    place = _PLACE.match(error.public)
    line, what = (int(place["line"] or 0), place["what"]) if place else (0, error.public)
    rule = "same_id" if what.startswith("@id ") else "unreadable"
    because = "a denial names one policy" if rule == "same_id" else "apply refuses the whole file"
    try_ = "another @id" if rule == "same_id" else "remit policy format, once it reads"
    return Finding(
        severity=Severity.ERROR, rule=rule, file=file, line=line, policy="", what=what, because=because, try_=try_
    )
