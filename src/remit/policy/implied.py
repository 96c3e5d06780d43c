"""Does one policy apply wherever another does: what can be proved from their tests alone (pure).

A test is true, false, or an error (an argument that is not there, a sum beyond 64 bits). A policy whose tests
end with an error does not apply, and yet no call passes it: whatever errs is refused. So a policy *stops*
a call where all its tests are true, or where the first that is not true is an error. Each function here answers
yes only where that is proved. No is "not proved".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from remit.policy.normal import ORDERS, TRUE, Term, disjuncts, negation, place

_MOST: Final = 32  # ways in which one policy may apply that are looked at one by one
_ACTION: Final = ("var", "action")
# What every call of an agent has, whatever is called.
_ALWAYS: Final = frozenset({"input", "purpose", "run", "instance", "now"})
_OWN: Final = "Remit::Action"
_INFINITE: Final = 1 << 80
Groups = Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Tested:
    """A policy's tests, and whether it validates strictly against the catalog that the calls are made in.

    `valid` is asked last, and only where its answer decides: validating takes a hundred times as long as all else here.
    """

    tests: tuple[Term, ...]
    valid: Callable[[], bool]
    groups: Groups = lambda _action: frozenset()

    def proves(self, rule: Callable[[Sequence[bool]], bool]) -> bool:
        """Whether `rule` says yes to what is known of the tests: of each, that it cannot be an error.

        Args:
            rule: One that says yes to more if more is known.
        """
        bare = list(self._sound_tests(validated=False))
        if rule(bare):
            return True
        best = list(self._sound_tests(validated=True))
        return best != bare and rule(best) and self.valid()

    def _sound_tests(self, *, validated: bool) -> Iterator[bool]:
        """Of each test, whether it cannot be an error once those before it are true."""
        known: list[Term] = []
        for test in self.tests:
            yield _sound_truth(test, known, validated=validated, own=_own(known))
            known.append(test)


def stops(one: Tested, other: Tested) -> bool:
    """Whether `other` stops whatever `one` stops."""
    return holds(one.tests, other.tests, one.groups) and one.proves(
        lambda sound: all(sound) or _matched(one, other, sound) is not None
    )


def errs(one: Tested, other: Tested | None) -> bool:
    """Whether `other` ends in an error wherever `one` does; without another, whether `one` never does."""
    return one.proves(lambda sound: all(sound) or (other is not None and _same_ends(one, other, sound)))


def applies(one: Tested, other: Tested) -> bool:
    """Whether `other` applies, without an error, wherever `one` applies."""
    return holds(one.tests, other.tests, one.groups) and other.proves(
        lambda sound: all(
            fine or _plain(second) or second in one.tests for second, fine in zip(other.tests, sound, strict=True)
        )
    )


def holds(first: Iterable[Term], second: Iterable[Term], groups: Groups) -> bool:
    """Whether each of `second` is true or an error wherever all of `first` are true."""
    known = list(first)
    # Most that follow are there as they are: that is seen at once, and what any other says of them need not be asked.
    known.reverse()  # what says something of a condition stands behind the scope
    return all(test in known or any(_follows(each, test, groups) for each in known) for test in second)


def ways(tests: Sequence[Term]) -> list[tuple[Term, ...]]:
    """The ways in which all of `tests` may be true, each without `||`; the tests themselves if there are too many."""
    options = [_options(test) for test in tests]
    count = 1
    for each in options:
        count *= len(each)
    return [tuple(way) for way in product(*options)] if 1 < count <= _MOST else [tuple(tests)]


def _options(test: Term) -> list[Term]:
    if test[0] == "in" and test[1] == _ACTION and test[2][0] == "set" and len(test[2][1]) > 1:
        return [_one_action(each) for each in test[2][1]]
    return disjuncts(test)


def _one_action(literal: Term) -> Term:
    """Nothing is in an action but itself; a group has members."""
    group = literal[2][1].startswith(("server:", "tier:")) or literal[2][0] != _OWN
    return ("in", _ACTION, ("set", (literal,))) if group else ("==", _ACTION, literal)


# Errors -------------------------------------------------------------------------------------


def _matched(one: Tested, other: Tested, sound: Sequence[bool]) -> set[int] | None:
    """The tests of `one` that those of `other` follow from, in the same order and with the same errors.

    None if one of `other` follows from none, or if a test of `one` that may be an error is passed over: then
    `one` might stop a call with that error that `other` lets through.
    """
    found, at = set[int](), 0
    for second in other.tests:
        while at < len(one.tests) and not _alike(one.tests[at], second, one.groups):
            if not sound[at]:
                return None
            at += 1
        if at == len(one.tests):
            return None
        found.add(at)
        at += 1
    return found


def _same_ends(one: Tested, other: Tested, sound: Sequence[bool]) -> bool:
    """Whether each test of `one` that may be an error has one of `other` that is an error then."""
    matched = _matched(one, other, sound)
    return matched is not None and all(fine or at in matched for at, fine in enumerate(sound))


def _alike(one: Term, other: Term, groups: Groups) -> bool:
    """Whether `other` follows from `one`, and is an error wherever `one` is."""
    return one == other or (_same_errors(one, other) and _follows(one, other, groups))


def _same_errors(one: Term, other: Term) -> bool:
    one, other = (each[1] if each[0] == "!" else each for each in (one, other))
    if len(one) < 3 or len(other) < 3 or not _plain(one) or not _plain(other):  # noqa: PLR2004 - no two operands
        return False
    mine, its = _operand(one), _operand(other)
    if mine is None or mine != its:
        return False
    if one[0] in ORDERS:
        return other[0] in ORDERS and one[3] == other[3] != "" and one[2][0] == other[2][0] == "lit"
    if one[0] == "like":
        return bool(other[0] == "like")
    return True  # `==` and `contains` of literals err where their operand does, and so does every other test of it


def _own(known: Iterable[Term]) -> bool:
    """Whether only Remit's own actions are meant: then the principal is an agent, and is there."""
    for test in known:
        if test[0] in {"==", "in"} and test[1] == _ACTION:
            named = test[2][1] if test[2][0] == "set" else (test[2],)
            if all(each[:2] == ("lit", "entity") and each[2][0] == _OWN for each in named):
                return True
    return False


