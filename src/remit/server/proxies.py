"""The proxies before this server whose word is taken for the client's certificate (RFC 9440) and address.

A certificate in a header proves nothing by itself: anybody can copy one. What counts is that the connection comes
from a proxy that ended the TLS connection, saw the client prove the key, and overwrites whatever the client wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid
from remit.tokens.certificate import SHOWN, shown
from remit.tokens.client_address import CLIENT, forwarded

_LEAF, _CHAIN = b"client-cert", b"client-cert-chain"
_OURS: Final = frozenset({_LEAF, _CHAIN})
_HEARD: Final = b"x-forwarded-for"


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Their addresses."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    def pass_on(self, scope: MutableMapping[str, Any]) -> None:
        """Take the certificate out of a request's headers, and keep it if the connection is a proxy's."""
        found = [(name.lower(), value) for name, value in scope["headers"] if name.lower() in _OURS]
        if found:
            scope["headers"] = [each for each in scope["headers"] if each[0].lower() not in _OURS]
        client = scope.get("client")
        if client is not None and self._ours(client[0]):
            # Also where it says nothing: what the proxy itself showed to us is not its client's.
            leaves, chains = (
                [value.decode("latin-1") for name, value in found if name == wanted] for wanted in (_LEAF, _CHAIN)
            )
            scope[SHOWN] = shown(leaves, chains)
            said = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == _HEARD]
            scope[CLIENT] = forwarded(said, ours=self._ours)

    def _ours(self, client: str) -> bool:
        try:
            address = ip_address(client)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)


def trusted(addresses: Iterable[str]) -> TrustedProxies:
    """The proxies at these addresses or networks; with none of them no header is believed.

    Raises:
        ConfigInvalid: One is neither an address nor a network, or is everywhere.
    """
    return TrustedProxies(networks_of(addresses, option="--trusted-proxy"))


def networks_of(addresses: Iterable[str], *, option: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks as an operator wrote them behind `option`.

    Raises:
        ConfigInvalid: One is neither an address nor a network, or is everywhere.
    """
    networks = []
    for each in addresses:
        try:
            network = ip_network(each)
        except ValueError as error:
            raise ConfigInvalid(f"{each} is no address or network", try_=f"{option} 10.0.0.5") from error
        if network.prefixlen == 0:
            raise ConfigInvalid(f"{each} is every address there is", try_=f"{option} 10.0.0.5")
        networks.append(network)
    return tuple(networks)
