"""What may be said beside a value that is set by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.vault.rotation_world import CHOSEN, NAME, World

from remit.kernel.errors import Malformed
from remit.server.door import Ask
from remit.server.http_secrets import Secrets
from remit.server.operators import Operator


@pytest.mark.parametrize(
    "attributes",
    ['{"rotation": "rot_1"}', '{"User": "x"}', '{"user": 1}', "[]", '{"user": "a:b"}', '{"user": "a\\nb"}'],
)
def test_an_attribute_says_nothing_that_is_remits_own_and_no_further_line(attributes: str) -> None:
    """With `rotation`, a rotation would take the old one for a stand-in, and say that it is gone."""
    world, nothing = World(CHOSEN), dict[str, Any]()
    for each in ("connections", "servers", "systems", "log"):
        nothing[each] = None
    doors = Secrets(
        vault=world.vault, writer=world.writer, reader=world.writer, records=world.records, clock=world.clock, **nothing
    )  # fmt: skip
    operator = Operator(person="olga", roles=frozenset({"operator"}))
    said: dict[str, Any] = {"operator": operator, "path": {"name": str(NAME)}, "body": b"another-value-of-it"}
    with pytest.raises(Malformed):
        doors.put(Ask(**said, query={"attributes": attributes}))
    before = world.lent()
    assert doors.put(Ask(**said, query={"attributes": '{"id": "k7"}'}))["version"] == 2
    assert world.lent() != before
