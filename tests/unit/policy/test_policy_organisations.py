"""Sets that were read lately are not read again, and what fitted another catalog is validated anew."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from remit.kernel.errors import ConfigInvalid
from remit.policy.cedar import CedarEngine
from remit.policy.organisations import Organisations

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

ONE = '@id("one")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);\n'
TYPO = ONE.replace('"one"', '"typo"').replace(");\n", ")\nwhen { context.input has amuont };\n")
NEVER = ONE.replace('"one"', '"never"').replace(");\n", ")\nwhen { false };\n")
TWO = '@id("two")\nforbid (principal, action == Remit::Action::"payments/list_invoices", resource);\n'


class Counting(CedarEngine):
    """Counts the statements that are read, and validated."""

    def __init__(self) -> None:
        self.read_, self.validated = 0, 0

    def read(self, text: str) -> dict[str, object]:
        self.read_ += text.count("forbid")
        return dict(super().read(text))

    def faults(self, text: str, schema: object) -> list[str]:
        self.validated += text.count("forbid")
        return super().faults(text, schema)


def test_only_what_is_new_is_read_and_validated(build: Build) -> None:
    engine = Counting()
    known, servers = Organisations(engine), [build.server()]
    known.check({"a.cedar": ONE}, servers)
    assert (engine.read_, engine.validated) == (1, 1)
    assert known.read({"a.cedar": ONE}, serial=7).serial == 7
    known.check({"a.cedar": ONE}, servers)
    assert (engine.read_, engine.validated) == (1, 1)
    found = known.check({"b.cedar": TWO + "// moved\n" + ONE}, servers)
    assert (engine.read_, engine.validated) == (2, 2)
    assert [(each.id, each.line, each.file) for each in found.policies] == [
        ("two", 1, "b.cedar"),
        ("one", 4, "b.cedar"),
    ]


def test_what_fitted_another_catalog_is_validated_anew(build: Build) -> None:
    """A tool that is gone: what speaks of it does not fit any more, although its text was validated before."""
    known, server = Organisations(CedarEngine()), build.server()
    known.check({"a.cedar": ONE}, [server])
    fewer = {name: tool for name, tool in server.tools.items() if name != "transfer"}
    with pytest.raises(ConfigInvalid, match=r"a\.cedar:1: "):
        known.check({"a.cedar": ONE}, [dataclasses.replace(server, tools=fewer)])


def test_what_cannot_be_read_is_not_kept(build: Build) -> None:
    known = Organisations(CedarEngine())
    for _ in range(2):
        with pytest.raises(ConfigInvalid):
            known.read({"a.cedar": "forbid (principal"})


@pytest.mark.parametrize("idle", [TYPO, NEVER])
def test_what_can_never_do_anything_is_refused_although_it_fits(build: Build, idle: str) -> None:
    """Attack: it validates, beside the reading of it too, and would be in force and forbid nothing."""
    known, servers = Organisations(CedarEngine()), [build.server()]
    for _ in range(2):
        with pytest.raises(ConfigInvalid, match=r"^a\.cedar:3: .*(amuont|never holds)"):
            known.check({"a.cedar": ONE + idle}, servers)
    known.check({"a.cedar": ONE}, servers)
    with pytest.raises(ConfigInvalid, match=r"^b\.cedar:1: "):
        known.check({"a.cedar": ONE, "b.cedar": idle}, servers)


@pytest.mark.parametrize("idle", [TYPO, NEVER])
def test_what_stands_already_is_no_reason_to_refuse_another(build: Build, idle: str) -> None:
    known, servers = Organisations(CedarEngine()), [build.server()]
    standing = {idle.strip()}
    for _ in range(2):
        found = known.check({"moved.cedar": TWO, "old.cedar": "\n" + idle}, servers, standing=standing)
        assert len(found.policies) == 2
    # It counts for as long as it stands, and for what it is.
    for files in ({"moved.cedar": TWO, "old.cedar": "\n" + idle}, {"old.cedar": idle}):
        with pytest.raises(ConfigInvalid, match=r"^old\.cedar:"):
            known.check(files, servers)
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar:1: "):
        known.check({"a.cedar": idle.replace("transfer", "list_invoices")}, servers, standing=standing)


def test_what_stands_already_and_does_not_fit_is_refused(build: Build) -> None:
    gone = ONE.replace("payments/transfer", "payments/gone")
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar:1: "):
        Organisations(CedarEngine()).check({"a.cedar": gone}, [build.server()], standing={gone.strip()})
