"""Documents of purposes and boundaries. Numbers are exact, and what has no place here is an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from remit.access import conditions_document
from remit.access.climbing import climbs
from remit.access.draft import Clause, Draft
from remit.access.model import Bound, Budget, Purpose, PurposeState, Rate
from remit.catalog.methods import grantable
from remit.kernel.clock import DAY, Micros
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    PurposeName,
    check_name,
    split_action,
    well_formed_action,
    well_formed_operation,
    well_formed_tool,
)
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid

T = TypeVar("T")
_Approval = tuple[tuple[tuple[str, Decimal], ...], tuple[str, ...], int]  # above, by, quorum
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,13})(\.[0-9]{1,4})?\Z")  # below 10^14: Cedar's decimal and a counter hold it
_RATE = re.compile(r"([1-9][0-9]{0,8})/(second|min|hour|day)\Z")
_MAX_STATEMENT = 1000
_MAX_TEXT = 1000
_MAX_LENGTH = 1_000_000
_MAX_QUORUM = 20
_LONGEST_TTL = Micros(3660 * DAY)
_LONGEST_CADENCE = Micros(366 * DAY)  # what is needed less than once a year is better approved anew
_SCOPE_LATER = frozenset({"scope", "window"})


def purpose(spec: object) -> Purpose:
    """The purpose that a document describes; applying one makes it active.

    Raises:
        SpecInvalid: The document has problems.
    """
    fields = Fields(spec, known={"purpose", "statement", "actions", "data_classes", "not_after"})
    name = fields.take("purpose", document.name("a purpose"))
    statement = fields.take("statement", document.text(most=_MAX_STATEMENT))
    actions = fields.take("actions", document.distinct(document.items(_purpose_pattern)))
    classes = document.distinct(document.items(document.text(most=100), least=0))
    data_classes = fields.maybe("data_classes", classes, ())
    not_after = fields.take("not_after", document.end)
    fields.finish()
    return Purpose(
        purpose=PurposeName(name),
        statement=statement,
        actions=actions,
        data_classes=data_classes,
        not_after=not_after,
        state=PurposeState.ACTIVE,
    )


def boundary(spec: object) -> Draft:
    """The boundary that a document describes.

    Raises:
        SpecInvalid: The document has problems; no end is one of them.
    """
    known = {"boundary", "agent", "purpose", "allow", "not_after", "break_glass", "review_every"}
    fields = Fields(spec, known=known, later={"delegates"})
    name = fields.take("boundary", document.name("a boundary"))
    agent = fields.take("agent", document.name("an agent"))
    for_purpose = fields.take("purpose", document.name("a purpose"))
    allow = fields.take("allow", document.items(_clause))
    not_after = fields.take("not_after", document.end)
    break_glass = fields.maybe("break_glass", _yes_or_no, missing=False)
    review_every = fields.maybe("review_every", document.duration(most=_LONGEST_CADENCE), None)
    seen: set[str] = set()
    for at, clause in enumerate(allow or ()):
        if clause.pattern in seen:
            fields.problem(f"allow.{at}.action", f"{clause.pattern} stands here twice")
        seen.add(clause.pattern)
    fields.finish()
    return Draft(
        boundary=BoundaryName(name),
        agent=AgentName(agent),
        purpose=PurposeName(for_purpose),
        allow=allow,
        not_after=not_after,
        break_glass=break_glass,
        review_every=review_every,
    )


def clauses(value: object) -> tuple[Clause, ...]:
    """Items as a boundary's `allow` has them.

    Raises:
        SpecInvalid, Malformed, ConfigInvalid: They are none.
    """
    return document.items(_clause)(value)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Malformed("true or false is expected")
    return value


def _purpose_pattern(value: object) -> str:
    if not isinstance(value, str) or not well_formed_action(value):
        raise Malformed("an action or pattern without spaces is expected")
    if not {"/", ":", "*"} & set(value):
        raise Malformed(f"{value[:80]} names no action: an action is server/tool")
    return value


def _clause(value: object) -> Clause:
    known = {"action", "when", "limits", "approval", "first_use", "ttl", "cadence", "needs", "windows", "sequence"}
    fields = Fields(value, known=known, later=_SCOPE_LATER)
    pattern = fields.take("action", _action)
    when = fields.maybe("when", _by_argument(_bound), ())
    limits = fields.maybe("limits", _limits, {}) or {}
    windows = fields.maybe("windows", conditions_document.windows, ())
    sequence = fields.maybe("sequence", conditions_document.sequence, {})
    if pattern is not None and not split_action(pattern)[2] and fields.has("approval"):
        fields.problem("approval", "is for tools: nobody is asked about a single call of a method")
    above, by, quorum = fields.maybe("approval", _approval, _NO_APPROVAL) or _NO_APPROVAL
    first_use = fields.maybe("first_use", document.choice("auto"), None)
    ttl = fields.maybe("ttl", document.duration(most=_LONGEST_TTL), None)
    cadence = fields.maybe("cadence", document.duration(most=_LONGEST_CADENCE), None)
    needs = fields.maybe("needs", document.distinct(document.items(_exact_action)), ())
    fields.finish()
    return Clause(
        pattern=pattern,
        when=tuple(bound(argument) for argument, bound in when),
        rate=limits.get("rate"),
        budget=limits.get("budget"),
        approval_above=above,
        approval_by=by,
        approval_quorum=quorum,
        first_use=first_use,
        ttl=ttl,
        cadence=cadence,
        needs=tuple(sorted(needs or ())),
        conditions=conditions_document.conditions(limits, windows, sequence),
    )


def _action(value: object) -> str:
    """`server/tool`, `server:method`, or `server:METHOD /template`.

    What follows the server may have `*`, the server may not: which host a boundary reaches is never a pattern.
    """
    if not isinstance(value, str) or not well_formed_action(value):
        raise Malformed("an action is server/tool")
    server, tool, is_tool = split_action(value)
    if "*" in server:
        raise Malformed("the server in an action is an exact name")
    check_name(server, what="the server in an action")
    if not is_tool:
        if "*" not in tool and not grantable(tool):
            raise Malformed(f"no boundary grants the method {tool[:80]}: it passes anyway, or is none of MCP's")
        return value
    # A pattern over operations may have `*` in the method and the path; what it matches is well formed.
    if not (well_formed_tool(tool) or well_formed_operation(tool) or (" " in tool and "*" in tool)):
        raise Malformed("the tool in an action is not well formed")
    return value


def _exact_action(value: object) -> ActionName:
    action = _action(value)
    if "*" in action:
        raise Malformed("what is needed is one action, not a pattern")
    return ActionName(action)


def _by_argument(read: Callable[[object], T]) -> Callable[[Any], tuple[tuple[str, T], ...]]:
    """An object whose keys are arguments of the tool."""

    def each(value: object) -> tuple[tuple[str, T], ...]:
        if not isinstance(value, dict) or not value:
            raise Malformed("an object of arguments is expected")
        found, problems = [], []
        for argument, said in value.items():
            try:
                found.append((_argument(argument), read(said)))
            except SpecInvalid as error:
                problems += [Problem(f"{argument[:80]}.{each.field}", each.message) for each in error.problems]
            except (Malformed, ConfigInvalid) as error:
                problems.append(Problem(argument[:80], error.public))
        if problems:
            raise SpecInvalid(problems)
        return tuple(found)

    return each


def _argument(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise Malformed("the name of an argument is expected")
    return value


def _bound(value: object) -> Callable[[str], Bound]:
    fields = Fields(value, known={"max", "min", "in", "prefix", "max_length"})
    high = fields.maybe("max", number, None)
    low = fields.maybe("min", number, None)
    among = fields.maybe("in", _options, None)
    prefix = fields.maybe("prefix", _prefix, None)
    length = fields.maybe("max_length", document.whole(0, _MAX_LENGTH), None)
    if high is not None and low is not None and low > high:
        fields.problem("min", "is greater than max: nothing could pass")
    if value == {}:
        fields.problem("max", "is missing, and so is every other bound: nothing would be bounded")
    fields.finish()
    return lambda argument: Bound(argument=argument, max=high, min=low, in_=among, prefix=prefix, max_length=length)


def number(value: object) -> Decimal:
    """An exact number: no exponent, at most 4 digits after the point, below 10^14. Text or a literal.

    Raises:
        Malformed: It is none.
    """
    text = str(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _NUMBER.match(text):
        raise Malformed("an exact number below 10^14 with at most 4 digits after the point is expected, in quotes")
    return Decimal(text)


def _options(value: object) -> tuple[str | Decimal | bool, ...]:
    found = document.items(_option)(value)
    if len({(type(option), option) for option in found}) != len(found):
        raise Malformed("something stands here twice")
    return found


def _option(value: object) -> str | Decimal | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _MAX_TEXT:
        return value
    if isinstance(value, (int, Decimal)):
        return number(value)
    raise Malformed("text, a number, true or false is expected")


def _prefix(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise Malformed("text is expected")
    if climbs(value):
        raise Malformed("a text with a step up (..) is the beginning of nothing")
    return value


def _limits(value: object) -> dict[str, Any]:
    readers: dict[str, Callable[[object], object]] = {
        "rate": _rate,
        "budget": _budget,
        "volume": conditions_document.volume,
        "max_depth": conditions_document.max_depth,
    }
    fields = Fields(value, known=readers.keys(), later={"concurrency"})
    found = {name: fields.take(name, read) for name, read in readers.items() if fields.has(name)}
    fields.finish()
    return found


def _rate(value: object) -> Rate:
    match = _RATE.match(value) if isinstance(value, str) else None
    if match is None:
        raise Malformed("a rate is a number of calls per second, min, hour or day, such as 30/min")
    return Rate(count=int(match[1]), per=match[2])


def _budget(value: object) -> Budget:
    fields = Fields(value, known={"argument", "max", "per"})
    argument = fields.take("argument", _argument)
    most = fields.take("max", number)
    per = fields.take("per", document.choice("hour", "day", "month"))
    if most is not None and most <= 0:
        fields.problem("max", "must be above 0")
    fields.finish()
    return Budget(argument=argument, max=most, per=per)


_NO_APPROVAL: _Approval = ((), (), 1)


def _approval(value: object) -> _Approval:
    fields = Fields(value, known={"above", "by", "quorum"})
    above = fields.maybe("above", _by_argument(number), ())
    by = fields.maybe("by", document.distinct(document.items(document.name("a person"))), ())
    quorum = fields.maybe("quorum", document.whole(1, _MAX_QUORUM), 1)
    if value == {}:
        fields.problem("above", "is missing, and so are by and quorum: nothing would be asked")
    for argument, threshold in above or ():
        if threshold < 0:
            fields.problem(f"above.{argument}", "must not be below 0")
    if by and quorum is not None and quorum > len(by):
        fields.problem("quorum", f"is more than the {len(by)} people who may approve")
    fields.finish()
    return above or (), tuple(sorted(by or ())), quorum or 1
