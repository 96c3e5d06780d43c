from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.outbound.judge import Reach, reach
from remit.outbound.model import Endpoint, OutboundRefused, endpoint
from remit.outbound.rule import Rule, _is_mine

EVERYWHERE = "0.0.0.0"  # noqa: S104 - dialled, not bound
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:10.0.0.1",
]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    EVERYWHERE,
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::0.0.0.0",
    "2002:a9fe:a9fe::1",
    "2606:4700::5efe:169.254.169.254",
    "2001::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:808:808:0:0:5601:5601",
]


@pytest.mark.parametrize(
    ("address", "expected"),
    [*((a, Reach.PUBLIC) for a in PUBLIC), *((a, Reach.PRIVATE) for a in PRIVATE), *((a, Reach.NEVER) for a in NEVER)],
)
def test_how_far_an_address_reaches(address: str, expected: Reach) -> None:
    assert reach(address) is expected


@given(st.ip_addresses(v=4))
def test_no_spelling_of_an_address_reaches_less_than_it_does(address: IPv4Address) -> None:
    plain = reach(str(address))
    low = int(address)
    spellings = [
        int(IPv6Address("::ffff:0:0")) | low,
        int(IPv6Address("64:ff9b::")) | low,
        int(IPv6Address("::ffff:0:0:0")) | low,
        int(IPv6Address("2002::")) | low << 80,
        int(IPv6Address("2606:4700::5efe:0:0")) | low,
    ]
    assert all(reach(str(IPv6Address(spelling))) >= plain for spelling in spellings)


@given(st.ip_addresses())
def test_what_is_public_is_global(address: IPv4Address | IPv6Address) -> None:
    if reach(str(address)) is Reach.PUBLIC:
        assert address.is_global or (isinstance(address, IPv6Address) and address.ipv4_mapped is not None)


@pytest.mark.parametrize("text", ["127.1", "0177.0.0.1", "2130706433", "0x7f000001", "localhost", "①②⑦.0.0.1", ""])
def test_a_spelling_that_is_no_address_is_not_judged_as_one(text: str) -> None:
    with pytest.raises(ValueError, match="not appear to be"):
        reach(text)


LOCAL = Endpoint("127.0.0.1", 9101)


def _refused(rule: Rule, address: str, asked: Endpoint) -> bool:
    try:
        rule.check(address, asked)
    except OutboundRefused:
        return True
    return False


def test_a_private_address_is_for_the_very_host_and_port_that_was_written() -> None:
    rule = Rule({LOCAL}, ())
    assert not _refused(rule, "127.0.0.1", LOCAL)
    assert _refused(rule, "127.0.0.1", Endpoint("127.0.0.1", 9102))
    assert _refused(rule, "127.0.0.1", Endpoint("localhost", 9101))
    assert _refused(rule, "127.0.0.1", Endpoint("127.0.0.1.", 9101))


@pytest.mark.parametrize("address", NEVER)
def test_no_operator_can_allow_what_is_never_called(address: str) -> None:
    assert _refused(Rule({Endpoint(address, 80)}, ()), address, Endpoint(address, 80))


@pytest.mark.parametrize("own", ["127.0.0.1", EVERYWHERE, "::", "localhost", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_the_own_listener_is_never_called_even_if_allowed(own: str, address: str) -> None:
    asked = Endpoint("gateway.internal", 8700)
    rule = Rule({asked}, {(own, 8700)})
    assert _refused(rule, address, asked)
    assert not _refused(Rule({asked}, {(own, 8701)}), address, asked)


def test_another_machine_on_the_same_port_is_not_the_own_listener() -> None:
    asked = Endpoint("crm.internal", 8700)
    assert not _refused(Rule({asked}, {("127.0.0.1", 8700), ("::", 8700)}), "10.99.99.99", asked)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9101/mcp", ("127.0.0.1", 9101)),
        ("https://Example.TEST/mcp", ("example.test", 443)),
        ("http://example.test", ("example.test", 80)),
        ("http://[::ffff:127.0.0.1]:80/", ("::ffff:7f00:1", 80)),
        ("http://①②⑦.0.0.1/", ("127.0.0.1", 80)),
    ],
)
def test_the_endpoint_of_a_url(url: str, expected: tuple[str, int]) -> None:
    assert endpoint(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.test/",
        "file:///etc/passwd",
        "//example.test/",
        "example.test",
        "http:///path",
        "http://user@example.test/",
        "http://:pass@example.test/",
        "http://example.test\\@evil.test/",
        "http://example.test:99999/",
        "http://example.test:0/",
        "",
        "http://" + "a" * 5000,
    ],
)
def test_a_url_that_is_not_called(url: str) -> None:
    with pytest.raises(OutboundRefused):
        endpoint(url)


@pytest.mark.parametrize("own", [EVERYWHERE, "::"])
def test_a_listener_on_every_address_is_called_at_none_of_them(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's address on the network reaches it as loopback does."""
    asked, mine = Endpoint("gateway.internal", 8700), {"10.1.2.3", "203.0.113.7", "2001:db8::7"}
    monkeypatch.setattr("remit.outbound.rule._is_mine", mine.__contains__)
    rule = Rule({asked}, {(own, 8700)})
    for address in mine:
        assert _refused(rule, address, asked)
        assert not _refused(Rule({asked}, {(own, 8701)}), address, asked)
    assert not _refused(rule, "10.1.2.4", asked)


def test_an_address_is_this_machines_if_a_socket_can_be_bound_to_it() -> None:
    assert _is_mine("127.0.0.1")
    assert _is_mine("127.8.8.8")
    assert not _is_mine("203.0.113.7")
    assert not _is_mine("2001:db8::7")
