from dataclasses import dataclass, replace
from typing import Any

import pytest

from remit.catalog.model import Server
from remit.catalog.ports import Unreached
from remit.kernel.names import ServerName
from remit.outbound.model import Endpoint
from remit.server.reach import Reach

CRM = Server(
    server=ServerName("crm"), url="http://127.0.0.1:9101/mcp", credential=None, tiers=(), review="quarantine", tools={},
    set_pin="",
)  # fmt: skip


@dataclass
class Out:
    allow: frozenset[Endpoint] = frozenset()


@dataclass
class Seeing:
    out: Out
    seen: frozenset[Endpoint] = frozenset()

    def list_tools(self, _server: Server) -> list[dict[str, Any]]:
        self.seen = self.out.allow
        raise Unreached("no answer")


def test_only_what_is_registered_is_open() -> None:
    out, servers = Out(), [CRM]
    reach = Reach(out, lambda: servers)
    reach.renew()
    assert out.allow == {("127.0.0.1", 9101)}
    servers.clear()
    reach.follow(2, ("agent:a",), None)  # type: ignore[arg-type]  # the connection is not used
    assert out.allow
    reach.follow(3, ("server:crm",), None)  # type: ignore[arg-type]  # as above
    assert out.allow == frozenset()


def test_a_server_that_is_being_applied_is_open_while_it_is_asked() -> None:
    out = Out()
    lister = Seeing(out)
    with pytest.raises(Unreached):
        Reach(out, list, lister).list_tools(CRM)
    assert lister.seen == {("127.0.0.1", 9101)}
    assert out.allow == frozenset()


def test_a_url_that_is_none_opens_nothing() -> None:
    out = Out()
    with pytest.raises(Unreached):
        Reach(out, list, Seeing(out)).list_tools(replace(CRM, url="file:///etc/passwd"))
    assert out.allow == frozenset()


def test_what_an_operator_declared_is_open_for_as_long_as_it_is_declared() -> None:
    out, declared = Out(), [Endpoint("crm.example", 443)]
    reach = Reach(out, list, written=lambda: declared)
    reach.renew()
    assert out.allow == {("crm.example", 443)}
    declared.clear()
    reach.follow(2, ("systems",), None)  # type: ignore[arg-type]  # the connection is not used
    assert out.allow == frozenset()
