"""What is loaded with its first request: once, off the event loop, and as if it had always been there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from remit.kernel.errors import NotFound
from remit.server.later import Later, answered_by
from remit.server.rest import rest


def here(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


def there(_: Request) -> PlainTextResponse:
    return PlainTextResponse("there")


def missing(_: Request) -> PlainTextResponse:
    raise NotFound("there is no such thing")


def broken(_: Request) -> PlainTextResponse:
    raise ValueError("a surprise")


class Made:
    """Counts how often it is made, and by which threads; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.threads: list[threading.Thread] = []

    def __call__(self) -> ASGIApp:
        self.threads.append(threading.current_thread())
        if len(self.threads) <= self.failures:
            raise ImportError("a part is missing")
        return Router([Route("/there", there), Route("/missing", missing), Route("/broken", broken)])


def client(made: Made) -> TestClient:
    app = rest([Route("/here", here)], otherwise=answered_by(Later(made)))
    return TestClient(app, raise_server_exceptions=False)


def test_it_is_made_with_the_first_request_for_it_and_once() -> None:
    made = Made()
    asking = client(made)
    assert asking.get("/here").text == "here"
    assert made.threads == []
    assert [asking.get("/there").text for _ in range(3)] == ["there"] * 3
    assert len(made.threads) == 1


def test_it_is_made_on_a_thread_that_answers_nobody_meanwhile() -> None:
    made, loop = Made(), list[threading.Thread]()

    async def on_the_loop(_: Request) -> PlainTextResponse:
        loop.append(threading.current_thread())
        return PlainTextResponse("")

    app = rest([Route("/loop", on_the_loop)], otherwise=answered_by(Later(made)))
    with TestClient(app) as asking:  # one event loop for both requests
        asking.get("/loop")
        asking.get("/there")
    assert made.threads
    assert made.threads != loop


def test_many_who_ask_at_once_get_the_same() -> None:
    begun = threading.Barrier(8)
    later = Later(object)

    def ask(_: int) -> object:
        begun.wait(timeout=30)
        return later.load()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


def test_what_could_not_be_loaded_is_tried_again() -> None:
    made = Made(failures=1)
    asking = client(made)
    assert asking.get("/there").status_code == 500
    assert asking.get("/there").text == "there"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/here", 405, "method_not_allowed"),
        ("POST", "/there", 405, "method_not_allowed"),
        ("GET", "/missing", 404, "not_found"),
        ("GET", "/broken", 500, "unexpected"),
    ],
)
def test_an_error_looks_the_same_wherever_its_path_is(method: str, path: str, status: int, code: str) -> None:
    answer = client(Made()).request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
