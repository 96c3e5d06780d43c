"""The columns of the tables of an agent's page."""

from __future__ import annotations

from remit.console.paths import PATH
from remit.console.tables import Column

ACCESS = (
    Column(name="action", title="Action", kind="code"),
    Column(name="purpose", title="Purpose"),
    Column(name="tier", title="Tier"),
    Column(name="state", title="State", kind="state"),
    Column(
        name="reach",
        title="Reach",
        hint="direct: usable now; latent: starts again without a person; person: takes its owner",
    ),
    Column(name="last_use", title="Last use", kind="time"),
    Column(name="days_of_use", title="Days of use", kind="number"),
    Column(
        name="next_check",
        title="Lapses",
        kind="time",
        hint="certified at every decision; without a further use it lapses then",
    ),
    Column(name="reason", title="Why"),
    Column(name="boundary", title="Boundary", kind="code", link=f"{PATH}/policies/{{boundary}}"),
)
BOUNDARIES = (
    Column(name="boundary", title="Boundary", kind="code", link=f"{PATH}/policies/{{boundary}}"),
    Column(name="version", title="Version", kind="number"),
    Column(name="purpose", title="Purpose"),
    Column(name="state", title="State", kind="state"),
    Column(name="approved_by", title="Approved by"),
    Column(name="approved_at", title="Approved", kind="time"),
    Column(name="not_after", title="Ends", kind="time"),
)
LIMITS = (
    Column(name="boundary", title="Boundary", kind="code", link=f"{PATH}/policies/{{boundary}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="what", title="Limit"),
    Column(name="used", title="Used", kind="number", hint="in the window that runs now, on all nodes"),
    Column(name="most", title="At most", kind="number"),
    Column(name="share", title="Share", kind="percent"),
    Column(name="state", title="Hours", hint="open: calls pass now"),
    Column(name="until", title="Begins anew", kind="time", hint="the count, or the hours"),
)
CREDENTIALS = (
    Column(name="secret", title="Credential", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="servers", title="For", kind="tags"),
    Column(name="made", title="Made", kind="time"),
    Column(name="last_used", title="Last use", kind="time"),
    Column(name="exposed", title="Exposed", kind="time"),
    Column(name="next_rotation", title="Rotates", kind="time"),
)
DELEGATIONS = (
    Column(name="for", title="For", kind="code", link=f"{PATH}/agents/{{for}}"),
    Column(name="acts", title="Acts", kind="code", link=f"{PATH}/agents/{{acts}}"),
    Column(name="purpose", title="Purpose"),
    Column(name="depth", title="Depth", kind="number"),
    Column(name="run", title="Run", kind="code"),
    Column(name="ends", title="Ends", kind="time"),
)
REVIEWS = (
    Column(name="question", title="Question", kind="code", link=f"{PATH}/reviews/{{question}}"),
    Column(name="kind", title="About"),
    Column(name="action", title="Action", kind="code"),
    Column(name="asked", title="Since", kind="time"),
    Column(name="due", title="Ends by itself", kind="time"),
)
RUNS = (
    Column(name="run", title="Run", kind="code", link=f"{PATH}/runs/{{run}}"),
    Column(name="instance", title="Instance", kind="code"),
    Column(name="purpose", title="Purpose"),
    Column(name="calls", title="Calls below", kind="number", hint="among the newest entries below; its page has all"),
    Column(name="refused", title="Refused below", kind="number", hint="of these"),
    Column(name="last", title="Last", kind="time"),
)
SIGNALS = (
    Column(name="signal", title="Signal"),
    Column(name="about", title="About", kind="code"),
    Column(name="by", title="Noticed by"),
    Column(name="since", title="Since", kind="time"),
)
HAPPENED = (
    Column(name="time", title="Time", kind="time"),
    Column(name="lane", title="What"),
    Column(name="said", title="Which"),
    Column(name="entry", title="Entry", kind="code", link=f"{PATH}/log/{{entry}}"),
)
ENTRIES = (
    Column(name="time", title="Time", kind="time"),
    Column(name="kind", title="Kind"),
    Column(name="action", title="About", kind="code"),
    Column(name="word", title="Answer"),
    Column(name="id", title="Entry", kind="code", link=f"{PATH}/log/{{id}}"),
)
DAYS = (
    Column(name="day", title="Day"),
    Column(name="granted", title="Granted", kind="number"),
    Column(name="direct", title="Usable now", kind="number"),
    Column(name="latent", title="Sleeping", kind="number"),
    Column(name="used", title="Used", kind="number"),
    Column(name="lapsed", title="Lapsed the day before", kind="number"),
    Column(name="returned", title="Came back the day before", kind="number"),
)
