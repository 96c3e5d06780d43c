"""The router of what is no hot path: a path has one spelling."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from remit.server.rest import rest


@pytest.mark.parametrize(("path", "status"), [("/v1/thing", 200), ("/v1/thing/", 404)])
def test_no_client_is_sent_on_to_another_spelling(path: str, status: int) -> None:
    """Else a client would be led to say its secret a second time."""

    async def found(_request: Request) -> Response:
        return Response()

    app = rest([Route("/v1/thing", found, methods=["POST"])], otherwise=Response(status_code=404))
    with TestClient(app, follow_redirects=False) as client:
        assert client.post(path).status_code == status
