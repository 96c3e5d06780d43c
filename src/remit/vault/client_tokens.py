"""Access tokens that Remit gets for an API with its own client secret (RFC 6749 section 4.4)."""

from __future__ import annotations

from remit.catalog.injection import OauthClient
from remit.kernel.clock import Clock
from remit.keys.secret import Secret
from remit.vault import token_endpoint
from remit.vault.held_tokens import Held, HeldTokens
from remit.vault.token_endpoint import Client, Post

Key = tuple[OauthClient, int]


class ClientTokens:
    """Gets and keeps tokens. Belongs to one event loop.

    Args:
        post: Sends a form to a token endpoint; status and body of the answer. Raises RemitError.
        clock: For their ends.
    """

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self._held: HeldTokens[Key] = HeldTokens(clock)

    async def get(self, credential: OauthClient, secret: Secret, version: int) -> Held:
        """A token that is good now. `version`: of the secret; with a new one, older tokens are forgotten.

        Raises:
            SecretUnavailable: The token endpoint gives none.
        """
        return await self._held.get((credential, version), lambda: self._ask(credential, secret, version))

    def refused(self, credential: OauthClient, version: int, held: object) -> bool:
        """An API did not take a token; whether another one is worth a try."""
        return self._held.refused((credential, version), held)

    async def _ask(self, credential: OauthClient, secret: Secret, version: int) -> Held:
        form = {"grant_type": "client_credentials"} | ({"scope": credential.scope} if credential.scope else {})
        asked = self._clock.now()
        client = Client(client_id=credential.client_id, secret=secret)
        given = await token_endpoint.ask(self._post, credential.token_url, client, form)
        self._held.forget(lambda key: key[0] == credential and key[1] != version)
        return Held.of(given.access, asked=asked, seconds=given.seconds)
