"""What can be reached, how it has changed, and whose word is taken."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

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
    Column(name="kind", title="Kind"),
    Column(name="issuer", title="Address", kind="code"),
)
_TOOLS = (
    Column(name="tool", title="Tool", kind="code"),
    Column(name="tier", title="Tier"),
    Column(name="state", title="State", kind="state"),
    Column(name="pin", title="Pin", kind="code", hint="SHA-256 of the definition that was approved"),
)


def fill(look: Look) -> Filled:
    """All servers and issuers."""
    servers = [
        {**{name: row.get(name) for name in ("server", "kind", "mode", "tools", "waiting")},
         "url": row.get("url") or " ".join(row.get("command") or ()),
         "secret": row.get("credential")}
        for row in look.get("/v1/servers")["servers"]
    ]  # fmt: skip
    trusts = [{name: row.get(name) for name in ("trust", "kind", "issuer")} for row in look.get("/v1/trusts")["trusts"]]
    return Filled(
        title="Servers & trust",
        tables=(
            Table(name="servers", title="Servers", columns=_SERVERS, rows=servers, sort="server",
                  empty="No server is registered.", command="remit apply DIR"),
            Table(name="trusts", title="Whose word is taken", columns=_TRUSTS, rows=trusts,
                  empty="No issuer is trusted: every copy shows a key of its own.", command="remit trust add"),
        ),
    )  # fmt: skip


def server(look: Look) -> Filled:
    """One server: its tools, and what changed since they were approved."""
    name = look.path["name"]
    found = look.get(f"/v1/servers/{name}")
    changes = look.get(f"/v1/servers/{name}/review")["changes"]
    table = Table(name="tools", title="Tools", columns=_TOOLS, rows=list(found["tools"]), sort="tool",
                  empty="It was not asked for its tools yet.", command=f"remit server refresh {name}")  # fmt: skip
    freezes = look.view.freezes
    stopped = {tool["tool"]: freezes.get(("tool", f"{name}/{tool['tool']}")) for tool in found["tools"]}
    values = {"server": found, "changes": changes, "stopped": freezes.get(("server", name)), "stopped_tools": stopped}
    return Filled(title=name, tables=(table,), values=values)


def approve(look: Look, _form: object) -> str:
    """Approve the definitions that were seen."""
    look.act("POST", f"/v1/servers/{look.path['name']}/approve", {})
    return f"What {look.path['name']} offers now is approved."


PAGE = Page(path="/servers", slug="servers", template="plain.html", fill=fill)
SERVER = Page(
    path="/servers/{name}", slug="servers", template="server.html", fill=server,
    acts=(Act(name="approve", carry=approve),),
)  # fmt: skip
