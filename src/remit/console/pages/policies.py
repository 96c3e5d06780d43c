"""Boundaries, and what the organisation rules for everyone."""

from __future__ import annotations

from remit.console import bounded
from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.pages.policy_sets import first_word
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_BOUNDARIES = (
    Column(name="boundary", title="Boundary", kind="code", link=f"{PATH}/policies/{{boundary}}"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="purpose", title="Purpose"),
    Column(name="version", title="Version", kind="number"),
    Column(name="state", title="State", kind="state"),
    Column(name="approved_by", title="Approved by"),
    Column(name="not_after", title="Ends", kind="time"),
)
_POLICIES = (
    Column(name="id", title="Policy", kind="code", link=f"{PATH}/policies/in-force/{{id}}"),
    Column(name="effect", title="Effect"),
    Column(name="title", title="Says"),
    Column(name="file", title="File", kind="code"),
    Column(name="line", title="Line", kind="number"),
)
_SETS = (
    Column(name="version", title="Version", link=f"{PATH}/policies/versions/{{version}}"),
    Column(name="state", title="State", kind="state"),
    Column(name="by", title="By"),
    Column(name="since", title="Since", kind="time"),
    Column(name="files", title="Files", kind="number"),
    Column(name="digest", title="Digest", kind="code"),
)


def fill(look: Look) -> Filled:
    """What is in force, and what waits."""
    boundaries = bounded.boundaries(look)
    said, sets = look.get("/v1/policies"), list(look.get("/v1/policy-sets")["sets"])
    by_state = {each["state"]: each["version"] for each in sets}
    return Filled(
        title="Boundaries & policies",
        tables=(
            Table(name="boundaries", title="Boundaries", columns=_BOUNDARIES, rows=boundaries,
                  empty="No boundary was applied.", command="remit apply DIR"),
            Table(name="policies", title="Policies in force", columns=_POLICIES, rows=list(said["policies"]),
                  empty="The organisation has no policy.", command="remit policy lint DIR"),
            Table(name="sets", title="Versions of the policies", columns=_SETS, rows=sets, empty="There is none.",
                  command="remit policy history"),
        ),
        values={
            "in_force": by_state.get("enforced", "new"), "observed": by_state.get("observe", ""),
            "fault": said["fault"], "first": first_word(look),
        },
    )  # fmt: skip


PAGE = Page(path="/policies", slug="policies", template="policies.html", fill=fill)
