"""What a page of the console is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages.led import Led
from remit.console.tables import Table
from remit.kernel.errors import Malformed, RemitError

LONGEST_FORM: Final = 4096  # bytes; nothing that is pressed, and no note, is longer
_DIGITS: Final = 9  # of a number in a form


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a page shows. The first of its tables is the one whose state stands in the URL without a prefix.

    `values` go to the template as they are; `data` as JSON to the page's script, for plots and graphs. `refused`: what
    was asked for and not done, where the page itself says so.
    """

    title: str
    tables: Sequence[Table] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    refused: RemitError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that a page's form does.

    `carry` changes it and says what was done, in one sentence, and where to go on if that is not the same page. Or it
    answers with what the page shows of the form, and has changed nothing.

    `grave`: only by who has just proved who they are (`stepup`); where it depends on what is asked, of the form.
    """

    name: str
    carry: Callable[[Look, Mapping[str, str]], str | Led | Filled]
    grave: bool | Callable[[Mapping[str, str]], bool] = False

    def is_grave(self, form: Mapping[str, str]) -> bool:
        """Whether what this form asks for is grave."""
        return self.grave if isinstance(self.grave, bool) else self.grave(form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page below `/console`. `path` is a Starlette path without the root; `slug` the section that it is in.

    A page where people write says how long its forms may be (`most`, bytes), and what it shows of a form that was not
    taken (`keeps`), so that nothing they wrote is lost.
    """

    path: str
    slug: str
    template: str
    fill: Callable[[Look], Filled]
    acts: Sequence[Act] = ()
    most: int = LONGEST_FORM
    keeps: Callable[[Look, Mapping[str, str]], Filled] | None = None


def number(form: Mapping[str, str], name: str) -> int:
    """A whole number that a form has to say: which version of something its page showed.

    Raises:
        Malformed: It does not.
    """
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Malformed(f"this form does not say which {name} it is about; nothing was done")
    return int(text)
