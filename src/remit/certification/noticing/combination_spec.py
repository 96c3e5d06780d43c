"""A combination's document, and how it is stored (pure)."""

from __future__ import annotations

from remit.catalog.pattern import matches
from remit.certification.noticing.combinations import Combination, Severity
from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name, split_action, well_formed_action
from remit.people import document
from remit.people.document import Fields

_MOST_ACTIONS = 20
_MOST_WHY = 1000


def combination(spec: object) -> Combination:
    """The combination that a document describes.

    Raises:
        SpecInvalid: The document has problems; one is a pattern that another one covers, for whoever holds the
            narrower would be in the combination with a single action.
    """
    fields = Fields(spec, known={"combination", "actions", "why", "severity"})
    name = fields.take("combination", document.name("a combination"))
    actions = fields.take("actions", document.distinct(document.items(_pattern, least=2, most=_MOST_ACTIONS)))
    why = fields.take("why", document.text(most=_MOST_WHY))
    severity = fields.maybe("severity", document.choice(*Severity), Severity.HIGH.value)
    for at, action in enumerate(actions or ()):
        if wider := [each for each in actions if each != action and matches(each, action)]:
            fields.problem(f"actions.{at}", f"{action} is part of {wider[0]}: one action alone would be enough")
    fields.finish()
    return Combination(combination=name, actions=actions, why=why, severity=Severity(severity))


def servers_of(value: Combination) -> list[tuple[int, str]]:
    """(position, server) of each pattern that names one server exactly."""
    named = [(at, split_action(action)[0]) for at, action in enumerate(value.actions)]
    return [(at, server) for at, server in named if "*" not in server]


def _pattern(value: object) -> str:
    if not isinstance(value, str) or not well_formed_action(value):
        raise Malformed("an action or pattern without spaces is expected")
    server, tool, _ = split_action(value)
    if not tool:
        raise Malformed("an action is server/tool")
    if "*" not in server:
        check_name(server, what="the server in an action")
    return value


def body(value: Combination) -> str:
    """The stored body; its digest is what the log names."""
    said = {
        "combination": value.combination,
        "actions": list(value.actions),
        "why": value.why,
        "severity": value.severity.value,
    }
    return canonical(said).decode("utf-8")


def from_body(text: str) -> Combination:
    """What `body` wrote."""
    said = parse(text)
    return Combination(
        combination=said["combination"],
        actions=tuple(said["actions"]),
        why=said["why"],
        severity=Severity(said["severity"]),
    )
