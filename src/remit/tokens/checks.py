"""The checks of a client_credentials request, each by its name (pure). The service says their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from remit.access.model import Purpose, PurposeState
from remit.agents.model import AgentState, SenderConstraint
from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.kernel.names import InstanceId
from remit.tokens.certificate import thumbprint
from remit.tokens.clients.ports import ClientMethod
from remit.tokens.details import details
from remit.tokens.form import one
from remit.tokens.grants.ports import Grant
from remit.tokens.model import AgentStanding, Asked, Form, OAuthError, TokenRefused, Wish
from remit.tokens.resources import audience

_SCOPE_PREFIX: Final = "purpose:"


def chosen_grant(form: Form, grants: Mapping[str, Grant]) -> Grant:
    """RFC 6749 section 5.2: the grant type is there, and is one of ours."""
    grant = one(form, "grant_type")
    if grant is None:
        raise TokenRefused(OAuthError.INVALID_REQUEST, "grant_type is missing")
    if grant not in grants:
        raise TokenRefused(OAuthError.UNSUPPORTED_GRANT_TYPE, f"the grant type is {' or '.join(sorted(grants))}")
    return grants[grant]


def chosen_method(asked: Asked, methods: Sequence[ClientMethod]) -> ClientMethod:
    """RFC 6749 section 2.3: one method for each request; two could name two clients."""
    tried = [method for method in methods if method.used(asked)]
    secret = "client_secret" in asked.form and not any(method.name == "client_secret_post" for method in tried)
    if secret or (asked.authorization is not None and not tried):
        known = ", ".join(sorted({method.name for method in methods}))
        raise TokenRefused(OAuthError.INVALID_CLIENT, f"clients authenticate with {known}")
    if not tried:
        raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="no client assertion")
    if len(tried) > 1 or (asked.authorization is not None and tried[0].name != "client_secret_basic"):
        raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="more than one method")
    return tried[0]


def check_client_id(form: Form, attested: Attested) -> None:
    """RFC 7521 section 4.2: a client_id, if sent, names the client that the assertion names."""
    if one(form, "client_id") not in (None, attested.client or attested.agent):
        raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="another client_id")


def check_method(attested: Attested, grant: Grant) -> None:
    """A way in that proves less than the grant asks for does not lead to it: no public client to a token of its own."""
    if attested.method not in grant.methods:
        raise _unauthorized(f"{attested.method} may not use {grant.type}")


def check_standing(standing: AgentStanding | None, *, now: Instant) -> AgentStanding:
    """No token for an agent that may make no call anyway: lifecycle, owner, end, freeze."""
    if standing is None:
        raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="the agent is gone")
    agent = standing.agent
    if agent.state is not AgentState.ACTIVE:
        raise _unauthorized(f"the agent is {agent.state.value}")
    if agent.not_after <= now:
        raise _unauthorized("the agent's registration has ended")
    if not standing.owner_active:
        raise _unauthorized("the agent's owner is not active")
    if standing.frozen:
        raise _unauthorized("the agent is frozen")
    return standing


def check_bound(standing: AgentStanding, *, jkt: str | None, x5t: str | None = None) -> None:
    """An agent that must hold a key has to prove it, with a proof or a connection; `none` may still bind its token."""
    constraint = standing.agent.sender_constraint
    if jkt is None and constraint is SenderConstraint.DPOP:
        raise TokenRefused(
            OAuthError.INVALID_DPOP_PROOF, "this agent's tokens are bound to a key: a DPoP proof is needed"
        )
    if x5t is None and constraint is SenderConstraint.MTLS:
        raise TokenRefused(
            OAuthError.INVALID_REQUEST, "this agent's tokens are bound to a certificate: ask on a connection with one"
        )


def requested_purpose(form: Form, standing: AgentStanding, *, now: Instant) -> Purpose:
    """The one purpose asked for, if it is active and the agent's own.

    One answer for all that is wrong with a name, so that the endpoint tells no agent which
    purposes exist. With no scope at all the agent's only purpose is meant (RFC 6749 section 3.3:
    a pre-defined default): stock MCP clients have no way to choose a scope of their own.
    """
    scope, named = one(form, "scope"), details(one(form, "authorization_details")).purpose
    own = standing.agent.purposes
    if scope is None:
        wanted = named if named is not None else (own[0] if len(own) == 1 else None)
    else:
        wanted = scope.removeprefix(_SCOPE_PREFIX) if scope.startswith(_SCOPE_PREFIX) else None
    if wanted is None or (named is not None and named != wanted):
        raise TokenRefused(OAuthError.INVALID_SCOPE, "the scope is exactly one purpose:NAME")
    for purpose in standing.purposes:
        if purpose.purpose == wanted and wanted in own:
            if purpose.state is PurposeState.ACTIVE and purpose.not_after > now:
                return purpose
            raise TokenRefused(OAuthError.INVALID_SCOPE, "the purpose is not active")
    raise TokenRefused(OAuthError.INVALID_SCOPE, "the purpose is not one of this agent's")


def own_purpose(standing: AgentStanding, wanted: str) -> Purpose:
    """A purpose by its name, if it is active and the agent's own. One answer for all that is wrong with a name."""
    found = next((each for each in standing.purposes if each.purpose == wanted), None)
    if found is None or wanted not in standing.agent.purposes or found.state is not PurposeState.ACTIVE:
        raise TokenRefused(OAuthError.INVALID_SCOPE, "the purpose is not one of this agent's")
    return found


