"""AWS's Query interface over HTTP, asked for IAM and STS with requests that are signed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed
from remit.vault.model import Material
from remit.vault.outgoing import Outgoing
from remit.vault.rotator import Answered, Refused, Send, Unclear
from remit.vault.rotators.aws_xml import Element, read
from remit.vault.sigv4 import signed

_VERSION: Final = {"iam": "2010-05-08", "sts": "2011-06-15"}
_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
_BUSY: Final = frozenset(
    {
        "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown",
        "EntityTemporarilyUnmodifiable", "ConcurrentModification", "ServiceUnavailable", "InternalFailure",
    }
)  # fmt: skip
"""Codes that mean later, whatever their status (IAM and STS API references, common errors)."""


class SaidNo(Refused):
    """AWS refused; its code says why."""

    def __init__(self, action: str, code: str) -> None:
        super().__init__(f"{action}: {code}")
        self.why = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One service at one address. `region`: that its signatures name."""

    send: Send
    clock: Clock
    url: str
    service: str
    region: str

    async def ask(self, key: Material, action: str, fields: Mapping[str, str]) -> Element:
        """What is in the result of an action, asked with an access key.

        Raises:
            SaidNo: AWS refused, with a code.
            Refused: The key has no id.
            Unclear: No answer, or none of AWS's; or it says that it will be otherwise.
        """
        key_id = key.attributes.get("access_key_id", "")
        if not key_id:
            raise Refused("what should sign has no attribute access_key_id")
        form = {"Action": action, "Version": _VERSION[self.service], **fields}
        target = urlsplit(self.url)
        request = Outgoing(
            method="POST", host=target.netloc, path=target.path or "/", query="",
            headers={"Content-Type": _FORM}, body=urlencode(form).encode(),
        )  # fmt: skip
        added = signed(
            request, key.value.reveal(), access_key_id=key_id, region=self.region, service=self.service,
            now=self.clock.now(),
        )  # fmt: skip
        return _result(action, await self.send("POST", self.url, {**request.headers, **added}, request.body))


def _result(action: str, answer: Answered) -> Element:
    """The result, if the answer is one of that action."""
    try:
        said = read(answer.body)
    except Malformed:
        raise Unclear(f"{action}: HTTP {answer.status} without an answer of AWS's") from None
    if answer.status == HTTPStatus.OK and said.name == f"{action}Response":
        # An action that has nothing to say has no result.
        return said.one(f"{action}Result") or Element(f"{action}Result")
    code = said.say("Error", "Code") or said.say("Errors", "Error", "Code")  # the latter, of services like EC2
    plain = code.isascii() and code.isalnum()
    if said.name != "ErrorResponse" or not plain or code in _BUSY or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unclear(f"{action}: HTTP {answer.status}{f' {code[:64]}' if plain else ''}")
    raise SaidNo(action, code[:64])
