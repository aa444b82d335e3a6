"""Which addresses and names belong to the open internet."""

from __future__ import annotations

import pytest

from civitas.kit.internet import is_private_name, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
        "64:ff9b:1::1", "64:ff9b::7f00:1", "::127.0.0.1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe", "fe80::1%eth0", "2606:4700:4700::1111%eth0", "::ffff:0:127.0.0.1",
    ],
)  # fmt: skip
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost.", "LOCALHOST", "api.localhost", "printer.local", "db.internal", "intranet", "127.0.0.1",
        "[::1]", "::ffff:127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "10.0.0.5.", "x.test", "a.1",
    ],
)  # fmt: skip
def test_names_that_cannot_be_public(host: str) -> None:
    assert is_private_name(host)


@pytest.mark.parametrize(
    "host", ["example.org", "hooks.example.org.", "1.1.1.1", "[2606:4700::1111]", "a1.example"]
)
def test_names_that_may_be_public(host: str) -> None:
    assert not is_private_name(host)
