"""Validating beside reading says yes for all that is new, or nothing; and nobody takes it for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remit.kernel.errors import ConfigInvalid
from remit.policy.ahead import Ahead
from remit.policy.cedar import CedarEngine
from remit.policy.organisations import Organisations
from remit.policy.schema import for_catalog
from remit.policy.statements import statements

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

FITS = '@id("fits")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);'
MISFIT = '@id("misfit")\nforbid (principal, action == Remit::Action::"payments/gone", resource);'
BLIND = (
    '@id("blind")\nforbid (principal, action == Remit::Action::"payments/transfer", resource)\n'
    'when { Remit::Agent::"nobody" in Remit::Owner::"dana" };'
)


@pytest.mark.parametrize(
    ("text", "known", "fitting"),
    [
        (FITS, frozenset(), {FITS}),
        (FITS, {FITS}, set()),
        (FITS + MISFIT, frozenset(), set()),
        (FITS + "forbid (", frozenset(), set()),
        ("", frozenset(), set()),
    ],
)
def test_it_says_yes_to_all_that_is_new_or_to_nothing(
    build: Build, text: str, known: frozenset[str], fitting: set[str]
) -> None:
    with Ahead(CedarEngine(), {"a.cedar": list(statements(text))}, for_catalog([build.server()]), known) as ahead:
        pass
    assert ahead.fitting == fitting


@pytest.mark.parametrize("text", [MISFIT, FITS + "\n" + MISFIT, FITS + "\n" + BLIND, FITS + "forbid ("])
def test_what_does_not_fit_is_refused_the_first_time_and_every_time(build: Build, text: str) -> None:
    """Attack: a policy that looks at what is never there validates, and would stop nothing."""
    known = Organisations(CedarEngine())
    for _ in range(2):
        with pytest.raises(ConfigInvalid, match=r"a\.cedar:"):
            known.check({"a.cedar": text}, [build.server()])
    known.check({"a.cedar": FITS}, [build.server()])
    with pytest.raises(ConfigInvalid, match=r"a\.cedar:"):
        known.check({"a.cedar": text}, [build.server()])
