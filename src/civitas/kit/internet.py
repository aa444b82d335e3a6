"""Addresses and host names: which of them belong to the open internet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

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
LONGEST_URL: Final = 2_048
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


def call_trouble(url: Any, *, own_hosts: Collection[str] = ()) -> str | None:
    """What is wrong with an address that others want called, as a sentence; None when it may be tried.

    `own_hosts` are the operator's own, in small letters: they may be private and plain. What a name means is judged
    anew by whoever sends.
    """
    if not isinstance(url, str) or not url or len(url) > LONGEST_URL or not url.isascii():
        return f"An address of at most {LONGEST_URL} plain characters is needed."
    if any(not 0x21 <= ord(letter) <= 0x7E for letter in url):
        return "The address holds a space or a control character."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "This is no address."
    if not host or parts.username is not None or parts.password is not None:
        return "The address needs a host and no user name or password."
    if host.lower() in own_hosts and parts.scheme in ("http", "https"):
        return None
    if parts.scheme != "https":
        return "Only https addresses are called."
    if is_private_name(host):
        return "This address leads into a private network and is refused."
    return None
