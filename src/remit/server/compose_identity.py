"""Who is calling: tokens, the ways in which clients show who they are, and the grants, put together."""

from __future__ import annotations

from collections.abc import Callable

from remit.agents.service import AgentService
from remit.audit.log import Log
from remit.keys.rotating import of_use
from remit.keys.rotation import TOKEN
from remit.server.client_methods import client_methods
from remit.server.consenting import Consenting
from remit.server.ground import Ground
from remit.server.proxies import networks_of
from remit.server.standing import ViewAccess, ViewStanding
from remit.server.state import dpop_nonces
from remit.server.trusting import Trusting
from remit.server.whoami import Whoami
from remit.tokens.check import TokenChecker
from remit.tokens.elsewhere import Elsewhere
from remit.tokens.grants.jwt_bearer import JwtBearer
from remit.tokens.grants.token_exchange import TokenExchange
from remit.tokens.nonce import Nonces
from remit.tokens.service import TokenService
from remit.tokens.status import TokenStatus


def revoked_in(ground: Ground) -> Callable[[str], bool]:
    """Whether a token, a run, or the key that signed a token is no longer to be trusted, by its id."""
    return lambda name: ground.revoked.has(name) or ground.keys.token_keys.distrusts(name)


def token_checker(ground: Ground) -> TokenChecker:
    """Checks the tokens of calls."""
    keys, revoked = ground.keys.token_keys, ground.revoked.has
    return TokenChecker(keys, issuer=ground.base, revoked=revoked, nonces=nonces_of(ground))


def nonces_of(ground: Ground) -> Nonces:
    """What a proof's nonce is judged by."""
    return dpop_nonces(ground.keys, ground.settings)


def token_service(ground: Ground, trusting: Trusting, consenting: Consenting) -> TokenService:
    """The token endpoint, with every client method and grant."""
    standing, base = ViewStanding(ground.facts.view), ground.base
    # Reads the tokens of those for whom others would act; it judges no call.
    reading = TokenChecker(ground.keys.token_keys, issuer=base, revoked=revoked_in(ground))
    return TokenService(
        issuer=base, keys=ground.keys.token_keys, standing=standing, writer=ground.database.writer,
        records=ground.records, clock=ground.clock, nonces=nonces_of(ground), elsewhere=_elsewhere(ground),
        clients=[
            *trusting.clients(standing, issuer=base), *client_methods(ground.settings, standing),
            *consenting.clients(reading),
        ],
        grants=[
            TokenExchange(standing, ViewAccess(ground.facts.view), reading, base),
            JwtBearer(standing, base, trusting.trusts, trusting.keys.for_kid, ground.records),
            *consenting.grants(),
        ],
    )  # fmt: skip


def _elsewhere(ground: Ground) -> Elsewhere:
    """Notices a key that is in use at two places."""
    writer, records = ground.database.writer, ground.records
    agents = AgentService(
        writer=writer, reader=ground.database.reader, records=records, data_keys=ground.keys, clock=ground.clock
    )
    together = networks_of(ground.settings.one_place, option="--one-place")
    return Elsewhere(writer=writer, records=records, signaller=agents, together=together)


def token_status(ground: Ground, checker: TokenChecker, tokens: TokenService) -> TokenStatus:
    """Introspection and revocation."""
    return TokenStatus(
        tokens=tokens, checker=checker, points=ground.gatekeeper, standing=ViewStanding(ground.facts.view),
        writer=ground.database.writer, records=ground.records, clock=ground.clock,
    )  # fmt: skip


def whoami(ground: Ground) -> Whoami:
    """Who a token speaks for."""
    return Whoami(
        log=Log(ground.database.reader, ground.keys), view=ground.facts.view, ended=revoked_in(ground),
        signers=lambda: of_use(ground.keys.records, TOKEN), clock=ground.clock,
    )  # fmt: skip