def bound_certificate(standing: AgentStanding, certificate: bytes | None) -> str | None:
    """What the token is bound to by, for an agent whose tokens are bound to a certificate (RFC 8705 section 3)."""
    wanted = standing.agent.sender_constraint is SenderConstraint.MTLS
    return thumbprint(certificate) if wanted and certificate is not None else None


def own_instance(standing: AgentStanding, attested: Attested, *, jkt: str | None, x5t: str | None = None) -> InstanceId:
    """The running copy: by the key that it proved, else by what it authenticated with; neither is frozen.

    Asked again as the token is recorded: what was taken from the agent's document meanwhile gives no token.
    """
    if attested.credential not in standing.credentials:
        raise TokenRefused(
            OAuthError.INVALID_CLIENT, "client authentication failed", reason="the credential is not registered"
        )
    if attested.credential in standing.frozen_credentials:
        raise _unauthorized("the client key is frozen")
    instance = InstanceId(jkt or x5t or attested.credential)
    if instance in standing.frozen_instances:
        raise _unauthorized("the instance is frozen")
    return instance


def wish(
    form: Form, *, attested: Attested, jkt: str | None, standing: AgentStanding | None, base: str, now: Instant,
    certificate: bytes | None = None,
) -> Wish:  # fmt: skip
    """All checks that follow authentication, in their order.

    Raises:
        TokenRefused: The first that fails.
    """
    # (1) The agent may have tokens at all. (2) It proved the key it must prove.
    sure = check_standing(standing, now=now)
    x5t = bound_certificate(sure, certificate)
    check_bound(sure, jkt=jkt, x5t=x5t)
    # (3) The purpose. (4) Where the token will be used.
    purpose = requested_purpose(form, sure, now=now)
    where = audience(
        form.get("resource", ()), base=base, exactly_one=sure.agent.sender_constraint is SenderConstraint.NONE
    )
    # (5) The client key, and this running copy.
    instance = own_instance(sure, attested, jkt=jkt, x5t=x5t)
    return Wish(
        agent=sure.agent,
        purpose=purpose,
        instance=instance,
        credential=attested.credential,
        audience=where,
        jkt=jkt,
        new_run=details(one(form, "authorization_details")).new_run,
        x5t=x5t,
    )


def _unauthorized(description: str) -> TokenRefused:
    return TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, description)
