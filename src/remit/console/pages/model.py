"""What a page of the console is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remit.console.desk import Look
from remit.console.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a page shows. The first of its tables is the one whose state stands in the URL without a prefix.

    `values` go to the template as they are; `data` as JSON to the page's script, for plots and graphs.
    """

    title: str
    tables: Sequence[Table] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that a page's form does. `carry` changes it and says what was done, in one sentence.

    `grave`: only by who has just proved who they are (`stepup`); where it depends on what is asked, of the form.
    """

    name: str
    carry: Callable[[Look, Mapping[str, str]], str]
    grave: bool | Callable[[Mapping[str, str]], bool] = False

    def is_grave(self, form: Mapping[str, str]) -> bool:
        """Whether what this form asks for is grave."""
        return self.grave if isinstance(self.grave, bool) else self.grave(form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page below `/console`. `path` is a Starlette path without the root; `slug` the section that it is in."""

    path: str
    slug: str
    template: str
    fill: Callable[[Look], Filled]
    acts: Sequence[Act] = ()
