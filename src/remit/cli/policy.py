"""`remit policy`: the rules of the organisation, before they bite."""

from __future__ import annotations

from remit.cli import policy_simulate
from remit.cli.options import group

app = group("The organisation's policies, before they bite.")

policy_simulate.add(app)
