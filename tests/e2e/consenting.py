"""An agent that a client may act as, and a person at a browser who is asked whether it may."""

from __future__ import annotations

import html
import http.client
import re
from urllib.parse import urlencode, urlsplit

from tests.e2e.running import AGENT, PATIENCE

EDITOR = (
    AGENT.replace("sender_constraint: dpop", "sender_constraint: none").partition("attest:")[0]
    + """\
attest:
  - client_metadata: {client_id: my-editor, redirect_uris: ["http://127.0.0.1/callback"], name: My editor}
"""
)


class Person:
    """A person at a browser: follows redirects, keeps cookies by their path, posts the form of the page."""

    def __init__(self, base: str) -> None:
        self.base, self.cookie = base, ""

    def sign_in(self, url: str) -> None:
        status, headers, _ = self._send("GET", url)
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]

    def open(self, url: str) -> tuple[int, dict[str, str], str]:
        """Follow what is Remit's own; the first answer that is a page, or leads elsewhere."""
        for _ in range(5):
            status, headers, body = self._send("GET", url)
            where = headers.get("location", "")
            if status != 303 or not where.startswith(self.base):
                return status, headers, body
            url = where
        raise AssertionError("it goes round")

    def answer(self, page: str, word: str) -> str:
        """Press a button of the page; where the browser is sent."""
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
        form = {name: html.unescape(value) for name, value in fields.items()} | {"answer": word}
        status, headers, body = self._send("POST", f"{self.base}/console/authorize", urlencode(form))
        assert status == 303, body
        return headers["location"]

    def _send(self, method: str, url: str, body: str | None = None) -> tuple[int, dict[str, str], str]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
        headers = {"cookie": self.cookie} if self.cookie and parts.path.startswith("/console") else {}
        if body is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": self.base}
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        text = answer.read().decode()
        connection.close()
        return answer.status, found, text
