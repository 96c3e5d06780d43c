"""Whose question it is, and who may answer it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from remit.kernel.names import OwnerName
from remit.people.model import Owner
from remit.people.succession import answers_for
from remit.reviews.model import Question

Find = Callable[[OwnerName], Owner | None]


def assignee(owner: Owner | None, find: Find, *, without: Collection[str] = ()) -> str:
    """Who is asked: the owner, or the first active backup where the owner is not to be; "" if there is nobody."""
    if owner is None:
        return ""
    for name in (owner.owner, *owner.backup):
        if name not in without and answers_for(name, owner, find):
            return name
    return ""


def backup(owner: Owner | None, find: Find, *, without: Collection[str] = ()) -> str:
    """Who is asked when the one who was asked does not answer: the first active backup; "" if there is nobody."""
    return "" if owner is None else assignee(owner, find, without={*without, owner.owner})


def heir(question: Question, owner: Owner | None, find: Find) -> str:
    """Whose it is after people came or went: it stays where it is while that person may answer it."""
    if question.general or why_not(question.assigned, question, owner, find) is None:
        return question.assigned
    return assignee(owner, find, without={question.requester, *question.barred})


def why_not(person: str, question: Question, owner: Owner | None, find: Find) -> str | None:
    """Why `person` may not answer; None if they may. Whether somebody is security or operator, their role says."""
    if person and person == question.requester:
        return "it is about their own request"
    if person in question.barred:
        return "their answers to it were made void"
    if question.general or answers_for(person, owner, find):
        return None
    handed = find(OwnerName(question.handed)) if person and person == question.handed else None
    if handed is not None and handed.active:
        return None
    return "only the agent's owner, a backup, or whom one of them asked may"
