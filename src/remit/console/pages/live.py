"""What is decided, as it is decided."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page


def fill(look: Look) -> Filled:
    """The frame; the browser follows the log by itself."""
    look.get("/v1/decisions", limit="1")
    return Filled(title="Live decisions")


PAGE = Page(path="/live", slug="live", template="live.html", fill=fill)
