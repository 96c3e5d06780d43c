"""On the settings page: one's own sessions, which one may end, and how people sign in here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages.model import Act
from remit.console.sessions import LINK
from remit.console.tables import Column, Table

_SESSIONS: Final = (
    Column(name="session", title="Session", kind="code"),
    Column(name="how", title="Signed in by"),
    Column(name="since", title="Since", kind="time"),
    Column(name="seen", title="Last seen", kind="time"),
    Column(name="authenticated", title="Proved", kind="time", hint="when you last proved who you are"),
    Column(name="ends", title="Ends", kind="time", hint="or half an hour after it was last seen"),
    Column(name="here", title="This one", kind="state"),
)
_WAYS: Final = (Column(name="what", title="What"), Column(name="said", title="How", kind="code"))


def sessions(look: Look) -> Table:
    """One's own sessions, this one among them."""
    found = look.get("/v1/console/sessions")["sessions"]
    rows = [
        {
            **{column.name: each.get(column.name) for column in _SESSIONS},
            "how": "one-time link" if each["how"] == LINK else each["how"],
            "here": "live" if each["session"] == look.session.id else "",
        }
        for each in found
    ]
    return Table(
        name="sessions", title="Your sessions", columns=_SESSIONS, rows=rows, sort="-since",
        empty="They are on another node.", command="remit console",
    )  # fmt: skip


def ways(look: Look) -> Table:
    """How people sign in here; never the client's secret."""
    return Table(
        name="ways", title="How people sign in", columns=_WAYS, rows=said(look.get("/v1/console/sign-in")),
        empty="By nothing.", command="remit up --sign-in FILE",
    )  # fmt: skip


def said(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the door says, line by line (pure)."""
    rows = [{"what": "One-time link", "said": "remit console"}]
    provider = found["provider"]
    if provider is None:
        return [*rows, {"what": "Provider", "said": "none; remit up --sign-in FILE"}]
    people, roles = provider["people"], provider["roles"]
    named = people if isinstance(people, str) else ", ".join(f"{each} is {who}" for each, who in people.items())
    rows += [
        {"what": "Provider", "said": provider["name"]},
        {"what": "Issuer", "said": provider["issuer"]},
        {"what": "Client", "said": provider["client_id"]},
        {"what": "Signatures", "said": ", ".join(provider["algorithms"])},
        {"what": "Scopes", "said": provider["scope"]},
        {"what": "Who somebody is", "said": f"{provider['person']}: {named}"},
    ]
    rows += [{"what": f"Role by {roles['claim']}", "said": f"{each}: {role}"} for each, role in roles["values"].items()]
    return [*rows, {"what": "Last failure", "said": provider["failure"]}] if provider["failure"] else rows


def end(look: Look, form: Mapping[str, str]) -> str:
    """End one of one's sessions."""
    name = form.get("session", "")
    look.act("DELETE", f"/v1/console/sessions/{name}")
    return f"{name} has ended."


def end_others(look: Look, _form: Mapping[str, str]) -> str:
    """End all of them but this one."""
    others = [each["session"] for each in look.get("/v1/console/sessions")["sessions"]]
    others = [each for each in others if each != look.session.id]
    for each in others:
        look.act("DELETE", f"/v1/console/sessions/{each}")
    return f"{len(others)} other sessions have ended." if len(others) != 1 else "1 other session has ended."


ACTS: Final = (Act(name="end-session", carry=end), Act(name="end-others", carry=end_others))
