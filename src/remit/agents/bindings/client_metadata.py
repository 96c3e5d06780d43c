"""`client_metadata` (pure): an OAuth client that a person lets act as this agent, in the browser.

    attest: [{client_metadata: {url: https://client.example/metadata.json}}]
    attest: [{client_metadata: {client_id: my-editor, redirect_uris: ["http://127.0.0.1/callback"]}}]

The first is a Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document-01): its URL is the client's
id. The second says here what a client without such a document would say there. Neither holds a secret: it is the
person's consent, and the proof key of the request (PKCE), that let a client in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from remit.agents.binding import READERS, Binding
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.people import document
from remit.people.document import Fields

METHOD: Final = "client_metadata"
_MOST_REDIRECTS: Final = 20
_MOST: Final = 2000  # characters of a URL
# RFC 3986: what may stand in a URL, with a percent sign only before two hex digits; never a backslash or a space.
_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})+\Z")
_AUTHORITY: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?"
_CLIENT_URL: Final = re.compile(rf"https://{_AUTHORITY}(/[^?#]*)(?:\?[^#]*)?\Z")
_WEB: Final = re.compile(rf"(https?)://({_AUTHORITY})(?:[/?].*)?\Z")
_LOOPBACK_HOSTS: Final = re.compile(r"(?:127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{1,5})?\Z")
_PRIVATE_USE: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/.*\Z")
_LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:[/?].*)?)\Z")
_DOTS: Final = frozenset({".", ".."})
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/-]{0,199}\Z")


def client_url(text: object) -> str:
    """A client's id that is the URL of its metadata (section 3 of the draft).

    Raises:
        Malformed: Not https, without a path, or with a fragment, a user or a dot segment.
    """
    if not isinstance(text, str) or len(text) > _MOST or not _CHARACTERS.match(text):
        raise Malformed("the URL of a client's metadata is an https URL")
    match = _CLIENT_URL.match(text)
    if match is None:
        raise Malformed("the URL of a client's metadata is https://HOST/PATH, without a user or a fragment")
    segments = re.sub("%2e", ".", match[1], flags=re.IGNORECASE).split("/")
    if match[1] == "/" or _DOTS & set(segments):
        raise Malformed("the URL of a client's metadata has a path, and no . or .. in it")
    return text


def redirect_uri(text: object) -> str:
    """Where an answer may be sent: https, loopback http, or a private-use scheme with a dot (RFC 8252 section 7).

    Raises:
        Malformed: It is none of these; with a scheme such as `javascript` a browser would run what it is sent.
    """
    if not isinstance(text, str) or len(text) > _MOST or not _CHARACTERS.match(text):
        raise Malformed("a redirect URI is an absolute URI without a fragment")
    web = _WEB.match(text)
    if web is not None and (web[1] == "https" or _LOOPBACK_HOSTS.match(web[2])):
        return text
    if web is None and _PRIVATE_USE.match(text):
        return text
    raise Malformed(
        "a redirect URI is https, http to 127.0.0.1, [::1] or localhost, or has a scheme like com.example.app"
    )


def redirect_fits(asked: str, registered: str) -> bool:
    """Whether an answer may go to `asked` where `registered` was registered.

    They are equal, character by character (RFC 9700 section 4.1.3: a prefix or pattern would open a way to another
    page). On a loopback address alone the port is whatever the system gave the client (RFC 8252 section 7.3); this
    is not said of the name `localhost` (section 8.3).
    """
    if asked == registered:
        return True
    mine, theirs = _LOOPBACK.match(asked), _LOOPBACK.match(registered)
    if mine is None or theirs is None or not _CHARACTERS.match(asked):
        return False
    return (mine[1], mine[2]) == (theirs[1], theirs[2])


def client_of(binding: Binding) -> str | None:
    """The client_id that a binding lets in; None of another method."""
    if binding.method != METHOD:
        return None
    found: str = binding.said.get("url") or binding.said["client_id"]
    return found


def read(value: object) -> Mapping[str, Any]:
    """The conditions of one `client_metadata`.

    Raises:
        SpecInvalid: It has problems.
    """
    fields = Fields(value, known={"url", "client_id", "redirect_uris", "name"})
    if fields.has("url"):
        found: dict[str, Any] = {"url": fields.take("url", client_url)}
        for other in ("client_id", "redirect_uris", "name"):
            if fields.has(other):
                fields.problem(other, "the document at the URL says it")
    else:
        found = {
            "client_id": fields.take("client_id", _client_id),
            "redirect_uris": list(
                fields.take("redirect_uris", document.distinct(document.items(redirect_uri, most=_MOST_REDIRECTS)))
                or ()
            ),
        }
        if fields.has("name"):
            found["name"] = fields.take("name", document.text(most=100))
    fields.finish()
    return found


def _client_id(value: object) -> str:
    if not isinstance(value, str) or not _CLIENT_ID.match(value):
        raise Malformed("a client_id has 1 to 200 of the characters A-Z a-z 0-9 . _ ~ : / -")
    if value.lower().startswith(("https:", "http:")):
        raise ConfigInvalid("a client_id that is a URL is said as url: its document is read from there")
    return value


READERS[METHOD] = read
