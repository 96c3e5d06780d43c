"""What is decided, as it is decided; and beside it, why one of them was decided so."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.kernel.errors import RemitError


def fill(look: Look) -> Filled:
    """The frame, with the decision that the URL names; the browser follows the log by itself."""
    look.get("/v1/decisions", limit="1")
    chosen, wrong = look.query.get("why", ""), ""
    decision = None
    if chosen.startswith("dec_"):
        try:
            decision = look.get(f"/v1/decisions/{chosen}")
        except RemitError as error:
            wrong = error.public
    return Filled(
        title="Live decisions",
        values={
            "decision": decision, "wrong": wrong, "filter": look.query.get("q", "")[:200],
            "paused": look.query.get("paused") == "yes",
        },
    )  # fmt: skip


PAGE = Page(path="/live", slug="live", template="live.html", fill=fill)
