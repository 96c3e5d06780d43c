"""Boundaries, and what the organisation rules for everyone."""

from __future__ import annotations

from remit.console import bounded
from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
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
    Column(name="id", title="Policy", kind="code"),
    Column(name="effect", title="Effect"),
    Column(name="title", title="Says"),
    Column(name="file", title="File", kind="code"),
    Column(name="line", title="Line", kind="number"),
)
_SETS = (
    Column(name="version", title="Version"),
    Column(name="state", title="State", kind="state"),
    Column(name="by", title="By"),
    Column(name="since", title="Since", kind="time"),
    Column(name="files", title="Files", kind="number"),
    Column(name="digest", title="Digest", kind="code"),
)
_VERSIONS = (
    Column(name="version", title="Version", kind="number"),
    Column(name="state", title="State", kind="state"),
    Column(name="purpose", title="Purpose"),
    Column(name="approved_by", title="Approved by"),
    Column(name="approved_at", title="Approved", kind="time"),
    Column(name="not_after", title="Ends", kind="time"),
)


def fill(look: Look) -> Filled:
    """What is in force, and what waits."""
    boundaries = bounded.boundaries(look)
    policies, sets = list(look.get("/v1/policies")["policies"]), list(look.get("/v1/policy-sets")["sets"])
    return Filled(
        title="Boundaries & policies",
        tables=(
            Table(name="boundaries", title="Boundaries", columns=_BOUNDARIES, rows=boundaries, sort="boundary",
                  empty="No boundary was applied.", command="remit apply DIR"),
            Table(name="policies", title="Policies in force", columns=_POLICIES, rows=policies,
                  empty="The organisation has no policy.", command="remit policy lint DIR"),
            Table(name="sets", title="Versions of the policies", columns=_SETS, rows=sets, empty="There is none."),
        ),
    )  # fmt: skip


def boundary(look: Look) -> Filled:
    """One boundary in every version."""
    found = look.get(f"/v1/boundaries/{look.path['name']}")
    table = Table(name="versions", title="Versions", columns=_VERSIONS, rows=list(found["versions"]), empty="None.")
    return Filled(title=look.path["name"], tables=(table,), values={"boundary": found})


def approve(look: Look, _form: object) -> str:
    """Say yes to what waits of a boundary."""
    name = look.path["name"]
    look.act("POST", f"/v1/boundaries/{name}/approve", {})
    return f"{name} is approved."


PAGE = Page(path="/policies", slug="policies", template="plain.html", fill=fill)
BOUNDARY = Page(
    path="/policies/{name}", slug="policies", template="boundary.html", fill=boundary,
    acts=(Act(name="approve", carry=approve, grave=True),),
)  # fmt: skip
