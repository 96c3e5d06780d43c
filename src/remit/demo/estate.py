"""The demo's organisation, as the files a platform engineer would keep in git."""

from __future__ import annotations

from pathlib import Path

OWNERS = """\
- {owner: dana, name: Dana Reyes, email: dana@example.test, backup: [lee]}
- {owner: lee, name: Lee Okafor, email: lee@example.test}
"""

PURPOSES = """\
- purpose: pay-invoices
  statement: Pay supplier invoices that were approved
  actions: [payments/list_*, payments/transfer]
  data_classes: [financial]
  not_after: 2029-12-31
- purpose: answer-customers
  statement: Look up customers and note what they asked
  actions: ["crm/*"]
  data_classes: [personal]
  not_after: 2029-12-31
"""

SERVERS = """\
- server: payments
  kind: mcp
  url: http://127.0.0.1:{payments}/mcp
  credential: {{secret: payments-key, inject: {{header: Authorization, format: "Bearer {{}}"}}}}
  tools: {{transfer: {{tier: critical}}, delete_payee: {{tier: critical}}, "list_*": {{tier: low}}}}
  review: pin-on-first-use
- server: crm
  kind: mcp
  url: http://127.0.0.1:{crm}/mcp
  tools: {{"get_*": {{tier: low}}, "list_*": {{tier: low}}, "export_*": {{tier: low}}, update_note: {{tier: medium}}}}
  review: pin-on-first-use
"""

PAYMENTS_KEY = """\
secret: payments-key
owner: dana
allow:
  - {{host: "127.0.0.1:{payments}", place: "header:Authorization", path: /mcp}}
rotate:
  every: 30d
  drain: 1s
  http:
    propose: {{length: 40, attributes: {{id: "{{rotation}}"}}}}
    create: {{method: PUT, url: "http://127.0.0.1:{payments}/keys/{{id}}", body: {{key: "{{value}}"}}}}
    verify: {{url: "http://127.0.0.1:{payments}/keys", headers: {{Authorization: "Bearer {{value}}"}}}}
    revoke: {{method: DELETE, url: "http://127.0.0.1:{payments}/keys/{{id}}"}}
    confirm: {{url: "http://127.0.0.1:{payments}/keys/{{id}}"}}
    by_hand: {{id: key-1}}
"""

AGENT = """\
agent: {name}
owner: dana
version: "1.0"
purposes: [{purpose}]
max_instances: 5
sender_constraint: {constraint}
not_after: 2029-12-31
max_run: 8h
attest: [{{private_key_jwt: {{jwk_file: {name}.jwk.pub.jwk}}}}]
"""

BOUNDARIES = """\
- boundary: invoice-bot-payments
  agent: invoice-bot
  purpose: pay-invoices
  allow:
    - {action: "payments/list_*"}
    - action: payments/transfer
      when: {amount: {max: "500.00"}, currency: {in: [EUR]}}
      limits: {rate: 60/min, budget: {argument: amount, max: "1300.00", per: day}}
  not_after: 2029-12-31
- boundary: support-bot-crm
  agent: support-bot
  purpose: answer-customers
  allow:
    - {action: "crm/list_*"}
    - {action: "crm/get_*"}
    - {action: "crm/export_*"}
    - {action: crm/update_note, ttl: TTL}
  not_after: 2029-12-31
- boundary: legacy-bot-crm
  agent: legacy-bot
  purpose: answer-customers
  allow:
    - {action: "crm/list_*"}
  not_after: 2029-12-31
"""

COMBINATION = """\
combination: export-and-write
actions: ["crm/export_*", crm/update_note]
why: Who can write into records and carry all of them away can sell them and hide it
severity: high
"""

POLICY = """\
@id("no-deletions")
@title("No agent deletes anything on the payments server")
forbid (principal, action == Remit::Action::"payments/delete_payee", resource);
"""

# name, server, purpose, sender constraint
AGENTS = (
    ("invoice-bot", "payments", "pay-invoices", "dpop"),
    ("support-bot", "crm", "answer-customers", "dpop"),
    ("legacy-bot", "crm", "answer-customers", "none"),
)


def write(directory: Path, *, payments: int, crm: int, ttl: str) -> None:
    """Write the files below `directory`; the public half of each agent's key goes beside its YAML.

    `ttl`: how long the one write on the CRM lasts without use, such as `20s`.
    """
    for folder in ("purposes", "servers", "secrets", "agents", "boundaries", "policies"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    (directory / "owners.yaml").write_text(OWNERS, encoding="utf-8")
    (directory / "purposes" / "purposes.yaml").write_text(PURPOSES, encoding="utf-8")
    (directory / "servers" / "servers.yaml").write_text(SERVERS.format(payments=payments, crm=crm), encoding="utf-8")
    (directory / "secrets" / "payments-key.yaml").write_text(PAYMENTS_KEY.format(payments=payments), encoding="utf-8")
    (directory / "boundaries" / "boundaries.yaml").write_text(BOUNDARIES.replace("TTL", ttl), encoding="utf-8")
    (directory / "policies" / "payments.cedar").write_text(POLICY, encoding="utf-8")
    for name, _, purpose, constraint in AGENTS:
        text = AGENT.format(name=name, purpose=purpose, constraint=constraint)
        (directory / "agents" / f"{name}.yaml").write_text(text, encoding="utf-8")
