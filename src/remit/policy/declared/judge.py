"""What Cedar says about a question of the organisation's own types: deny by default, and any error is no allow.

A question costs what it is about: the policies that its entities can meet, these entities with what they are in,
and what they name as far as a policy follows. Stored attributes win over what is sent; what is sent is never kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from remit.kernel.canonical import encode
from remit.policy.declared.index import About
from remit.policy.declared.model import ActionType, Declared, Entity, EntityType
from remit.policy.declared.reach import Closure, TooMany
from remit.policy.declared.types import Fitting, Type, Uid
from remit.policy.model import Code, Denial, Violation
from remit.policy.organisation import PREFIX, Organisation, Policy
from remit.policy.ports import Engine, Handle, Ruling, Slice, Verdict
from remit.policy.slices import Recent

STEP: Final = 7  # the step of a decision that asks the organisation's policies
_YOUNG: Final = 256
_FEW: Final = 64  # entities that are worth keeping parsed: more take memory, and are seldom the same
_UNBUILT: Final = "failed to build request"  # the engine could not read a value that was sent
_ACTION: Final = "action"  # the member of a context that holds what was sent with the action


class Thing(NamedTuple):
    """A subject or a resource of a question, as AuthZEN says it."""

    type: str
    id: str
    properties: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of the organisation's own types."""

    subject: Thing
    action: str
    resource: Thing
    action_properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An allow, or a denial; with the names of the policies that determined it."""

    denial: Denial | None
    policies: tuple[str, ...] = ()


_HIDDEN: Final = Judgement(denial=Denial(code=Code.NOT_VISIBLE, step=2, title="Nothing grants this"))


class Judge:
    """Asks the engine. Memory only; keeps what it parsed while that is in use, and no decision."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._schemas = Recent(_YOUNG)
        self._policies = Recent(_YOUNG)
        self._entities = Recent(_YOUNG)

    def judge(self, asked: Asked, declared: Declared, organisation: Organisation) -> Judgement:
        """The answer; `enforcement_unavailable` where there is none."""
        if (fault := declared.fault or organisation.fault) is not None:
            return _unavailable(fault)
        action = _action(asked, declared)
        return _HIDDEN if action is None else self._judged(asked, action, declared, organisation)

    def _judged(self, asked: Asked, action: ActionType, declared: Declared, organisation: Organisation) -> Judgement:
        fitted = _fit(asked, action, declared)
        if fitted.violations:
            return Judgement(denial=_unfit(tuple(fitted.violations)))
        try:
            return self._asked(fitted, action, declared, organisation)
        except ValueError as error:
            # A value that only the engine reads, such as an address or a time, is none.
            title = "Something that was sent does not fit the schema"
            return Judgement(denial=Denial(code=Code.INVALID_ARGUMENTS, step=6, title=title, cause=str(error)[:500]))
        except TooMany as error:
            return _unavailable(str(error))
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is no allow
            return _unavailable(f"{type(error).__name__}: {error}")

    def _asked(self, fitted: _Fitted, action: ActionType, declared: Declared, organisation: Organisation) -> Judgement:
        closure = Closure(declared, {fitted.subject: fitted.entities[0], fitted.resource: fitted.entities[1]})
        about = About(closure.within(fitted.subject), (action.uid, *action.groups), closure.within(fitted.resource))
        policies = organisation.about(about)
        schema = self._schema(action, declared)
        named = {uid for each in policies for uid in each.names}.union(fitted.named)
        rows = closure.rows(named, depth=max((each.depth for each in policies), default=0))
        question = Slice(
            policies=self._parsed(organisation.serial, policies),
            entities=self._held(declared.serial, rows, schema, action),
            schema=schema,
            request={
                "principal": _uid(fitted.subject), "action": _uid(action.uid), "resource": _uid(fitted.resource),
            },
        )  # fmt: skip
        verdict = self._engine.ask(question, encode(fitted.context).decode("utf-8"))
        return _judgement(verdict, organisation)

    def _parsed(self, serial: int, policies: Sequence[Policy]) -> Handle:
        key = (serial, tuple(policy.id for policy in policies))
        found = self._policies.get(key)
        if found is None:
            found = self._engine.policies({PREFIX + policy.id: policy.cedar for policy in policies})
            self._policies.put(key, found)
        return found

    def _held(self, serial: int, rows: list[dict[str, Any]], schema: Handle, action: ActionType) -> Handle:
        """The entities, parsed; the same ones for the same rows, whatever the question."""
        if len(rows) > _FEW:
            return self._engine.entities(rows, schema)
        key = (serial, action.uid, encode(rows))
        found = self._entities.get(key)
        if found is None:
            found = self._engine.entities(rows, schema)
            self._entities.put(key, found)
        return found

    def _schema(self, action: ActionType, declared: Declared) -> Handle:
        """The schema with this action and its groups alone: the engine makes entities of all that stand in it."""
        key = (declared.serial, action.uid)
        found = self._schemas.get(key)
        if found is None:
            found = self._engine.schema(_schema_of(action, declared))
            self._schemas.put(key, found)
        return found


