"""The organisation's policies: read, named, validated, and picked for a slice (pure over the engine port).

Each file may hold many policies. One is named by its `@id`, else by its file and position; the
denial tells that name and the `@title`, never the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.kernel.canonical import canonical
from remit.kernel.errors import ConfigInvalid
from remit.policy import schema
from remit.policy.declared.index import ANY, About, Index, Key, applies, depth
from remit.policy.ports import Engine

PREFIX = "organisation "  # of ids in a slice: no policy of the organisation can pass for a boundary's permit


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of the organisation, as Cedar's JSON."""

    id: str
    title: str | None
    file: str
    line: int
    text: str
    cedar: Mapping[str, Any]
    depth: int = 0  # how many steps from entity to entity it can look

    @property
    def forbids(self) -> bool:
        """Whether it is a forbid."""
        return bool(self.cedar["effect"] == "forbid")


@dataclass(frozen=True, slots=True)
class Organisation:
    """All policies in force, with the digest that decisions record."""

    policies: tuple[Policy, ...] = ()
    digest: str = hashlib.sha256(b"[]").hexdigest()
    serial: int = 0
    fault: str | None = None  # stored text that cannot be read: then nothing is allowed
    titles: Mapping[str, str | None] = field(default_factory=dict)
    index: Index = field(default_factory=Index, compare=False)

    def about(self, about: About) -> tuple[Policy, ...]:
        """The policies that can apply to a question of the organisation's own types."""
        return tuple(self.policies[place] for place in self.index.places(set(about.keys())))

    def applying(self, scope: Scope) -> dict[str, Mapping[str, Any]]:
        """The policies whose scope can apply, keyed by their ids in a slice."""
        found = (self.policies[place] for place in self.index.places(scope.keys()))
        return {PREFIX + policy.id: policy.cedar for policy in found}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a slice is for: each entity with everything it is in, as (type, id)."""

    principal: frozenset[tuple[str, str]]
    action: frozenset[tuple[str, str]]
    resource: frozenset[tuple[str, str]]

    def meets(self, policy: Mapping[str, Any]) -> bool:
        """Whether a policy's scope can apply. Whatever is not understood here applies."""
        return applies(policy, self.keys())

    def keys(self) -> frozenset[Key]:
        """Where policies that can apply stand. `==` is taken as `in`: the engine still checks each scope."""
        parts = {"principal": self.principal, "action": self.action, "resource": self.resource}
        named = {(part, kind, name) for part, within in parts.items() for kind, name in within}
        return frozenset({ANY} | named | {(f"is {part}", kind, "") for part, kind, _ in named})


def read(files: Mapping[str, str], engine: Engine, *, serial: int = 0) -> Organisation:
    """Read policy files.

    Raises:
        ConfigInvalid: One cannot be parsed, uses template slots, or repeats an `@id`; names file and line.
    """
    policies: list[Policy] = []
    for file, text in sorted(files.items()):
        policies.extend(_read_file(file, text, engine))
    _check_ids(policies)
    return Organisation(
        tuple(policies),
        digest(files),
        serial,
        titles={policy.id: policy.title for policy in policies},
        index=Index(policy.cedar for policy in policies),
    )


def digest(files: Mapping[str, str]) -> str:
    """SHA-256 over the files' names and texts: what a decision names as the policies it was made under."""
    return hashlib.sha256(canonical([[file, files[file]] for file in sorted(files)])).hexdigest()


def unreadable(files: Mapping[str, str], *, fault: str, serial: int) -> Organisation:
    """Stored policies that do not parse. Nothing is allowed until they do: a forbid may be among them."""
    return Organisation((), digest(files), serial, fault)


def _read_file(file: str, text: str, engine: Engine) -> Iterator[Policy]:
    found = 0
    for line, statement in statements(text):
        try:
            parsed = engine.read(statement)
        except ValueError as error:
            raise _invalid(file, line, str(error)) from error
        if parsed.get("templates"):
            raise _invalid(file, line, "templates with ?principal or ?resource are not used here")
        for cedar in parsed["staticPolicies"].values():
            found += 1
            annotations = cedar.get("annotations", {})
            name = annotations.get("id") or f"{file.removesuffix('.cedar')}:{found}"
            yield Policy(name, annotations.get("title"), file, line, statement, cedar, depth(cedar.get("conditions")))
    _check_whole(file, text, found, engine)


def _check_whole(file: str, text: str, found: int, engine: Engine) -> None:
    """The engine must see as many policies in the file as were found in its statements."""
    try:
        whole = engine.read(text)
    except ValueError as error:
        raise _invalid(file, 1, str(error)) from error
    if len(whole["staticPolicies"]) != found or whole.get("templates"):
        raise _invalid(file, 1, "the file cannot be split into its policies")


def _check_ids(policies: Iterable[Policy]) -> None:
    seen: dict[str, Policy] = {}
    for policy in policies:
        if (first := seen.setdefault(policy.id, policy)) is not policy:
            raise _invalid(policy.file, policy.line, f"@id {policy.id!r} is taken by {first.file}:{first.line}")


def _invalid(file: str, line: int, public: str) -> ConfigInvalid:
    return ConfigInvalid(f"{file}:{line}: {public}", detail=f"policy file {file}")


def check(organisation: Organisation, catalog: Mapping[str, Any], engine: Engine) -> None:
    """Validate each policy strictly against the schema of the catalog.

    Raises:
        ConfigInvalid: One does not validate; names file and line.
    """
    if not organisation.policies:
        return
    parsed = engine.schema(catalog)
    for policy in organisation.policies:
        if faults := engine.faults(policy.text, parsed):
            said = "; ".join(fault.removeprefix("for policy `policy0`, ") for fault in faults)
            raise _invalid(policy.file, policy.line, said)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Split Cedar text at the semicolons that end policies: (line it starts on, text).

    Semicolons in strings and in comments end nothing; Cedar has line comments only.
    """
    start, index, quoted = 0, 0, False
    while index < len(text):
        char = text[index]
        if quoted:
            index += char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif text.startswith("//", index):
            newline = text.find("\n", index)
            index = len(text) if newline < 0 else newline
        elif char == ";":
            yield _statement(text, start, index + 1)
            start = index + 1
        index += 1
    if _code(text[start:]):
        yield _statement(text, start, len(text))


def _statement(text: str, start: int, end: int) -> tuple[int, str]:
    """A statement without the blank and comment lines before it, and its line."""
    lines = text[start:end].split("\n")
    skipped = 0
    while skipped < len(lines) - 1 and not _code(lines[skipped]):
        skipped += 1
    return text.count("\n", 0, start) + skipped + 1, "\n".join(lines[skipped:])


def _code(text: str) -> bool:
    """Whether there is anything but blanks and comments."""
    return any(line.strip() and not line.strip().startswith("//") for line in text.split("\n"))


def scope(*, agent: str, owner: str, server: str, action: str, groups: Iterable[str]) -> Scope:
    """The scope of a slice."""
    return Scope(
        frozenset({(schema.AGENT, agent), (schema.OWNER, owner)}),
        frozenset({(schema.ACTION, name) for name in (action, *groups)}),
        frozenset({(schema.SERVER, server)}),
    )
