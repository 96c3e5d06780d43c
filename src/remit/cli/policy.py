"""`remit policy`: the organisation's policies. Each command is one line here."""

from __future__ import annotations

from remit.cli import policy_diff
from remit.cli.options import examples, group

app = group("The organisation's policies: what is in force, what a change would do, and the way back.")

app.command(
    "diff", epilog=examples("remit policy diff ./remit --fail-on widen", "remit policy diff ./old ./new --json")
)(policy_diff.diff)
