"""The command `remit`: its table of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import copy
import os
import sys
import traceback
from typing import Annotated

import typer

from remit.cli import (
    activation,
    agent,
    apply,
    approval,
    ask,
    audit,
    boundary,
    breakglass,
    consent,
    console,
    coverage,
    demo,
    discover,
    doctor,
    freeze,
    key,
    mandate,
    mcp,
    operator,
    pep,
    policy,
    posture,
    proxy,
    registry,
    review,
    rightsize,
    secret,
    secret_exposure,
    secret_leases,
    secret_rotate,
    secret_show,
    server,
    simulate,
    system,
    trust,
    up,
    usage,
    who,
    whoami,
    withdrawal,
)
from remit.cli import (
    run as run_command,
)
from remit.cli.exits import Exit, for_error
from remit.cli.options import examples
from remit.cli.output import complain, data_json, data_text, error_object, finish, let_go
from remit.cli.pages import command_name, link
from remit.cli.wire import Refused
from remit.kernel.errors import RemitError

app = typer.Typer(
    help="Remit: the governance plane for AI agents.",
    epilog=examples("remit demo", "remit up --data ./data"),
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - a tenth of what every command waits for

        data_text(f"remit {version('remit')}")
        raise typer.Exit


@app.callback()
def _of_all(
    _wanted: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    pass


up.add(app)
demo.add(app)
apply.add(app)
ask.add(app)
mandate.add(app)
freeze.add(app)
console.add(app)
doctor.add(app)
run_command.add(app)
who.add(app)
discover.add(app)
coverage.add(app)
whoami.add(app)
activation.add(app)
activation.add_risk(agent.app)
activation.add_signal(agent.app)
app.add_typer(agent.app, name="agent")
app.add_typer(activation.app, name="activation")
app.add_typer(activation.certify, name="certify")
app.add_typer(boundary.app, name="boundary")
app.add_typer(approval.app, name="approval")
app.add_typer(breakglass.app, name="breakglass")
app.add_typer(server.app, name="server")
secret_leases.add(secret.app)
secret_show.add(secret.app)
secret_rotate.add(secret.app)
app.add_typer(secret_exposure.app, name="secret")
app.add_typer(registry.purposes, name="purpose")
app.add_typer(registry.owners, name="owner")
app.add_typer(audit.app, name="audit")
app.add_typer(operator.app, name="operator")
app.add_typer(pep.app, name="pep")
app.add_typer(policy.app, name="policy")
app.add_typer(mcp.app, name="mcp")
app.add_typer(consent.app, name="consent")
app.add_typer(key.app, name="key")
app.add_typer(posture.app, name="posture")
app.add_typer(proxy.app, name="proxy")
app.add_typer(review.app, name="review")
app.add_typer(system.app, name="system")
app.add_typer(trust.app, name="trust")
app.add_typer(usage.app, name="usage")
app.add_typer(withdrawal.app, name="withdrawal")
rightsize.add(app)
simulate.add(activation.certify)
link(app)


def main() -> None:
    """Run one command and exit with its code."""
    code = run(sys.argv[1:])
    finish()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code, with every failure told in three parts."""
    try:
        return int(_app_for(arguments)(args=arguments, prog_name="remit", standalone_mode=False) or 0)
    except RemitError as error:
        return _refused(error, as_json=_wants_json(arguments))
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        return _usage(error, as_json=_wants_json(arguments))
    except SystemExit as left:
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        # Libraries end with 1 when the reader of a help text, or of the demo, went away; what is left goes nowhere.
        let_go(sys.stdout)
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - the last line of defence: an exit code and a sentence, not a trace
        return _unexpected(error, as_json=_wants_json(arguments))


def _app_for(arguments: list[str]) -> typer.Typer:
    """The commands that the first word names, or all of them: to make them all takes longer than most of them run."""
    first = arguments[0] if arguments else ""
    groups = [each for each in app.registered_groups if each.name == first]
    commands = [each for each in app.registered_commands if command_name(each) == first]
    if not groups and not commands:
        return app
    chosen = copy.copy(app)
    chosen.registered_groups, chosen.registered_commands = groups, commands
    return chosen


def _wants_json(arguments: list[str]) -> bool:
    return "--json" in arguments[: arguments.index("--") if "--" in arguments else None]


def _refused(error: RemitError, *, as_json: bool) -> Exit:
    problem = error.problem if isinstance(error, Refused) else {}
    code = str(problem.get("code", error.code))
    if as_json:
        known = {"type", "title", "status", "code", "try", "detail"}
        more = {key: value for key, value in problem.items() if key not in known}
        data_json(error_object(code, error.public, because=error.detail, try_=error.try_, more=more))
    complain(error.public, because=error.detail, try_=error.try_)
    return for_error(code)


def _usage(error: typer.TyperException, *, as_json: bool) -> Exit:
    what = getattr(error, "format_message", lambda: str(error))()
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(what + "\n")
        return Exit.USAGE
    context = getattr(error, "ctx", None)
    try_ = f"{context.command_path} --help" if context else "remit --help"
    if as_json:
        data_json(error_object("usage", what, because="", try_=try_, more={}))
    complain(what, try_=try_)
    return Exit.USAGE


def _unexpected(error: Exception, *, as_json: bool) -> Exit:
    what = f"unexpected: {type(error).__name__}: {error}"
    if as_json:
        data_json(error_object("unexpected", what, because="", try_="", more={}))
    complain(what, try_="REMIT_TRACE=1 shows where; please report it")
    if os.environ.get("REMIT_TRACE"):
        traceback.print_exc()
    return Exit.UNEXPECTED


if __name__ == "__main__":
    main()
