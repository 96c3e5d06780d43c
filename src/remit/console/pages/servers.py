"""What can be reached, how it has changed since it was approved, and whose word is taken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.console.desk import Look
from remit.console.differences import difference
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.errors import Malformed

_SERVERS = (
    Column(name="server", title="Server", kind="code", link=f"{PATH}/servers/{{server}}"),
    Column(name="kind", title="Kind"),
    Column(name="url", title="Where", kind="code"),
    Column(name="mode", title="Mode", kind="state"),
    Column(name="tools", title="Tools", kind="number"),
    Column(name="waiting", title="Waiting for a look", kind="number"),
    Column(name="secret", title="Credential", kind="code", link=f"{PATH}/credentials"),
)
_TRUSTS = (
    Column(name="trust", title="Issuer", kind="code"),
    Column(name="preset", title="Kind"),
    Column(name="issuer", title="Address", kind="code"),
    Column(name="audience", title="For", kind="code"),
    Column(name="algorithms", title="Signs with", kind="tags"),
    Column(name="keys", title="Keys", kind="number"),
    Column(name="fetched", title="Asked", kind="time"),
    Column(name="failure", title="Failure"),
)
_SOURCES = (
    Column(name="source", title="Source", kind="code"),
    Column(name="servers", title="Tells of", kind="tags"),
    Column(name="state", title="State", kind="state"),
    Column(name="silent_since", title="Silent since", kind="time"),
    Column(name="expected", title="Expected by", kind="time"),
    Column(name="batch", title="Batch", kind="number"),
)
_COVERAGE = (
    Column(name="server", title="Server", kind="code", link=f"{PATH}/servers/{{server}}"),
    Column(name="secret", title="Secret", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="uses", title="Uses", kind="number"),
    Column(name="decisions", title="Behind a decision", kind="number"),
    Column(name="unmatched", title="Behind none", kind="number"),
)
_SHADOWS = (
    Column(name="time", title="Found", kind="time"),
    Column(name="server", title="Server", kind="code"),
    Column(name="agent", title="Agent", kind="code"),
    Column(name="action", title="Action", kind="code"),
    Column(name="count", title="Times", kind="number"),
    Column(name="source", title="Told by", kind="code"),
    Column(name="id", title="Entry", kind="code", link=f"{PATH}/log/{{id}}"),
)
_TOOLS = (
    Column(name="tool", title="Tool", kind="code"),
    Column(name="tier", title="Tier"),
    Column(name="state", title="State", kind="state"),
    Column(name="pin", title="Pin", kind="code", hint="SHA-256 of the definition that was approved"),
)
_FITS: Final = 3000  # characters of a form that names what was looked at


def fill(look: Look) -> Filled:
    """All servers, the issuers whose word is taken, who tells of use, and what use stands behind no decision."""
    servers = [
        {**{name: row.get(name) for name in ("server", "kind", "mode", "tools", "waiting")},
         "url": row.get("url") or " ".join(row.get("command") or ()),
         "secret": row.get("credential")}
        for row in look.get("/v1/servers")["servers"]
    ]  # fmt: skip
    tables = [
        Table(name="servers", title="Servers", columns=_SERVERS, rows=servers, sort="server",
              empty="No server is registered.", command="remit apply DIR"),
        Table(name="trusts", title="Whose word is taken", columns=_TRUSTS, rows=_rows(look.get("/v1/trusts")["trusts"]),
              empty="No issuer is trusted: every copy shows a key of its own.", command="remit trust add"),
    ]  # fmt: skip
    if (sources := look.maybe("/v1/usage/sources")) is not None:
        tables.append(
            Table(name="sources", title="Who tells of use", columns=_SOURCES, rows=_rows(sources["sources"]),
                  empty="Nobody but Remit's own gateway tells of use.",
                  command="remit usage register NAME --server SERVER"),
        )  # fmt: skip
    if (covered := look.maybe("/v1/coverage", within="60")) is not None:
        tables += _covered(covered)
    unknown = [] if covered is None else list(covered["unknown"])
    return Filled(title="Servers & trust", tables=tables, values={"unknown": unknown})


def _covered(said: Mapping[str, Any]) -> list[Table]:
    return [
        Table(name="coverage", title="Use of credentials in the last day", columns=_COVERAGE,
              rows=_rows(said["brokered"]), empty="No credential was used.", command="remit coverage"),
        Table(name="shadows", title="Use that Remit did not decide", columns=_SHADOWS, rows=_rows(said["shadows"]),
              empty="None was found.", command="remit usage import FILE"),
    ]  # fmt: skip


def server(look: Look) -> Filled:
    """One server: its tools, and what changed since they were approved, word by word."""
    name = look.path["name"]
    found = look.get(f"/v1/servers/{name}")
    changes = list(look.get(f"/v1/servers/{name}/review")["changes"])
    table = Table(name="tools", title="Tools", columns=_TOOLS, rows=_rows(found["tools"]), sort="tool",
                  empty="It was not asked for its tools yet.", command=f"remit server refresh {name}")  # fmt: skip
    waits = [
        {**each, "differences": [difference(place, *sides) for place, sides in sorted(each["parts"].items())],
         "pins": json.dumps({each["tool"]: each["seen_pin"]})}
        for each in changes
    ]  # fmt: skip
    pins = json.dumps({each["tool"]: each["seen_pin"] for each in changes if each["approvable"]})
    freezes = look.view.freezes
    stopped = {tool["tool"]: freezes.get(("tool", f"{name}/{tool['tool']}")) for tool in found["tools"]}
    values = {
        "server": found, "waits": waits, "pins": pins if len(pins) < _FITS else "", "name": name,
        "stopped": freezes.get(("server", name)), "stopped_tools": stopped,
    }  # fmt: skip
    return Filled(title=name, tables=(table,), values=values)


def approve(look: Look, form: Mapping[str, str]) -> str:
    """Approve the definitions that were looked at; one that changed since is a conflict, and stays as it is."""
    try:
        pins = json.loads(form.get("pins", ""))
    except ValueError as error:
        raise Malformed("what was looked at is not named", detail=str(error)) from error
    name = look.path["name"]
    look.act("POST", f"/v1/servers/{name}/approve", {"pins": pins})
    return f"Approved on {name}: {', '.join(sorted(pins))}."[:300]


def refresh(look: Look, _form: Mapping[str, str]) -> str:
    """Ask it again."""
    said = look.act("POST", f"/v1/servers/{look.path['name']}/refresh", {})
    return f"It has {said['tools']} tools, {said['waiting']} wait for a look." if said["reached"] else said["detail"]


def _rows(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(each) for each in found]


PAGE = Page(path="/servers", slug="servers", template="servers.html", fill=fill)
SERVER = Page(
    path="/servers/{name}", slug="servers", template="server.html", fill=server,
    acts=(Act(name="approve", carry=approve), Act(name="refresh", carry=refresh)),
)  # fmt: skip