def _sound(term: Term, known: list[Term], *, validated: bool, own: bool) -> bool:  # noqa: C901, PLR0911 - one for each word
    """Whether a term cannot be an error where all of `known` are true."""

    def sound(each: Term) -> bool:
        return _sound(each, known, validated=validated, own=own)

    word = term[0]
    if word in {"lit", "var"}:
        return True
    if word in {"&&", "||"}:
        seen = list(known)
        for each in term[1:]:
            if not _sound_truth(each, seen, validated=validated, own=own):
                return False
            seen.append(each if word == "&&" else negation(each))
        return True
    if word == "!":
        return _truth(term[1]) and sound(term[1])
    if word == ".":
        return _there(term, known, validated=validated, own=own)
    # Without the types of a validated policy, an argument may be of any: one that a server changed later, too.
    if word == "has":
        record = term[1][0] == "var" or (own and place(term[1]) == ("context", "input"))
        return sound(term[1]) and (validated or record)
    if word == "is":
        return sound(term[1]) and (validated or term[1][0] == "var")
    if word == "set":
        return all(sound(each) for each in term[1])
    if word in {"==", "in"} or (word == "contains" and term[1][0] == "set"):
        entities = word != "in" or validated or (term[1][0] == "var" and _entities(term[2]))
        return entities and sound(term[1]) and sound(term[2])
    # With the types of a validated policy, nothing but these two can be wrong with a comparison.
    if word in ORDERS or word in {"contains", "containsAll", "containsAny"}:
        return validated and sound(term[1]) and sound(term[2])
    return validated and word in {"like", "isEmpty"} and sound(term[1])


def _sound_truth(term: Term, known: list[Term], *, validated: bool, own: bool) -> bool:
    """Whether a term is true or false, and nothing else, where all of `known` are true."""
    return (validated or _truth(term)) and _sound(term, known, validated=validated, own=own)


def _entities(term: Term) -> bool:
    return term[0] == "set" and all(each[:2] == ("lit", "entity") for each in term[1])


def _truth(term: Term) -> bool:
    return term[0] not in {"lit", "var", ".", "set", "raw"} or term[:2] == ("lit", "bool")


def _there(term: Term, known: list[Term], *, validated: bool, own: bool) -> bool:
    """Whether an attribute is there to be read."""
    if (chain := place(term)) is None:
        return False
    root, *names = chain
    if root == "context":
        if len(names) == 1:
            return validated or (own and names[0] in _ALWAYS)
        if names[0] == "input":
            return validated or all(_has(names[:depth], known) for depth in range(2, len(names) + 1))
        return validated and own and names[0] == "purpose" and len(names) == 2  # noqa: PLR2004 - an attribute of it
    # An entity that is not known has no attributes; those of an agent's call are all known.
    return validated and own and len(names) <= (2 if names[0] == "owner" else 1)


def _has(names: list[str], known: list[Term]) -> bool:
    record: Term = ("var", "context")
    for name in names[:-1]:
        record = (".", record, name)
    return ("has", record, names[-1]) in known


