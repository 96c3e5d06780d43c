"""What was shown at the beginning of a request, asked again when its body is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remit.attestation.model import Caller, Link
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId
from remit.storage.model import ConsumeProof
from remit.tokens.check import TokenChecker, TokenInvalid

NOW = Instant(1_000_000)
KEYS: Any = None  # no signature is asked for again
CALLER = Caller(
    agent=AgentName("bot"), instance=InstanceId("i"), credential="c", purpose=PurposeName("p"), run=RunId("r"),
    token="tok_1", expires=Instant(NOW + 1), bound=True,
)  # fmt: skip
PROOF = ConsumeProof("dpop:x", Instant(NOW + 1))


def test_what_still_holds_goes_on() -> None:
    checker = TokenChecker(KEYS, issuer="https://remit.test", revoked=lambda name: name not in {"tok_1", "r"})
    checker.still(CALLER, PROOF, now=NOW)
    checker.still(replace(CALLER, bound=False), None, now=NOW)


@pytest.mark.parametrize(
    ("caller", "proof", "revoked", "why"),
    [
        (replace(CALLER, expires=NOW), PROOF, False, "the token has expired"),
        (replace(CALLER, expires=NOW), None, False, "the token has expired"),
        (CALLER, PROOF, True, "the token was revoked"),
        (CALLER, None, True, "the token was revoked"),
        # Its use is forgotten a while after this: held back until then, it would open a second time.
        (CALLER, replace(PROOF, expires=NOW), False, "the proof is too old"),
    ],
)
def test_what_ended_meanwhile_does_not(caller: Caller, proof: ConsumeProof | None, revoked: bool, why: str) -> None:  # noqa: FBT001 - a parameter of the test
    checker = TokenChecker(KEYS, issuer="https://remit.test", revoked=lambda _: revoked)
    with pytest.raises(TokenInvalid, match=why):
        checker.still(caller, proof, now=NOW)


def test_a_run_that_was_ended_ends_every_token_of_it() -> None:
    checker = TokenChecker(KEYS, issuer="https://remit.test", revoked=lambda name: name == "r")
    with pytest.raises(TokenInvalid, match="the token was revoked"):
        checker.still(CALLER, PROOF, now=NOW)


def test_a_consent_that_was_withdrawn_ends_every_token_under_it() -> None:
    """Also one of no family: the consent's own id is looked up."""
    checker = TokenChecker(KEYS, issuer="https://remit.test", revoked=lambda name: name == "con_1")
    checker.still(CALLER, PROOF, now=NOW)
    checker.still(replace(CALLER, consent="con_2"), PROOF, now=NOW)
    with pytest.raises(TokenInvalid, match="the token was revoked"):
        checker.still(replace(CALLER, consent="con_1"), PROOF, now=NOW)


@pytest.mark.parametrize(("ended", "holds"), [("r_1", False), ("tok_1a", False), ("r_2", False), ("r_3", True)])
def test_the_end_of_what_handed_it_on_ends_it(ended: str, holds: bool) -> None:  # noqa: FBT001 - a parameter of the test
    checker = TokenChecker(KEYS, issuer="https://remit.test", revoked=lambda name: name == ended)
    links = tuple(
        Link(agent=AgentName(name), instance=InstanceId(name), credential="c", run=RunId(run), token=token)
        for name, run, token in (("root", "r_1", "tok_1a"), ("middle", "r_2", "tok_2a"))
    )
    acting = replace(CALLER, links=links)
    if holds:
        checker.still(acting, PROOF, now=NOW)
        return
    with pytest.raises(TokenInvalid, match="the token was revoked") as refused:
        checker.still(acting, PROOF, now=NOW)
    assert (refused.value.token, refused.value.agent) == ("tok_1", "bot")
