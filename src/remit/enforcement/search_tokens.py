"""A page's token of a search: after which name it goes on, sealed for the very question and enforcement point.

Nothing is kept here for it, and it is of no use elsewhere. It is sealed, and not only signed, because the name behind
it may be one that was looked at and is no result: whoever asks hears nothing of that one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from remit.enforcement.authzen_search import Search
from remit.kernel.errors import IntegrityFailed, Malformed
from remit.keys import base64url
from remit.keys.seal import seal, unseal

LABEL: Final = "authzen/search"  # what the key is derived for


class Tokens:
    """Makes and reads page tokens.

    Args:
        key: 32 bytes, the same on every node.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, asked: Search, after: str, *, pep: str) -> str:
        """What goes on after a name."""
        sealed = seal(self._key, after.encode("utf-8"), aad=(LABEL, pep, _digest(asked)))
        return base64url.encode(sealed)

    def after(self, asked: Search, *, pep: str) -> str | None:
        """The name that a search goes on after; None at its beginning.

        Raises:
            Malformed: The token was not made here for this question of this enforcement point.
        """
        if asked.token is None:
            return None
        try:
            sealed = base64url.decode(asked.token)
            return unseal(self._key, sealed, aad=(LABEL, pep, _digest(asked))).decode("utf-8")
        except (ValueError, IntegrityFailed) as error:
            raise Malformed("page.token is not one of this search", try_="search again without a token") from error


def _digest(asked: Search) -> str:
    """What a token is bound to: what is searched for and everything that was sent; how many are wanted may change."""
    question, sent = asked.question, asked.question.sent
    said = [
        asked.gap.value, question.subject, question.action, question.resource, sent.subject, sent.action,
        sent.resource, sent.context,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode("ascii")).hexdigest()
