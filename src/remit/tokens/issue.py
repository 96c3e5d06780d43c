"""Runs, instances and claims (pure): what a token that may be had looks like, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from remit.kernel.clock import SECOND, Instant
from remit.kernel.names import RunId
from remit.tokens.model import TOKEN_LIFETIME, Granted, OAuthError, Run, TokenRefused, Wish


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


def grant(wish: Wish, runs: Sequence[Run], *, now: Instant, token: str, fresh: RunId) -> Granted:
    """Choose the run and the end of a token: token <= run <= agent and purpose.

    The newest open run of this instance and purpose goes on, unless another was asked for or
    it has no second left.

    Args:
        wish: What was asked for and may be had.
        runs: The agent's runs.
        now: The time to judge at.
        token: The token's id.
        fresh: The id of the new run, if there is to be one.

    Raises:
        TokenRefused: unauthorized_client: the agent or the purpose ends within this second.
    """
    issued = Instant(now - now % SECOND)
    cap = min(wish.agent.not_after, wish.purpose.not_after)
    run = Run(
        run=fresh,
        instance=wish.instance,
        purpose=wish.purpose.purpose,
        opened=now,
        ends=Instant(min(now + wish.agent.max_run, cap)),
        token_expires=now,
    )
    own = [old for old in runs if old.instance == wish.instance and old.purpose == wish.purpose.purpose]
    for old in sorted(own, key=lambda each: (each.opened, each.run), reverse=True) if not wish.new_run else []:
        # max_run, the agent's or the purpose's end may have been brought forward since it was opened.
        going = replace(old, ends=Instant(min(old.ends, old.opened + wish.agent.max_run, cap)))
        if going.open(now) and _end(going, now) > issued:
            run = going
            break
    expires = _end(run, now)
    if expires <= issued:
        raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the agent, its purpose or its run ends now")
    run = replace(run, token_expires=max(run.token_expires, expires))
    return Granted(wish=wish, run=run, token=token, issued=issued, expires=expires)


def _end(run: Run, now: Instant) -> Instant:
    end = min(now + TOKEN_LIFETIME, run.ends)
    return Instant(end - end % SECOND)


def claims(granted: Granted, *, issuer: str) -> dict[str, Any]:
    """The claims of the access token (RFC 9068 section 2.2, RFC 9449 section 6.1, and Remit's own)."""
    wish, run = granted.wish, granted.run
    bound = {} if wish.jkt is None else {"cnf": {"jkt": wish.jkt}}
    return {
        "iss": issuer,
        "sub": wish.agent.agent,
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
        **bound,
    }


def answer(granted: Granted, access_token: str, *, echo: Sequence[Mapping[str, Any]], now: Instant) -> dict[str, Any]:
    """The body of the answer (RFC 6749 section 5.1, RFC 9449 section 5, RFC 9396 section 7)."""
    return {
        "access_token": access_token,
        "token_type": "Bearer" if granted.wish.jkt is None else "DPoP",
        "expires_in": max(0, (granted.expires - now) // SECOND),
        "scope": f"purpose:{granted.wish.purpose.purpose}",
        **({"authorization_details": [dict(each) for each in echo]} if echo else {}),
    }
