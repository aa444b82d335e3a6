"""Becoming a member."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonJoined, PersonVerified
from civitas.domains.accounts import addresses, hashing, mail_links, sessions, signing_in, usernames
from civitas.domains.accounts.addresses import Address
from civitas.domains.accounts.mail_links import Purpose
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.signing_in import SecondStep
from civitas.domains.accounts.tables import MailToken, Person
from civitas.domains.accounts.types import Actor, Role
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid
from civitas.kit.ids import digest


async def sign_up(
    session: AsyncSession, *, username: str, email: str, password: str | None, visitor: str = ""
) -> None:
    """Ask to join. Whether the address is free or has an account, the answer is this same None.

    A free address gets a link for `confirm`; an address that has an account gets a mail that says so. Nothing
    exists before the link is used, so no name can be squatted and no taken address found out. `visitor` is a
    secret of this browser's cookie: `confirm` in the same browser then needs no password. A `password` of None
    makes an account that signs in by mailed links.

    Raises Invalid (`bad_username`, `username_reserved`, `bad_email`, `email_domain_blocked`, `weak_password`)
    and Conflict (`username_taken`): names are public, addresses are not.
    """
    address = addresses.read(email)
    await addresses.check_welcome(session, address)
    await usernames.check(session, username)
    payload: dict[str, str] = {"username": username, "visitor": _mark(visitor)}
    if password is not None:
        hashing.check_strength(password, username=username, email=address.folded)
        payload["password_hash"] = await hashing.make_hash(password)
    holder = await session.scalar(select(Person.id).where(Person.email_folded == address.folded))
    if holder is None:
        await mail_links.request(session, Purpose.JOIN, address, person_id=None, payload=payload)
    else:
        await mail_links.request(session, Purpose.JOIN_AGAIN, address, person_id=holder, payload={})


async def pending(session: AsyncSession, *, token: str) -> tuple[str, str]:
    """The username and address that a link of `sign_up` would make; for the page that shows the button.

    Raises Invalid (`link_expired`).
    """
    found = await mail_links.look(session, Purpose.JOIN, token)
    if found is None:
        raise Invalid("This link has expired or was used already; join again.", code="link_expired")
    return str(found.payload["username"]), found.email


async def confirm(
    session: AsyncSession,
    *,
    token: str,
    visitor: str = "",
    password: str | None = None,
    username: str | None = None,
    browser: Browser = Browser(),
) -> SignedIn | SecondStep:
    """Use the link of `sign_up`: the account exists from now on and its owner is signed in.

    In another browser than the one that asked, the password is needed too (Forbidden, `password_needed`):
    otherwise somebody could choose a password for a stranger's address and wait for the stranger's click.
    Raises Invalid (`link_expired`), Conflict (`username_taken`, with the link still good: call again with
    another `username`; `email_taken`).
    """
    redeemed = await mail_links.redeem(session, Purpose.JOIN, token)
    stored = redeemed.payload.get("password_hash")
    asked_here = visitor != "" and redeemed.payload.get("visitor") == _mark(visitor)
    if stored is not None and not asked_here:
        fits, _ = await hashing.verify(password or "", str(stored))
        if not fits:
            raise Forbidden(
                "Enter the password that you chose when you joined.",
                code="password_needed",
                details={"fields": {"password": "Enter the password that you chose."}},
            )
    person_id = await _insert(
        session,
        username=await usernames.check(session, username or str(redeemed.payload["username"])),
        address=Address(redeemed.email, redeemed.email_folded),
        password_hash=stored,
    )
    # Other requests for this address are moot: they would only find it taken.
    await session.execute(
        update(MailToken)
        .where(
            MailToken.purpose == Purpose.JOIN.value,
            MailToken.email_folded == redeemed.email_folded,
            MailToken.used_at.is_(None),
        )
        .values(used_at=clock.now())
    )
    return await signing_in.proceed(session, person_id, method="link", browser=browser)


async def resend(session: AsyncSession, *, email: str) -> None:
    """Mail the link of a waiting `sign_up` again. The answer is the same whether one waits or not."""
    address = addresses.read(email)
    waiting = (
        await session.execute(
            select(MailToken.payload)
            .where(
                MailToken.purpose == Purpose.JOIN.value,
                MailToken.email_folded == address.folded,
                MailToken.used_at.is_(None),
                MailToken.expires_at > clock.now(),
            )
            .order_by(MailToken.id.desc())
            .limit(1)
        )
    ).first()
    if waiting is not None:
        await mail_links.request(session, Purpose.JOIN, address, person_id=None, payload=waiting.payload)
    else:
        await mail_links.request(session, Purpose.VERIFY, address, person_id=None)


async def join_at_once(
    session: AsyncSession, *, username: str, email: str, password: str, browser: Browser = Browser()
) -> SignedIn:
    """Join without a mail, for instances whose operator turned confirmation off.

    Such an instance tells who has an account: Conflict (`email_taken`). Otherwise raises what `sign_up` does.
    """
    address = addresses.read(email)
    await addresses.check_welcome(session, address)
    await usernames.check(session, username)
    hashing.check_strength(password, username=username, email=address.folded)
    person_id = await _insert(
        session,
        username=username,
        address=address,
        password_hash=await hashing.make_hash(password),
        verified=False,
    )
    return await sessions.open_session(session, person_id, method="password", browser=browser)


async def create_person(
    session: AsyncSession,
    *,
    username: str,
    email: str | None,
    password: str | None = None,
    role: Role = Role.USER,
    reserved: bool = False,
    onboarding: int = 0,
) -> int:
    """Make an account as the operator, with its address taken as verified; the id.

    `reserved` allows names such as `admin`. Raises Invalid and Conflict as `sign_up` does.
    """
    if reserved:
        usernames.check_form(username, reserved_too=True)
    else:
        await usernames.check(session, username)
    if password is not None:
        hashing.check_strength(password, username=username, email=email or "")
    return await _insert(
        session,
        username=username,
        address=addresses.read(email) if email is not None else None,
        password_hash=await hashing.make_hash(password) if password is not None else None,
        role=role,
        onboarding=onboarding,
    )


async def join_from_elsewhere(session: AsyncSession, *, username: str, address: Address | None) -> int:
    """Make an account for somebody whom another site vouches for, whose address it has verified; the id."""
    return await _insert(session, username=username, address=address, password_hash=None)


async def _insert(
    session: AsyncSession,
    *,
    username: str,
    address: Address | None,
    password_hash: str | None,
    role: Role = Role.USER,
    verified: bool = True,
    onboarding: int = 0,
) -> int:
    """Two who want one name or address are told apart by the unique indexes; the second gets a Conflict."""
    moment = clock.now()
    person_id: int | None = await session.scalar(
        insert(Person)
        .values(
            username=username,
            username_folded=username.lower(),
            email=address.written if address else None,
            email_folded=address.folded if address else None,
            email_verified_at=moment if address and verified else None,
            password_hash=password_hash,
            role=role.value,
            onboarding=onboarding,
            created_at=moment,
        )
        .on_conflict_do_nothing()
        .returning(Person.id)
    )
    if person_id is None:
        if await session.scalar(select(Person.id).where(Person.username_folded == username.lower())):
            raise usernames.taken()
        raise Conflict(
            "This address has an account already; sign in instead.",
            code="email_taken",
            details={"fields": {"email": "This address has an account already."}},
        )
    await publish(session, PersonJoined(person_id, username))
    if address and verified:
        await publish(session, PersonVerified(person_id))
    return person_id


async def request_verification(session: AsyncSession, actor: Actor) -> None:
    """Mail a link by which the actor shows that their address is theirs; nothing when it is known already."""
    row = (
        await session.execute(
            select(Person.email, Person.email_folded, Person.email_verified_at).where(
                Person.id == actor.require()
            )
        )
    ).one()
    if row.email is not None and row.email_verified_at is None:
        address = Address(row.email, row.email_folded)
        await mail_links.request(session, Purpose.VERIFY, address, person_id=actor.id)


async def verify(session: AsyncSession, *, token: str) -> int:
    """Use a link of `request_verification`; the person's id. Raises Invalid (`link_expired`)."""
    redeemed = await mail_links.redeem(session, Purpose.VERIFY, token)
    person_id: int | None = await session.scalar(
        update(Person)
        .where(Person.id == redeemed.person_id, Person.email_folded == redeemed.email_folded)
        .values(email_verified_at=clock.now())
        .returning(Person.id)
    )
    if person_id is None:
        raise Invalid("This link is for an address that is no longer used.", code="link_expired")
    await publish(session, PersonVerified(person_id))
    return person_id


def _mark(visitor: str) -> str:
    return digest(visitor).hex() if visitor else ""
