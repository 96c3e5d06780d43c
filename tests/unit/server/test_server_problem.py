import inspect
import json

import pytest

from remit.kernel import errors
from remit.server import problem


def test_every_error_has_its_status() -> None:
    codes = {
        kind.code for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RemitError)
    }
    at_start_only = {"keyfile_missing", "keyfile_unsafe", "keyfile_wrong"}
    assert codes - at_start_only <= set(problem.STATUS)


def test_private_detail_stays_private() -> None:
    response = problem.of(errors.Conflict("changed meanwhile", detail="host 10.0.0.7", try_="ask again"))
    body = json.loads(bytes(response.body))
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert body["code"] == "conflict"
    assert body["title"] == "changed meanwhile"
    assert body["try"] == "ask again"
    assert b"10.0.0.7" not in bytes(response.body)


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (errors.Unauthenticated("no"), "www-authenticate"),
        (errors.Overloaded("busy"), "retry-after"),
        (errors.StorageUnavailable("gone"), "retry-after"),
    ],
)
def test_headers_that_clients_need(error: errors.RemitError, header: str) -> None:
    assert header in problem.of(error).headers
