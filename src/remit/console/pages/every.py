"""All pages of the console."""

from __future__ import annotations

from typing import Final

from remit.console.pages import (
    agent,
    agents,
    boundary,
    credential,
    credentials,
    entry,
    live,
    log,
    overview,
    policies,
    policy_edit,
    policy_sets,
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
    boundary.BOUNDARY,
    policy_sets.SET,
    policy_sets.DIFFERENCE,
    policy_sets.POLICY,
    policy_edit.EDIT,
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
    stop.PAGE,
    stop.FREEZE,
)
