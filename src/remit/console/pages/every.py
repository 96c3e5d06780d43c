"""All pages of the console."""

from __future__ import annotations

from typing import Final

from remit.console.pages import (
    agent,
    agents,
    credential,
    credentials,
    entry,
    live,
    log,
    overview,
    policies,
    requests,
    reviews,
    runs,
    servers,
    settings,
)
from remit.console.pages.model import Page

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
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
    credential.SECRET,
    log.PAGE,
    log.CHECKPOINTS,
    entry.ENTRY,
    runs.PAGE,
    runs.RUN,
    settings.PAGE,
)
