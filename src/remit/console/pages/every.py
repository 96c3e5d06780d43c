"""All pages of the console."""

from __future__ import annotations

from typing import Final

from remit.console.pages import (
    agent,
    agents,
    credentials,
    live,
    log,
    overview,
    policies,
    requests,
    reviews,
    runs,
    servers,
    settings,
    stop,
)
from remit.console.pages.model import Page

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    overview.NOW,
    overview.WELL,
    agents.PAGE,
    agent.PAGE,
    live.PAGE,
    reviews.PAGE,
    reviews.QUESTION,
    policies.PAGE,
    policies.BOUNDARY,
    requests.PAGE,
    requests.REQUEST,
    servers.PAGE,
    servers.SERVER,
    credentials.PAGE,
    credentials.SECRET,
    log.PAGE,
    log.ENTRY,
    runs.PAGE,
    settings.PAGE,
    stop.PAGE,
    stop.FREEZE,
)