@dataclass(frozen=True, slots=True)
class _Fitted:
    subject: Uid
    resource: Uid
    entities: tuple[Entity, Entity]
    context: dict[str, Any]
    named: list[Uid]
    violations: list[Violation]


def _action(asked: Asked, declared: Declared) -> ActionType | None:
    """The declared action that is meant; None if there is none, or no such thing can be."""
    kinds = [declared.types.get(each.type) for each in (asked.subject, asked.resource)]
    if kinds[0] is None or kinds[1] is None:
        return None
    for kind, each in zip(kinds, (asked.subject, asked.resource), strict=True):
        ids = declared.entity_types[str(kind)].ids
        if ids is not None and each.id not in ids:
            return None
    return declared.actions.get((kinds[0], asked.action, kinds[1]))


def _fit(asked: Asked, action: ActionType, declared: Declared) -> _Fitted:
    fitting = Fitting(declared.types)
    subject = declared.types[asked.subject.type], asked.subject.id
    resource = declared.types[asked.resource.type], asked.resource.id
    entities = (
        _entity(subject, asked.subject.properties, declared, fitting, "/subject/properties"),
        _entity(resource, asked.resource.properties, declared, fitting, "/resource/properties"),
    )
    if subject == resource and entities[0] != entities[1]:
        # One entity cannot be two things: what is sent with it as the resource stands beside what is sent as subject.
        both = {**entities[1].attributes, **entities[0].attributes}
        entities = (Entity(both, entities[0].parents, entities[0].tags),) * 2
    # Whatever the context calls so itself: Cedar knows no properties of actions, and policies find them here.
    context = fitting.record({**asked.context, _ACTION: asked.action_properties}, action.context, "/context")
    return _Fitted(subject, resource, entities, context, fitting.named, fitting.violations)


def _entity(uid: Uid, sent: Mapping[str, Any], declared: Declared, fitting: Fitting, path: str) -> Entity:
    """The entity that is asked about: as stored, and beside that what was sent and is declared."""
    stored, kind = declared.entity(uid), declared.entity_types[uid[0]]
    if stored is None:
        return Entity(fitting.record(sent, _record(kind), path), (), {})
    more = {name: each for name, each in kind.attributes.items() if name not in stored.attributes}
    return Entity(
        {**fitting.record(sent, Type("Record", attributes=more), path), **stored.attributes},
        stored.parents,
        stored.tags,
    )


def _record(kind: EntityType) -> Type:
    return Type("Record", attributes=kind.attributes, required=kind.required)


def _judgement(verdict: Verdict, organisation: Organisation) -> Judgement:
    names = tuple(reason.removeprefix(PREFIX) for reason in verdict.reasons)
    if verdict.ruling is Ruling.NONE and all(each.startswith(_UNBUILT) for each in verdict.errors or ("",)):
        return Judgement(denial=replace(_unfit(()), cause="; ".join(verdict.errors)[:500]))
    if verdict.errors or verdict.ruling is Ruling.NONE:
        return _unavailable("; ".join(verdict.errors)[:500] or "the engine gave no decision")
    if verdict.ruling is Ruling.ALLOW:
        return Judgement(denial=None, policies=names)
    if not names:
        return Judgement(denial=Denial(code=Code.NOT_GRANTED, step=STEP, title="Nothing grants this"))
    title = organisation.titles.get(names[0])
    said = f"Forbidden by policy: {title}" if title else "Forbidden by an organisation policy"
    denial = Denial(code=Code.FORBIDDEN_BY_POLICY, step=STEP, title=said, policy=names[0])
    return Judgement(denial=denial, policies=names)


def _unfit(violations: tuple[Violation, ...]) -> Denial:
    title = "Something that was sent does not fit the schema"
    return Denial(code=Code.INVALID_ARGUMENTS, step=6, title=title, violations=violations)


def _unavailable(cause: str) -> Judgement:
    denial = Denial(
        code=Code.ENFORCEMENT_UNAVAILABLE, step=STEP, title="Remit cannot decide this now", retryable=True, cause=cause
    )
    return Judgement(denial=denial)


def _schema_of(action: ActionType, declared: Declared) -> dict[str, Any]:
    kept = {action.uid, *action.groups}
    return {
        namespace: {
            **own,
            "actions": {
                name: said
                for name, said in own["actions"].items()
                if ((f"{namespace}::Action" if namespace else "Action"), name) in kept
            },
        }
        for namespace, own in declared.schema.items()
    }


def _uid(uid: Uid) -> dict[str, str]:
    return {"type": uid[0], "id": uid[1]}
