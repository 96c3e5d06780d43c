"""Runs, instances and claims (pure): what a token that may be had looks like, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from remit.attestation.model import Link
from remit.kernel.canonical import parse
from remit.kernel.clock import SECOND, Instant
from remit.kernel.names import RunId
from remit.tokens.model import TOKEN_LIFETIME, Granted, OAuthError, Run, TokenRefused, Wish

PROFILE: Final = "ai_agent"  # what kind of party an actor is (OAuth Actor Profile, `sub_profile`)


def check_instances(wish: Wish, runs: Sequence[Run], *, now: Instant) -> None:
    """A copy beyond `max_instances` gets no token while the others are live, that is, have an open run.

    Raises:
        TokenRefused: unauthorized_client.
    """
    live = {run.instance for run in runs if run.open(now)}
    if wish.instance not in live and len(live) >= wish.agent.max_instances:
        raise TokenRefused(
            OAuthError.UNAUTHORIZED_CLIENT,
            f"the agent already has {len(live)} live instances of at most {wish.agent.max_instances}; "
            "one is live until its run ends, or 15 minutes after its last token",
        )


def grant(wish: Wish, runs: Sequence[Run], *, now: Instant, token: str, fresh: RunId, txn: str = "") -> Granted:
    """Choose the run and the end of a token: token <= run <= agent and purpose.

    The newest open run of this instance and purpose goes on, unless another was asked for or
    it has no second left.

    Args:
        wish: What was asked for and may be had.
        runs: The agent's runs.
        now: The time to judge at.
        token: The token's id.
        fresh: The id of the new run, if there is to be one.
        txn: The id of the new transaction, if it goes on with none.

    Raises:
        TokenRefused: unauthorized_client: the agent or the purpose ends within this second.
    """
    issued = Instant(now - now % SECOND)
    cap = min(wish.agent.not_after, wish.purpose.not_after, wish.run_cap)
    above = wish.links[-1].run if wish.links else ""
    run = Run(
        run=fresh,
        instance=wish.instance,
        purpose=wish.purpose.purpose,
        opened=now,
        ends=Instant(min(now + wish.agent.max_run, cap)),
        token_expires=now,
        above=above,
    )
    same = (wish.instance, wish.purpose.purpose, above)
    own = [old for old in runs if (old.instance, old.purpose, old.above) == same]
    for old in sorted(own, key=lambda each: (each.opened, each.run), reverse=True) if not wish.new_run else []:
        # max_run, the agent's or the purpose's end may have been brought forward since it was opened.
        going = replace(old, ends=Instant(min(old.ends, old.opened + wish.agent.max_run, cap)))
        if going.open(now) and _end(going, now, wish.token_cap) > issued:
            run = going
            break
    expires = _end(run, now, wish.token_cap)
    if expires <= issued:
        raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the agent, its purpose or its run ends now")
    run = replace(run, token_expires=max(run.token_expires, expires))
    return Granted(wish=wish, run=run, token=token, issued=issued, expires=expires, txn=wish.txn or txn)


def _end(run: Run, now: Instant, cap: Instant) -> Instant:
    end = min(now + TOKEN_LIFETIME, run.ends, cap)
    return Instant(end - end % SECOND)


def claims(granted: Granted, *, issuer: str) -> dict[str, Any]:
    """The claims of the access token (RFC 9068 section 2.2, RFC 9449 section 6.1, and Remit's own)."""
    wish, run = granted.wish, granted.run
    cnf = {name: value for name, value in (("jkt", wish.jkt), ("x5t#S256", wish.x5t)) if value is not None}
    bound = {"cnf": cnf} if cnf else {}
    return {
        "iss": issuer,
        "sub": wish.links[0].agent if wish.links else wish.agent.agent,
        "client_id": wish.agent.agent,
        "aud": wish.audience[0] if len(wish.audience) == 1 else list(wish.audience),
        "iat": granted.issued // SECOND,
        "exp": granted.expires // SECOND,
        "jti": granted.token,
        "scope": f"purpose:{wish.purpose.purpose}",
        "purpose": wish.purpose.purpose,
        "run": run.run,
        "run_exp": run.ends // SECOND,
        "instance": wish.instance,
        "cred": wish.credential,
        **({"txn": granted.txn} if granted.txn else {}),
        **_behalf(wish),
        **({"person": wish.person} if wish.person else {}),
        **_acting(wish, issuer=issuer),
        **bound,
    }


def _behalf(wish: Wish) -> dict[str, Any]:
    """For whom it was had. `sub` stays the agent: what it may is its own, and so is what it spends."""
    behalf = wish.behalf
    if behalf is None:
        return {}
    return {"obo": {"iss": behalf.issuer, "sub": behalf.subject}, "consent": behalf.consent}


def _acting(wish: Wish, *, issuer: str) -> dict[str, Any]:
    """For whom it acts (RFC 8693 section 4.1), who may act for it (section 4.4), and what was handed on."""
    found: dict[str, Any] = {}
    if wish.agent.delegates:
        names = list(wish.agent.delegates)
        found["may_act"] = {"iss": issuer, "sub": names[0] if len(names) == 1 else names}
    if wish.links:
        act = nested([*(link.agent for link in wish.links[1:]), wish.agent.agent], issuer=issuer)
        links = [_handed_on(link) for link in wish.links]
        found |= {"act": act, "delegation": {"id": wish.delegation, "links": links}}
    return found


def _handed_on(link: Link) -> dict[str, Any]:
    """One of those for whom it acts, as `check.py` reads it."""
    said = {
        "agent": link.agent, "instance": link.instance, "cred": link.credential, "run": link.run, "token": link.token,
        "attested": link.attested // SECOND,
    }  # fmt: skip
    return said | ({"allow": parse(link.allow)} if link.allow else {})


def nested(actors: Iterable[str], *, issuer: str) -> dict[str, Any]:
    """The claim `act` (RFC 8693 section 4.1): who acts now is outermost, and inside is whom that one acts for."""
    act: dict[str, Any] = {}
    for name in actors:
        act = {"iss": issuer, "sub": name, "sub_profile": PROFILE, **({"act": act} if act else {})}
    return act


def answer(granted: Granted, access_token: str, *, echo: Sequence[Mapping[str, Any]], now: Instant) -> dict[str, Any]:
    """The body of the answer (RFC 6749 section 5.1, RFC 9449 section 5, RFC 9396 section 7)."""
    return {
        "access_token": access_token,
        "token_type": "Bearer" if granted.wish.jkt is None else "DPoP",
        "expires_in": max(0, (granted.expires - now) // SECOND),
        "scope": f"purpose:{granted.wish.purpose.purpose}",
        **({"authorization_details": [dict(each) for each in echo]} if echo else {}),
    }
