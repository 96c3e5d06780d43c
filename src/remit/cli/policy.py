"""`remit policy`: the organisation's policies. Each command is one line here."""

from __future__ import annotations

from remit.cli import policy_diff, policy_files, policy_sets, policy_simulate
from remit.cli.options import examples, group

app = group("The organisation's policies: what is in force, what a change would do, and the way back.")

app.command("list", epilog=examples("remit policy list", "remit policy list --json"))(policy_sets.list_)
app.command("show", epilog=examples("remit policy show no-deletions", "remit policy show no-deletions --json"))(
    policy_sets.show
)
app.command("format", epilog=examples("remit policy format ./remit", "remit policy format ./remit --check"))(
    policy_files.format_
)
app.command("lint", epilog=examples("remit policy lint ./remit", "remit policy lint ./remit --json"))(policy_files.lint)
app.command("test", epilog=examples("remit policy test ./remit", "remit policy test ./remit --json"))(
    policy_files.cases
)
app.command(
    "diff", epilog=examples("remit policy diff ./remit --fail-on widen", "remit policy diff ./old ./new --json")
)(policy_diff.diff)
app.command("observe", epilog=examples("remit policy observe ./remit", "remit policy observe --stop"))(
    policy_sets.observe
)
app.command("flips", epilog=examples("remit policy flips", "remit policy flips 3 --json"))(policy_sets.flips)
app.command("enforce", epilog=examples("remit policy enforce 3", "remit policy enforce 3 --as lee"))(
    policy_sets.enforce
)
app.command("rollback", epilog=examples("remit policy rollback", "remit policy rollback 1 --json"))(
    policy_sets.rollback
)
app.command("history", epilog=examples("remit policy history", "remit policy history --json"))(policy_sets.history)
policy_simulate.add(app)
