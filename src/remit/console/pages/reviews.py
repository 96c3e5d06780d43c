"""The questions that only a person can answer."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_COLUMNS = (
    Column(name="question", title="Question", kind="code", link=f"{PATH}/reviews/{{question}}"),
    Column(name="kind", title="About"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="assigned", title="Asked"),
    Column(name="recommendation", title="Recommended"),
    Column(name="opened", title="Since", kind="time"),
)
_QUALITY = (
    Column(name="person", title="Reviewer"),
    Column(name="answers", title="Answers", kind="number"),
    Column(name="flag", title="Flag"),
)


def fill(look: Look) -> Filled:
    """All that are open, and how people answered lately."""
    questions = [{name: row.get(name) for name in ("question", "kind", "agent", "assigned", "recommendation", "opened")}
                 for row in look.get("/v1/reviews", all="true")["questions"]]  # fmt: skip
    quality = [{"person": row.get("person"), "answers": row.get("answers"), "flag": ", ".join(row.get("flags", ()))}
               for row in look.get("/v1/reviews/quality")["reviewers"]]  # fmt: skip
    return Filled(
        title="Reviews",
        tables=(
            Table(name="questions", title="Open questions", columns=_COLUMNS, rows=questions,
                  empty="Nobody is asked anything.", command="remit review list --all"),
            Table(name="quality", title="How people reviewed in 90 days", columns=_QUALITY, rows=quality,
                  empty="Nobody has answered anything in 90 days."),
        ),
    )  # fmt: skip


PAGE = Page(path="/reviews", slug="reviews", template="plain.html", fill=fill)
