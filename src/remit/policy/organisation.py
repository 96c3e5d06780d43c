"""The organisation's policies: read, named, validated, and picked for a slice (pure over the engine port).

Each file may hold many policies. One is named by its `@id`, else by its file and position; the
denial tells that name and the `@title`, never the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.kernel.canonical import canonical
from remit.kernel.errors import ConfigInvalid
from remit.policy import futile, schema
from remit.policy.declared.index import ANY, About, Index, Key, Uid, applies, depth, looked_at
from remit.policy.ports import Engine
from remit.policy.statements import Statement, statements

HERE: Final = "in the policy that begins here: "  # the engine says what is wrong, and not in which line of a policy
_NOTHING: Final[Mapping[str, Mapping[str, Any]]] = {}
PREFIX = "organisation "  # of ids in a slice: no policy of the organisation can pass for a boundary's permit
_AT_ONCE: Final = 16  # policies that the engine reads in one call, which holds everything up for two milliseconds


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
    names: frozenset[Uid] = frozenset()  # the entities that it looks at by name

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

    def __post_init__(self) -> None:
        # An index of other policies would pass over a forbid: whoever replaces the policies gets theirs.
        if self.index.of is not self.policies:
            object.__setattr__(self, "index", Index((policy.cedar for policy in self.policies), of=self.policies))

    def about(self, about: About) -> tuple[Policy, ...]:
        """The policies that can apply to a question of the organisation's own types."""
        return tuple(self.policies[place] for place in self.index.places(set(about.keys())))

    def applying(self, scope: Scope) -> dict[str, Mapping[str, Any]]:
        """The policies whose scope can apply, keyed by their ids in a slice."""
        return {PREFIX + policy.id: policy.cedar for policy in self.within(scope)}

    def within(self, scope: Scope) -> tuple[Policy, ...]:
        """The policies whose scope can apply."""
        return tuple(self.policies[place] for place in self.index.places(scope.keys()))


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


def read(
    files: Mapping[str, str],
    engine: Engine,
    *,
    serial: int = 0,
    known: Mapping[str, Mapping[str, Any]] = _NOTHING,
    divided: Mapping[str, Sequence[Statement]] | None = None,
) -> Organisation:
    """Read policy files.

    Args:
        files: Their texts, by name.
        engine: Reads Cedar.
        serial: What slices of it are kept under.
        known: What the engine made of statements that it read before, by their text.
        divided: The `statements` of each file, where that is known.

    Raises:
        ConfigInvalid: One cannot be parsed, uses template slots, or repeats an `@id`; names file and line.
    """
    policies: list[Policy] = []
    for file, text in sorted(files.items()):
        found = list(statements(text)) if divided is None else divided[file]
        policies.extend(_read_file(file, text, found, engine, known))
    _check_ids(policies)
    return Organisation(
        tuple(policies),
        digest(files),
        serial,
        titles={policy.id: policy.title for policy in policies},
    )


def digest(files: Mapping[str, str]) -> str:
    """SHA-256 over the files' names and texts: what a decision names as the policies it was made under."""
    return hashlib.sha256(canonical([[file, files[file]] for file in sorted(files)])).hexdigest()


def unreadable(files: Mapping[str, str], *, fault: str, serial: int) -> Organisation:
    """Stored policies that do not parse. Nothing is allowed until they do: a forbid may be among them."""
    return Organisation((), digest(files), serial, fault)


def _read_file(
    file: str, text: str, found: Sequence[Statement], engine: Engine, known: Mapping[str, Mapping[str, Any]]
) -> Iterator[Policy]:
    """The policies of one file."""
    new = [each for each in found if each.text not in known]
    divides = _parts_are_whole(text, found)
    if not divides:
        _check_whole(file, text, len(found), engine)
    whole = divides and len(new) == len(found)
    made = dict(_parsed(file, text if whole else "", new, engine))
    if divides and not whole:  # after the parts, which know their lines
        _check_whole(file, text, len(found), engine)
    for number, (line, statement, _, _) in enumerate(found, start=1):
        cedar = made[statement] if statement in made else known[statement]
        annotations = cedar.get("annotations", {})
        name = annotations.get("id") or f"{file.removesuffix('.cedar')}:{number}"
        title, conditions = annotations.get("title"), cedar.get("conditions")
        names = frozenset(looked_at(conditions))
        yield Policy(name, title, file, line, statement, cedar, depth(conditions), names)


