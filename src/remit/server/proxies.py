"""The proxies before this server whose word is taken for the client's certificate (RFC 9440), and nobody else's.

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

_LEAF, _CHAIN = b"client-cert", b"client-cert-chain"
_OURS: Final = frozenset({_LEAF, _CHAIN})


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Their addresses."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    def pass_on(self, scope: MutableMapping[str, Any]) -> None:
        """Take the certificate out of a request's headers, and keep it if the connection is a proxy's."""
        found = [(name.lower(), value) for name, value in scope["headers"] if name.lower() in _OURS]
        if found:
            scope["headers"] = [each for each in scope["headers"] if each[0].lower() not in _OURS]
        if self._trusts(scope.get("client")):
            # Also where it says nothing: what the proxy itself showed to us is not its client's.
            leaves, chains = (
                [value.decode("latin-1") for name, value in found if name == wanted] for wanted in (_LEAF, _CHAIN)
            )
            scope[SHOWN] = shown(leaves, chains)

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        if client is None:
            return False
        try:
            address = ip_address(client[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)


def trusted(addresses: Iterable[str]) -> TrustedProxies:
    """The proxies at these addresses or networks; with none of them no header is believed.

    Raises:
        ConfigInvalid: One is neither an address nor a network, or is everywhere.
    """
    networks = []
    for each in addresses:
        try:
            network = ip_network(each)
        except ValueError as error:
            raise ConfigInvalid(f"{each} is no address or network", try_="--trusted-proxy 10.0.0.5") from error
        if network.prefixlen == 0:
            raise ConfigInvalid(f"{each} is every address there is", try_="--trusted-proxy 10.0.0.5")
        networks.append(network)
    return TrustedProxies(tuple(networks))
