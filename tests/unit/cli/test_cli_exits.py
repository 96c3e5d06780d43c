import inspect

import pytest

from remit.cli.exits import Exit, for_denial, for_error
from remit.kernel import errors
from remit.policy.model import Code

NO_EXIT_OF_THEIR_OWN = {"unexpected", "session_unknown"}


def test_every_error_has_its_exit_code() -> None:
    codes = {
        kind.code for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RemitError)
    } - NO_EXIT_OF_THEIR_OWN
    assert {code for code in codes if for_error(code) is Exit.UNEXPECTED} == set()


@pytest.mark.parametrize(
    ("code", "exit_"),
    [
        ("malformed", 2), ("not_found", 2), ("config_invalid", 3), ("keyfile_unsafe", 3), ("unauthenticated", 5),
        ("forbidden", 6), ("storage_unavailable", 7), ("unreachable", 7), ("integrity_failed", 8), ("conflict", 9),
        ("unheard_of", 1),
    ],
)  # fmt: skip
def test_the_table(code: str, exit_: int) -> None:
    assert for_error(code) == exit_


def test_a_denial_is_ten_unless_a_person_can_say_yes_or_nothing_was_decided() -> None:
    others = set(Code) - {Code.APPROVAL_REQUIRED, Code.ENFORCEMENT_UNAVAILABLE}
    assert {for_denial(code) for code in others} == {Exit.DENIED}
    assert for_denial("approval_required") == 11
    assert for_denial("enforcement_unavailable") == 7
