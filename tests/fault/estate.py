"""The organisation of the fault tests: payments with a budget that runs out, a CRM without limits."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.fault.serving import Server

from remit.demo import estate

BOUNDARY = "invoice-bot-payments"
MOST = "2.00"  # one transfer
SECRET = "s3cret-of-payments"


def budget(units: int) -> dict[str, Any]:
    """The boundary of the paying agent with a budget of `units` whole euros."""
    limits = {"budget": {"argument": "amount", "max": f"{units}.00", "per": "month"}}
    when = {"amount": {"max": MOST}, "currency": {"in": ["EUR"]}}
    spec = {
        "boundary": BOUNDARY,
        "agent": "invoice-bot",
        "purpose": "pay-invoices",
        "allow": [{"action": "payments/transfer", "when": when, "limits": limits}],
        "not_after": "2029-12-31",
    }
    return {"kind": "boundary", "spec": spec, "file": "boundaries/pay.yaml", "line": 1}


def register(server: Server, files: Path, *, payments: int, crm: int) -> None:
    """Register and approve all of it; the agents' keys stand in `files`."""
    estate.write(files, payments=payments, crm=crm, ttl="7d")
    for name, *_ in estate.AGENTS:
        done = server.remit("agent", "keygen", name, "--out", str(key_file(files, name)))
        assert done.code == 0, done.err
    done = server.remit("secret", "set", "payments-key", stdin=SECRET)
    assert done.code == 0, done.err
    done = server.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err


def set_budget(server: Server, units: int) -> None:
    """Apply and approve the paying agent's boundary with another budget."""
    status, said = server.ask("POST", "/v1/apply", {"documents": [budget(units)], "approve": True}, as_="dana")
    assert (status, said["waiting"]) == (200, []), said


def key_file(files: Path, agent: str) -> Path:
    """Where an agent's private key stands."""
    return files / "agents" / f"{agent}.jwk"


def claims(token: str) -> dict[str, Any]:
    """What an access token says, unverified."""
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found
