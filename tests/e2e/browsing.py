"""As much of a browser as the console's forms need."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

from tests.e2e.running import Home, Up, ok


class Browser:
    """One cookie, kept."""

    def __init__(self, base: str) -> None:
        self.base = urlsplit(base)
        self.cookie = ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of one answer."""
        connection = http.client.HTTPConnection(self.base.netloc, timeout=30)
        sent = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded", **headers}
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].partition(";")[0]
        connection.close()
        return answer.status, found, text

    def sign_in(self, link: str) -> tuple[int, dict[str, str], str]:
        """Follow a link that signs in."""
        parts = urlsplit(link)
        return self.ask("GET", f"{parts.path}?{parts.query}")


def link(home: Home, token: str = "") -> str:
    """A link that signs in who holds `token`, or the admin."""
    done = home.remit("console", "--json", env={"REMIT_TOKEN": token} if token else None)
    assert done.code == 0, done.err
    return str(done.json["url"])


def csrf(page: str) -> str:
    """The word of the session that a page was made for."""
    found = re.search(r'data-csrf="([^"]+)"', page)
    assert found is not None
    return found[1]


def signed_in(home: Home, up: Up, person: str, role: str) -> Browser:
    """A browser in which a new operator with that role has opened their link."""
    found = Browser(up.ready["api"])
    assert found.sign_in(link(home, ok(home.remit("operator", "token", person, "--role", role)).out.strip()))[0] == 303
    assert found.ask("GET", "/console")[0] == 200
    return found
