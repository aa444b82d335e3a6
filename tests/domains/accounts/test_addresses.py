"""E-mail addresses."""

from __future__ import annotations

import pytest

from civitas.domains.accounts import addresses
from civitas.kit.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "written", "folded"),
    [
        (" Ada@Example.ORG ", "Ada@example.org", "ada@example.org"),
        ("a.b+c@example.org", "a.b+c@example.org", "a.b+c@example.org"),
        ("root@localhost", "root@localhost", "root@localhost"),
        ("Me@Studio.LOCAL", "Me@studio.local", "me@studio.local"),
        ("x@mail.test", "x@mail.test", "x@mail.test"),
        ("post@bücher.example", "post@bücher.example", "post@xn--bcher-kva.example"),
    ],
)
def test_what_is_written_and_what_is_compared(typed: str, written: str, folded: str) -> None:
    assert addresses.read(typed) == addresses.Address(written, folded)


@pytest.mark.parametrize(
    "typed",
    ["@localhost", "a b@localhost", "a\n@localhost", "x@-.local", "x@.local", "x@[127.0.0.1]", "x@localhost\0",
     '"a b"@example.org', "x@example", "x@y.invalid", "é" * 300 + "@example.org"],
)  # fmt: skip
def test_what_is_no_address(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        addresses.read(typed)
    assert caught.value.code == "bad_email"