# Truth --------------------------------------------------------------------------------------


def _follows(one: Term, other: Term, groups: Groups) -> bool:  # noqa: PLR0911 - one for each word
    """Whether `other` is true or an error wherever `one` is true."""
    if one == other or other == TRUE:  # noqa: PLR1714 - hashing terms takes longer than all the rest
        return True
    if one[0] == "||":
        return all(_follows(each, other, groups) for each in one[1:])
    if other[0] == "&&":
        return all(_follows(one, each, groups) for each in other[1:])
    if one[0] == "&&":
        return any(_follows(each, other, groups) for each in one[1:])
    if other[0] == "||":
        return any(_follows(one, each, groups) for each in other[1:])
    if other[0] == "!":
        return _rules_out(one, other[1])
    return (other[0] == "in" and _in_group(one, other, groups)) or _atom(one, other)


def _rules_out(one: Term, other: Term) -> bool:
    """Whether `other` is false or an error wherever `one` is true."""
    if one[0] == "!":
        return _atom(other, one[1])
    if one[0] in ORDERS:
        return _atom(other, negation(one))
    if not _plain(one) or not _plain(other) or (other[0] == "like" and _prefix(other[2]) is None):
        return False
    values = _values(one)
    same = values is not None and _operand(one) is not None and _operand(one) == _operand(other)
    return same and values is not None and not any(_fits(value, other) for value in values)


def _in_group(one: Term, other: Term, groups: Groups) -> bool:
    """Actions that are in what `other`, an `in`, names: by name, or by a group that each of them is in."""
    if one[0] not in {"==", "in"} or one[1] != other[1] or other[2][0] != "set":
        return False
    named = one[2][1] if one[2][0] == "set" else (one[2],)
    within = set(other[2][1])
    return all(
        each in within
        or (
            each[:2] == ("lit", "entity")
            and each[2][0] == _OWN
            and any(("lit", "entity", (_OWN, group)) in within for group in groups(each[2][1]))
        )
        for each in named
    )


def _atom(one: Term, other: Term) -> bool:  # noqa: PLR0911 - one for each kind of test
    """Whether one comparison of something with a literal follows from another comparison of the same."""
    if one[1] != other[1] and one[0] != "contains" and other[0] != "contains":
        return False  # of different things, as most are: seen before anything else is asked
    if one == other:
        return True
    if not _plain(one) or not _plain(other):
        return False
    mine = _operand(one)
    if mine is None or mine != _operand(other):
        return False
    values = _values(one)
    if values is not None:
        return all(_fits(value, other) for value in values)
    if one[0] in ORDERS and other[0] in ORDERS and one[3] == other[3]:
        (low, high), (least, most) = _range(one), _range(other)
        return least <= low and high <= most
    if one[0] == "like" and other[0] == "like":
        prefix, wider = _prefix(one[2]), _prefix(other[2])
        return prefix is not None and wider is not None and prefix.startswith(wider)
    return False


def _plain(term: Term) -> bool:
    """Whether it compares one thing with literals."""
    word = term[0]
    if word == "==" or word in ORDERS:
        return bool(term[2][0] == "lit")
    if word == "contains":
        return term[1][0] == "set" and all(each[0] == "lit" for each in term[1][1])
    return bool(word == "like")


def _operand(term: Term) -> Term | None:
    found: Term = term[2] if term[0] == "contains" else term[1]
    return None if found[0] == "lit" else found


def _values(term: Term) -> tuple[Term, ...] | None:
    """The only values for which it is true, where they are few."""
    if term[0] == "==":
        return (term[2],)
    return tuple(term[1][1]) if term[0] == "contains" else None


def _fits(value: Term, test: Term) -> bool:
    """Whether a test is true of a literal."""
    word = test[0]
    if (values := _values(test)) is not None:
        return value in values
    if word in ORDERS:
        low, high = _range(test)
        return bool(value[1] == test[3] and value[1] != "bool" and low <= value[2] <= high)
    prefix = _prefix(test[2])
    return prefix is not None and value[1] == "string" and str(value[2]).startswith(prefix)


def _range(test: Term) -> tuple[int, int]:
    """From where to where it is true: of whole numbers, ten-thousandths or milliseconds, both ends included."""
    word, limit = test[0], int(test[2][2])
    if word in {"<", "<="}:
        return -_INFINITE, limit - (word == "<")
    return limit + (word == ">"), _INFINITE


def _prefix(pattern: Sequence[str | None]) -> str | None:
    """What a text must begin with, where that is all."""
    if not pattern or pattern[-1] is not None or None in pattern[:-1]:
        return None
    return "".join(each for each in pattern if each is not None)
