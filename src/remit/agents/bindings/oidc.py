"""What an agent asks of a trusted issuer's token, read from its document (pure).

`{github_actions: {trust: github, repository_id: "123", ref: refs/heads/main}}` by a platform's preset, or
`{oidc: {trust: NAME, claims: {...}}}`. Both become conditions on claims, which is all that attestation reads: what a
preset knows is in them, so that a preset that changes changes no agent that was applied.

A document that would let in more than its author thinks is refused here, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.agents.binding import READERS
from remit.agents.bindings.preset import GENERIC, NAMES, SPIFFE, Preset, preset
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.people.document import Fields, Problem, SpecInvalid

_TRUST: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?\Z")
_SPIFFE_ID: Final = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[a-zA-Z0-9._-]+)+)\Z")
_MOST_VALUE: Final = 1024
_MOST_CLAIMS: Final = 20
_MOST_DEPTH: Final = 4
_MOST_STARS: Final = 2
_MOST_NUMBER: Final = 2**53
_REF: Final = "ref"  # the condition that is a branch or tag alone; those of workflows have it after their first `@`
_BEGINS: Final = re.compile(r"refs/(heads|tags)/[^*]")
_GLOB: Final = re.compile(r"\*\*?")
# Whether a claim names one thing for ever is for its issuer to say; these words say that it does.
_IDENTIFIES: Final = re.compile(r"(?i)(\A|_|\b|[a-z])(id|uid|oid|uuid|guid|arn|sub|jti)\Z")
# The trust says these, for all agents alike.
_OF_THE_TRUST: Final = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"})

Conditions = list[list[Any]]


def by_preset(name: str) -> Callable[[object], Mapping[str, Any]]:
    """The reader of the conditions of the method `name`."""

    def read(value: object) -> Mapping[str, Any]:
        known = preset(name)
        fields = Fields(value, known={"trust", *known.conditions})
        trust = fields.take("trust", _trust)
        asked = {key: each for key, each in known.conditions.items() if fields.has(key)}
        conditions: Conditions = []
        said: dict[str, Any] = {}
        for key, condition in asked.items():
            found = said[key] = fields.take(key, _pattern if condition.glob else _exact)
            how = "like" if condition.glob and isinstance(found, str) and "*" in found else "is"
            conditions.append([list(condition.claim), how, found])
        _needed(fields, known, said)
        for problem in _refused(known, conditions):
            fields.problem(*problem)
        fields.finish()
        conditions += [[list(each.claim), "unlike", each.like] for each in known.refused]
        return {"trust": trust, "claims": conditions}

    return read


def generic(value: object) -> Mapping[str, Any]:
    """The reader of `oidc`: claims by their own names, each equal to a value."""
    fields = Fields(value, known={"trust", "claims"})
    trust = fields.take("trust", _trust)
    conditions = fields.take("claims", _claims)
    fields.finish()
    return {"trust": trust, "claims": conditions}


def spiffe(value: object) -> Mapping[str, Any]:
    """The reader of `spiffe`: one SPIFFE ID of the trust domain."""
    fields = Fields(value, known={"trust", "id"})
    trust = fields.take("trust", _trust)
    found = fields.take("id", _spiffe_id)
    if isinstance(found, str) and isinstance(trust, str) and not found.startswith(f"spiffe://{trust}/"):
        fields.problem("id", f"is not of the trust domain {trust}, and no domain speaks for another")
    fields.finish()
    return {"trust": trust, "claims": [[["sub"], "is", found]]}


def _needed(fields: Fields, known: Preset, said: Mapping[str, Any]) -> None:
    if not said:
        fields.problem("", "there is no condition: every token of the issuer would be this agent")
        return
    for need in known.needs:
        for key in need.all:
            if key not in said:
                fields.problem(key, f"is missing: {need.because}")
    for choice in known.choices:
        if not any(key in said and not _every_branch(key, said[key]) for key in choice.any):
            first, *_ = choice.any
            names = " or ".join((", ".join(choice.any[:-1]), choice.any[-1]))
            fields.problem(
                "",
                f"{names} is missing, or is of every branch: {choice.because}; name one, as {first}: refs/heads/main",
            )
    for each in known.agreements:
        whole, part = said.get(each.key), said.get(each.other)
        # What is no text was refused for that.
        if isinstance(whole, str) and isinstance(part, str) and whole.split(":")[each.part : each.part + 1] != [part]:
            fields.problem(each.key, f"is not of the {each.other} {part}: {each.because}")


def _every_branch(key: str, value: object) -> bool:
    """Whether a `ref`, or a workflow at one, is a pattern for names that anybody may choose from the first letter on.

    Who can push a branch can push a tag too, and what runs there is what they pushed.
    """
    if not isinstance(value, str) or "*" not in value:
        return False
    workflow, _, ref = ("", "", value) if key == _REF else value.partition("@")
    # `x@refs/heads/main` is a legal branch: `**@refs/heads/main` would be that one's `@` too. `*` is no `/` of it; but
    # for an owner or a repository it lets in reusable workflows of everybody, at branches of theirs.
    anybody = "**" in workflow or any("*" in part for part in workflow.split("/")[:2])
    return anybody or not ref or ("*" in ref and _BEGINS.match(ref) is None)


def _refused(known: Preset, conditions: Conditions) -> list[tuple[str, str]]:
    """(field, reason) of what a condition asks for and nobody is let in with."""
    named = {each.claim: key for key, each in known.conditions.items()}
    return [
        (named[tuple(path)], f"is refused: {each.because}")
        for path, _, value in conditions
        for each in known.refused
        if tuple(path) == each.claim and isinstance(value, str) and _covers(each.like, value)
    ]


def _covers(pattern: str, value: str) -> bool:
    parts = re.split(r"(\*\*?)", pattern)
    stands_for = {"*": "[^/]*", "**": ".*"}
    return re.fullmatch("".join(stands_for.get(part, re.escape(part)) for part in parts), value, re.DOTALL) is not None


def _claims(value: object) -> Conditions:
    """Every leaf of an object as a condition; at least one of them must name one thing for ever."""
    if not isinstance(value, dict):
        raise Malformed("an object of claims is expected")
    if not value:
        raise ConfigInvalid("there is no condition: every token of the issuer would be this agent")
    problems: list[Problem] = []
    conditions: Conditions = []
    for path, leaf in _leaves(value, ()):
        name = ".".join(path)
        if path[0] in _OF_THE_TRUST:
            problems.append(Problem(name, "is the trust's to say, for all agents alike"))
            continue
        try:
            conditions.append([list(path), "is", _value(leaf)])
        except (ConfigInvalid, Malformed) as error:
            problems.append(Problem(name, error.public))
    if len(conditions) > _MOST_CLAIMS:
        problems.append(Problem("", f"more than {_MOST_CLAIMS} claims"))
    if not problems and not any(_identifies(path, leaf) for path, _, leaf in conditions):
        problems.append(
            Problem(
                "", "only names: a name can be given up and taken by somebody else; add sub, or a claim that is an id"
            )
        )
    if problems:
        raise SpecInvalid(problems)
    return conditions


def _leaves(value: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, each in value.items():
        at = (*path, str(key))
        if len(at) > _MOST_DEPTH or not 0 < len(at[-1]) <= _MOST_VALUE:
            raise Malformed("the claims are nested too deeply, or one's name is too long")
        found += _leaves(each, at) if isinstance(each, dict) and each else [(at, each)]
    return found


def _value(leaf: object) -> str | bool | int:
    if isinstance(leaf, int):
        if not -_MOST_NUMBER < leaf < _MOST_NUMBER:
            raise Malformed("a number beyond 2^53 is not exact everywhere")
        return leaf
    return _exact(leaf)


def _identifies(path: list[str], leaf: object) -> bool:
    return not isinstance(leaf, bool) and _IDENTIFIES.search(path[-1]) is not None


def _trust(value: object) -> str:
    if not isinstance(value, str) or not _TRUST.match(value):
        raise Malformed("the name of a trust is expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("text is expected; put it in quotes")
    if not 0 < len(value) <= _MOST_VALUE or not value.isprintable() or value != value.strip():
        raise Malformed(f"from 1 to {_MOST_VALUE} printable characters are expected, without spaces around them")
    return value


def _exact(value: object) -> str:
    found = _text(value)
    if "*" in found:
        raise ConfigInvalid("a wildcard is not taken here: what it stands for may come to be somebody else's")
    return found


def _pattern(value: object) -> str:
    found = _text(value)
    if "*" in found and (found.startswith("*") or len(_GLOB.findall(found)) > _MOST_STARS or "***" in found):
        raise ConfigInvalid("a pattern begins with what is not a wildcard, and has at most two")
    return found


def _spiffe_id(value: object) -> str:
    found = _exact(value)
    match = _SPIFFE_ID.match(found)
    if match is None or any(part in {".", ".."} for part in match[2].split("/")):
        raise Malformed("a SPIFFE ID with a path is expected: spiffe://DOMAIN/...")
    return found


for _name in NAMES:
    READERS[_name] = {GENERIC: generic, SPIFFE: spiffe}.get(_name) or by_preset(_name)
