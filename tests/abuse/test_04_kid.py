"""A `kid` that is a path, SQL, a NUL, enormous, or no text at all."""

from __future__ import annotations

from typing import Any

import pytest

from remit.tokens.check import TokenInvalid

KIDS = ["../../../../dev/null", "/etc/passwd", "' OR 1=1 --", "\x00", "a" * 65_536, ["a"], {"a": 1}, 7, None, ""]


@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: repr(kid)[:20])
@pytest.mark.requirement("jose:kid")
def test_a_kid_is_looked_up_in_memory_or_not_at_all(
    world: Any, resource: Any, kid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = world.forge(world.token(), header={"kid": kid})
    assertion = world.forge(world.assertion(), header={"kid": kid})
    form, proof = world.form(client_assertion=assertion), world.proof()
    opened: list[Any] = []
    monkeypatch.setattr("builtins.open", lambda *args, **_: opened.append(args))
    with pytest.raises(TokenInvalid):
        world.check(token)
    monkeypatch.undo()
    assert opened == []
    answer = world.post(form, proof=proof)
    # Over 64 KiB of body is refused before anybody looks at what it says.
    assert (answer.status_code, answer.json()["error"]) in {(401, "invalid_client"), (413, "invalid_request")}
    (entry,) = world.entries("refused")
    assert (entry["error"], "agent" in entry) == (answer.json()["error"], False)
    resource.refuses(token)
