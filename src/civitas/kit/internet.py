"""Addresses and host names: which of them belong to the open internet."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

# RFC 6052 and RFC 8215: addresses that a translator turns into IPv4.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# All that was ever given out for global unicast; everything else is special in one way or another (RFC 4291, 6890).
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_SPECIAL: Final = (
    ipaddress.ip_network("2001::/23"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("3fff::/20"),
)
_ENDS_IN_NUMBER: Final = re.compile(r"(^|\.)(0[xX][0-9a-fA-F]*|[0-9]+)\.?$")
_PRIVATE_NAMES: Final = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "onion",
    "invalid",
    "test",
)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet (RFC 6890 and its kin say which do not).

    IPv6 that carries an IPv4 address (mapped, 6to4, Teredo, NAT64) is as public as the one it carries. A zone, as in
    `fe80::1%eth0`, is never public. Raises ValueError for what is no address.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip.scope_id is not None:
        return False
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(str(inner))
    return ip in _UNICAST and not any(ip in special for special in _SPECIAL)


def is_private_name(host: str) -> bool:
    """Whether a host, as it stands in an address, cannot be one of the open internet: without asking any resolver.

    IP addresses that are not public, numbers that a resolver would take for one, names without a dot, and names that are
    reserved for use within a network (RFC 6761 and 6762).
    """
    name = host.lower().rstrip(".")
    try:
        return not is_public(name.strip("[]"))
    except ValueError:
        pass
    if _ENDS_IN_NUMBER.search(name) or "." not in name:
        return True
    return any(name.endswith(f".{ending}") for ending in _PRIVATE_NAMES)