def _parsed(file: str, text: str, new: Sequence[Statement], engine: Engine) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each statement as Cedar's JSON. The engine takes a stretch of them at once: one by one takes twice as long.

    With the `text` of a file of which all are new, each stretch is what stands there, comments and all: then the engine
    has seen every byte of it, and as many policies as were found. Without it, whoever calls sees to that.
    """
    for at in range(0, len(new), _AT_ONCE):
        part = new[at : at + _AT_ONCE]
        stretch = text[part[0].start : part[-1].end] if text else "\n".join(each.text for each in part)
        try:
            parsed = _in_order(engine.read(stretch), len(part))
        except ValueError:
            parsed = [_one(file, each, engine) for each in part]  # to say which it is
            if text:
                _check_whole(file, text, len(new), engine)
        yield from zip((each.text for each in part), parsed, strict=True)


def _one(file: str, statement: Statement, engine: Engine) -> Mapping[str, Any]:
    """One statement as Cedar's JSON."""
    try:
        return _in_order(engine.read(statement.text), 1)[0]
    except ValueError as error:
        raise _invalid(file, statement.line, f"{HERE}{error}") from error


def _parts_are_whole(text: str, found: Sequence[Statement]) -> bool:
    """Whether what the engine makes of all parts of a file is what it makes of the file.

    Its comments end at a carriage return, and those here do not: what stands after one might be a policy to it, or
    swallow the one after.
    """
    return bool(found) and "\r" not in text


def _in_order(parsed: Mapping[str, Any], count: int) -> list[Mapping[str, Any]]:
    """The policies as they stand in the text, which is how the engine numbers them.

    Raises:
        ValueError: They are not that many policies without slots.
    """
    if parsed.get("templates"):
        raise ValueError("templates with ?principal or ?resource are not used here")
    policies = parsed["staticPolicies"]
    if set(policies) != {f"policy{number}" for number in range(count)}:
        raise ValueError("one policy ends where the next begins, with a semicolon")
    return [policies[f"policy{number}"] for number in range(count)]


def _check_whole(file: str, text: str, found: int, engine: Engine) -> None:
    """The engine must see as many policies in the file as were found in its statements."""
    try:
        counted = engine.count(text)
    except ValueError as error:
        raise _invalid(file, None, str(error)) from error
    if counted != found:
        raise _invalid(file, None, "the file cannot be split into its policies")


def _check_ids(policies: Iterable[Policy]) -> None:
    seen: dict[str, Policy] = {}
    for policy in policies:
        if (first := seen.setdefault(policy.id, policy)) is not policy:
            raise _invalid(policy.file, policy.line, f"@id {policy.id!r} is taken by {first.file}:{first.line}")


def _invalid(file: str, line: int | None, public: str) -> ConfigInvalid:
    """`line` is that on which a policy begins; None: it is not known whose fault it is."""
    place = file if line is None else f"{file}:{line}"
    return ConfigInvalid(f"{place}: {public}", detail=f"policy file {file}")


