"""The CLI's HTTP client: standard library only, no redirects, no proxies from the environment."""

from __future__ import annotations

import http.client
import os
from typing import Any
from urllib.parse import quote, urlsplit

from remit.cli.locate import Target, Unreachable, find
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import Malformed, RemitError

_TIMEOUT = 120.0  # an apply may try several servers for 10 s each


class Refused(RemitError):
    """The server answered with a problem; `problem` is its body."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(
            str(problem.get("title") or problem["code"]),
            detail=str(problem.get("detail") or ""),
            try_=str(problem.get("try") or ""),
        )
        self.problem = problem


class Api:
    """One server, spoken to with one token, perhaps as a person (`--as`, only under `--dev`).

    With `proof`, made for one request, the token is one that is bound to a key (RFC 9449 section 7.1).
    """

    def __init__(self, target: Target, *, as_: str | None = None, proof: str | None = None) -> None:
        parts = urlsplit(target.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Malformed("REMIT_URL is not an http(s) URL", detail=target.url)
        self._parts = parts
        self._headers = {"Accept": "application/json", "User-Agent": "remit-cli"}
        if target.token:
            self._headers["Authorization"] = f"{'Bearer' if proof is None else 'DPoP'} {target.token}"
        if proof is not None:
            self._headers["DPoP"] = proof
        if as_:
            self._headers["Remit-Act-As"] = as_

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """GET, as JSON."""
        return parse(self.raw("GET", path)[1])

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON value
        """POST JSON, answer as JSON."""
        return parse(self.raw("POST", path, body=encode(body), media="application/json")[1])

    def delete(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """DELETE, answer as JSON."""
        return parse(self.raw("DELETE", path)[1])

    def raw(
        self, method: str, path: str, *, body: bytes | None = None, media: str = "", ok: tuple[int, ...] = ()
    ) -> tuple[int, bytes]:
        """Send one request; return status and body of a 2xx (or `ok`) answer.

        Raises:
            Unreachable: Nothing answers there.
            Refused: It answered with an error.
        """
        headers = {**self._headers, **({"Content-Type": media} if media else {})}
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=_TIMEOUT)
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, body=body, headers=headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"no answer from {self._parts.scheme}://{self._parts.netloc}",
                detail=str(error) or type(error).__name__,
                try_="remit up",
            ) from error
        finally:
            connection.close()
        if http.client.OK <= status < http.client.MULTIPLE_CHOICES or status in ok:
            return status, answer
        raise Refused(_problem(status, answer))


def _problem(status: int, body: bytes) -> dict[str, Any]:
    try:
        problem = parse(body)
    except Malformed:
        problem = None
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return problem
    return {
        "code": "unexpected",
        "title": f"the server answered {status}",
        "detail": "this is not an answer of Remit: another program may listen there",
        "try": "remit doctor",
    }


def connect(as_: str | None = None) -> Api:
    """The server that the environment names, or the local one."""
    return Api(find(os.environ), as_=as_)


def segment(name: str) -> str:
    """`name` as one segment of a path."""
    return quote(name, safe="")
