"""E-mail addresses: their form, how they are compared, and which domains are not welcome."""

from __future__ import annotations

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import BlocklistEntry
from civitas.kit.errors import Invalid

LONGEST = 254
# Names that only mean something inside a machine or a private network (RFC 6761, RFC 6762).
_PRIVATE = re.compile(
    r"(?=.{1,200}$)(localhost|([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(local|localhost|test))", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it is written, and as it is compared."""

    written: str
    folded: str

    @property
    def domain(self) -> str:
        """The part after the @, folded."""
        return self.folded.rpartition("@")[2]


def read(text: str) -> Address:
    """An address from what a person typed; nothing is looked up.

    RFC 5321 lengths and RFC 6531 letters by email-validator. Private domains such as `studio.local` are
    allowed, because instances live in private networks. Raises Invalid (`bad_email`).
    """
    name, _, private = text.strip().rpartition("@")
    private = private.lower() if _PRIVATE.fullmatch(private.lower()) else ""
    try:
        if len(text) > LONGEST + 64:
            raise EmailNotValidError
        # The library refuses private domains as such; their names are judged beside a public one.
        asked = f"{name}@example.org" if private else text.strip()
        found = validate_email(asked, check_deliverability=False)
    except EmailNotValidError:
        told = "This is not an e-mail address that mail can be sent to."
        raise Invalid(told, code="bad_email", fields={"email": told}) from None
    domain = private or found.ascii_domain.lower()
    return Address(f"{found.local_part}@{private or found.domain}", f"{found.local_part.lower()}@{domain}")


async def check_welcome(session: AsyncSession, address: Address) -> None:
    """Raise Invalid (`email_domain_blocked`) when the domain, or one above it, is on the blocklist."""
    labels = address.domain.split(".")
    above = [".".join(labels[start:]) for start in range(len(labels))]
    blocked = await session.scalar(
        select(BlocklistEntry.id)
        .where(BlocklistEntry.kind == "email_domain", BlocklistEntry.value.in_(above))
        .limit(1)
    )
    if blocked is not None:
        told = "Addresses of this mail provider cannot be used here; use another one."
        raise Invalid(told, code="email_domain_blocked", fields={"email": told})