def check(
    organisation: Organisation,
    catalog: Mapping[str, Any],
    engine: Engine,
    *,
    known: Collection[str] = (),
    fit: Collection[str] = (),
    standing: Collection[str] = (),
) -> frozenset[str]:
    """Validate each policy strictly against the schema of the catalog; each by itself, so those `known` to fit fit.

    What can never do anything is refused as well (`futile`), unless it stands already.

    Args:
        organisation: What is validated.
        catalog: As `schema.for_catalog` makes it, with what is declared.
        engine: Validates.
        known: The texts of statements that fit, and may do something.
        fit: The texts of statements that fit.
        standing: The texts of those in force: none of these is made worse by being kept, and else whoever changes
            something else would be refused for it.

    Returns:
        The texts of those in force that can never do anything.

    Raises:
        ConfigInvalid: One does not validate; names file and line.
    """
    for policy in organisation.policies:
        _check_looks(policy)
    new = [policy for policy in organisation.policies if policy.text not in known]
    _check_fit([policy for policy in new if policy.text not in fit], catalog, engine)
    return _check_do(new, catalog, standing) if new else frozenset()


def _check_fit(policies: Sequence[Policy], catalog: Mapping[str, Any], engine: Engine) -> None:
    """See that each policy validates."""
    if not policies:
        return
    parsed = engine.schema(catalog)
    if not engine.faults("\n".join(policy.text for policy in policies), parsed):
        return
    for policy in policies:  # to say which
        if faults := engine.faults(policy.text, parsed):
            said = "; ".join(fault.removeprefix("for policy `policy0`, ") for fault in faults)
            raise _invalid(policy.file, policy.line, HERE + said)
    raise ConfigInvalid("the policies do not validate together", detail="each of them validates by itself")


def _check_looks(policy: Policy) -> None:
    """See that a policy about agents' calls looks at nothing that is not there when one is decided.

    Of a call Cedar knows the agent, its owner, its purpose and the server. Another entity has no attributes and is in
    nothing there: a forbid that asks about one is valid, and would never stop anything.
    """
    if not policy.names or not about_calls(policy.cedar):
        return
    kind, name = min(policy.names)
    said = f'{kind}::"{name}" is not looked at when an agent\'s call is decided'
    raise _invalid(policy.file, policy.line, said + ": say in the policy's scope that it is about types of your own")


def _check_do(policies: Iterable[Policy], catalog: Mapping[str, Any], standing: Collection[str]) -> frozenset[str]:
    """See that each policy can do something: a forbid that never applies is worse than none."""
    calls, found = futile.Calls(catalog), set[str]()
    for policy in policies:
        said = surprising(policy, calls)
        if said is None or not said[1]:
            continue  # of a group of actions, one that joins it may have the argument
        if policy.text not in standing:
            raise _invalid(policy.file, policy.line, HERE + said[0])
        found.add(policy.text)
    return frozenset(found)


def surprising(policy: Policy, calls: futile.Calls) -> tuple[str, bool] | None:
    """Why a policy does nothing, or less than it says, in words, and whether it never will; None if nothing is seen."""
    if futile.never_holds(policy.cedar):
        return "its condition never holds, so it does nothing", True
    asks = calls.unheard(policy.cedar) if about_calls(policy.cedar) else None
    return None if asks is None else (asks.what, asks.exact)


def about_calls(cedar: Mapping[str, Any]) -> bool:
    """Whether a policy may be about agents' calls: no part of its scope names types of the organisation's own."""
    return all(_ours(cedar.get(part)) for part in ("principal", "action", "resource"))


def _ours(constraint: object) -> bool:
    """Whether a part of a scope may mean one of Remit's own types."""
    if not isinstance(constraint, dict):
        return True
    named = [constraint.get("entity"), *constraint.get("entities", ()), constraint.get("in", {}).get("entity")]
    kinds = [each["type"] for each in named if isinstance(each, dict)] or [constraint.get("entity_type")]
    return any(not isinstance(kind, str) or kind.startswith(f"{schema.NAMESPACE}::") for kind in kinds)


def scope(*, agent: str, owner: str, server: str, action: str, groups: Iterable[str]) -> Scope:
    """The scope of a slice."""
    return Scope(
        frozenset({(schema.AGENT, agent), (schema.OWNER, owner)}),
        frozenset({(schema.ACTION, name) for name in (action, *groups)}),
        frozenset({(schema.SERVER, server)}),
    )
