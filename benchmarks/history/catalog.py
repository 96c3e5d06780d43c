"""What the agents of a made-up estate can reach: servers, their actions with tiers, and pairs nobody should hold."""

from __future__ import annotations

WEIGHT = {"critical": 40, "high": 10, "medium": 3, "low": 1}
_SERVERS = {
    "billing": ("invoice", "credit_note"),
    "builds": ("pipeline", "artifact"),
    "calendar": ("event", "room"),
    "cloud": ("policy", "network"),
    "crm": ("contact", "deal"),
    "deploys": ("release", "environment"),
    "files": ("record", "folder"),
    "hr": ("employee", "salary"),
    "ledger": ("entry", "account"),
    "mail": ("message", "mailbox"),
    "orders": ("order", "return"),
    "payments": ("payment", "mandate"),
    "repo": ("change", "branch"),
    "stock": ("item", "location"),
    "tickets": ("ticket", "queue"),
    "vendors": ("vendor", "contract"),
    "warehouse": ("table", "query"),
    "wiki": ("page", "space"),
}
_VERBS = {  # of the first noun, then of the second
    "low": (("list", "get", "search", "count"), ("list", "get", "describe")),
    "medium": (("create", "update", "tag"), ("create", "update")),
    "high": (("approve", "export"), ("assign",)),
    "critical": (("delete",), ("purge",)),
}
# What one agent must not hold together: the first it works with, the second lets it finish the fraud alone.
TOXIC = (
    ("vendors/create_vendor", "payments/approve_payment"),
    ("repo/update_change", "deploys/approve_release"),
    ("hr/create_employee", "cloud/assign_network"),
    ("mail/create_message", "files/export_record"),
    ("orders/create_return", "billing/approve_invoice"),
    ("ledger/update_entry", "ledger/approve_entry"),
)


def _catalog() -> dict[str, str]:
    return {
        f"{server}/{verb}_{noun}": tier
        for server, nouns in _SERVERS.items()
        for tier, groups in _VERBS.items()
        for noun, verbs in zip(nouns, groups, strict=True)
        for verb in verbs
    }


SERVERS = tuple(_SERVERS)
TIERS = _catalog()  # action -> tier


def server_of(action: str) -> str:
    """The server of `server/tool`."""
    return action.partition("/")[0]
