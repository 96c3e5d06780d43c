"""Which addresses may be dialled (pure). Names and spellings do not matter here: only the address dialled does.

`ipaddress.is_global` is not enough: it calls the NAT64 form of loopback global, and knows no
tunnels and no metadata services. So an address is judged with every IPv4 address it embeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address


class Reach(IntEnum):
    """How far an address reaches; the highest of an address and what it embeds counts."""

    PUBLIC = 0
    PRIVATE = (
        1  # private, loopback, documentation, benchmarks, ...: only where an operator wrote the very host and port
    )
    NEVER = 2  # metadata services, link-local, unspecified, multicast, broadcast


_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # most clouds (link-local besides)
            "169.254.170.2",  # container credentials
            "168.63.129.16",  # a host agent on a public address
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:42::42",
        ),
    )
)
_NEVER = tuple(
    map(
        IPv6Network,
        (
            "::/128",
            "fe80::/10",
            "fec0::/10",  # site-local, withdrawn (RFC 3879): its meaning depends on the machine
            "ff00::/8",
        ),
    )
)
_NEVER_4 = tuple(map(IPv4Network, ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32")))
# Global by some tables, but not somewhere a call should end up.
_PRIVATE = tuple(
    map(
        IPv6Network,
        (
            "::/96",  # IPv4-compatible, withdrawn
            "64:ff9b:1::/48",  # local-use NAT64 (RFC 8215)
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
        ),
    )
)
_PRIVATE_4 = tuple(
    map(IPv4Network, ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"))
)

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # SIIT (RFC 2765)
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 section 6.1


@lru_cache(maxsize=4096)
def reach(address: str) -> Reach:
    """How far the literal `address` (a zone is ignored) reaches.

    Raises:
        ValueError: Not an IPv4 or IPv6 address in its plain spelling.
    """
    return max(_reach(each) for each in unwrapped(ip_address(address.partition("%")[0])))


def unwrapped(address: Address) -> Iterator[Address]:
    """The address, and each IPv4 address that a tunnel or translator would take out of it."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in (_NAT64, _TRANSLATED)) or (address in _COMPATIBLE and low > 1):
        yield IPv4Address(low)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(low)


def plain(address: str) -> Address:
    """The address, as IPv4 where it is an IPv4-mapped one, without its zone."""
    parsed = ip_address(address.partition("%")[0])
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def _reach(address: Address) -> Reach:
    if address in _METADATA:
        return Reach.NEVER
    if isinstance(address, IPv4Address):
        if any(address in network for network in _NEVER_4):
            return Reach.NEVER
        return Reach.PRIVATE if any(address in n for n in _PRIVATE_4) or not address.is_global else Reach.PUBLIC
    if any(address in network for network in _NEVER):
        return Reach.NEVER
    if address.ipv4_mapped is not None or address in _NAT64 or address in _TRANSLATED:
        return Reach.PUBLIC  # nothing by itself: the embedded address decides
    return Reach.PRIVATE if any(address in n for n in _PRIVATE) or not address.is_global else Reach.PUBLIC
