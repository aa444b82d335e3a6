"""The second step."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import SECRET, Post
from tests.factories.accounts import actor_for, make_person

from civitas.domains.accounts import hashing, sessions, signing_in, totp
from civitas.domains.accounts.sessions import SignedIn
from civitas.domains.accounts.signing_in import SecondStep
from civitas.domains.accounts.tables import RecoveryCode, TotpSecret
from civitas.domains.accounts.types import Actor
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, Limited, Unauthorised

PASSWORD = "open sesame now"


def code_at(shared: str, offset_s: int = 0) -> str:
    return pyotp.TOTP(shared).at(int(clock.now().timestamp()) + offset_s)


async def turn_on(session: AsyncSession, actor: Actor) -> tuple[str, list[str]]:
    """The shared secret and the recovery codes; the code of a minute ago is used up by it."""
    made = await totp.enrol(session, actor, secret=SECRET, issuer="Testhub")
    with clock.held_at(clock.now() - timedelta(seconds=90)):
        return made.secret, await totp.confirm(session, actor, code=code_at(made.secret), secret=SECRET)


async def first_step(session: AsyncSession, actor: Actor) -> SecondStep:
    step = await signing_in.proceed(session, actor.id or 0, method="password")
    assert isinstance(step, SecondStep)
    return step


async def test_enrolling_and_signing_in(session: AsyncSession, post: Post) -> None:
    person = await make_person(session, "Ada", password_hash=await hashing.make_hash(PASSWORD))
    here = await sessions.open_session(session, person, method="password")
    there = await sessions.open_session(session, person, method="password")
    made = await totp.enrol(session, here.actor, secret=SECRET, issuer="Test hub")
    assert made.uri.startswith("otpauth://totp/Test%20hub:Ada?") and f"secret={made.secret}" in made.uri
    assert isinstance(await signing_in.by_password(session, login="Ada", password=PASSWORD), SignedIn), (
        "an unconfirmed secret must not lock anybody out"
    )
    codes = await totp.confirm(session, here.actor, code=code_at(made.secret), secret=SECRET)
    assert len(set(codes)) == totp.RECOVERY_CODES
    assert await signing_in.actor_of_session(session, there.token) is None
    assert "is on" in (await post.deliver())[0].subject
    step = await signing_in.by_password(session, login="Ada", password=PASSWORD)
    assert isinstance(step, SecondStep)
    assert await signing_in.actor_of_session(session, step.ticket) is None
    done = await signing_in.by_second_step(
        session, ticket=step.ticket, code=code_at(made.secret, 30), secret=SECRET
    )
    assert done is not None and done.actor.id == person
    assert (await totp.standing(session, done.actor)).codes_left == totp.RECOVERY_CODES


async def test_the_secret_is_encrypted_for_this_person_and_instance(
    session: AsyncSession, ada: Actor, bob: Actor
) -> None:
    shared, _ = await turn_on(session, ada)
    sealed = (await session.scalars(select(TotpSecret.secret))).one()
    assert shared.encode() not in sealed
    assert totp._open(SECRET, ada.id or 0, sealed) == shared
    assert totp._open(SECRET, bob.id or 0, sealed) is None
    assert totp._open(b"another key of thirty-two bytes!", ada.id or 0, sealed) is None


async def test_a_code_works_once(session: AsyncSession, ada: Actor) -> None:
    shared, _ = await turn_on(session, ada)
    code = code_at(shared)
    first, second = await first_step(session, ada), await first_step(session, ada)
    assert await signing_in.by_second_step(session, ticket=first.ticket, code=code, secret=SECRET)
    assert await signing_in.by_second_step(session, ticket=second.ticket, code=code, secret=SECRET) is None


async def test_an_older_code_does_not_work_after_a_newer_one(session: AsyncSession, ada: Actor) -> None:
    shared, _ = await turn_on(session, ada)
    assert await totp.accept(session, ada.id or 0, code=code_at(shared), secret=SECRET)
    assert not await totp.accept(session, ada.id or 0, code=code_at(shared, -30), secret=SECRET)


@pytest.mark.parametrize(("offset", "fits"), [(-90, False), (-30, True), (30, True), (90, False)])
async def test_clocks_may_differ_by_one_step(
    session: AsyncSession, ada: Actor, offset: int, fits: bool
) -> None:
    made = await totp.enrol(session, ada, secret=SECRET, issuer="x")
    code = code_at(made.secret, offset)
    if fits:
        assert await totp.confirm(session, ada, code=code, secret=SECRET)
    else:
        with pytest.raises(Invalid):
            await totp.confirm(session, ada, code=code, secret=SECRET)


@pytest.mark.parametrize(
    "code", ["", "000000 ", "12345", "1234567", "abcdef", "१२३४५६", "\0" * 6, "9" * 100_000]
)
async def test_hostile_codes_are_just_wrong(session: AsyncSession, ada: Actor, code: str) -> None:
    shared, _ = await turn_on(session, ada)
    if code.strip() in {code_at(shared), code_at(shared, 30), code_at(shared, -30)}:
        pytest.skip("a lucky guess")
    step = await first_step(session, ada)
    assert await signing_in.by_second_step(session, ticket=step.ticket, code=code, secret=SECRET) is None


async def test_a_recovery_code_works_once_and_however_it_is_typed(session: AsyncSession, ada: Actor) -> None:
    _, codes = await turn_on(session, ada)
    typed = f"  {codes[0].upper().replace('-', ' ')} "
    step = await first_step(session, ada)
    assert await signing_in.by_second_step(session, ticket=step.ticket, code=typed, secret=SECRET)
    again = await first_step(session, ada)
    assert await signing_in.by_second_step(session, ticket=again.ticket, code=codes[0], secret=SECRET) is None
    assert (await totp.standing(session, ada)).codes_left == totp.RECOVERY_CODES - 1
    stored = (await session.scalars(select(RecoveryCode.digest))).all()
    assert codes[1].replace("-", "").encode() not in stored


async def test_recovery_codes_survive_a_new_instance_key(session: AsyncSession, ada: Actor) -> None:
    _, codes = await turn_on(session, ada)
    assert await totp.accept(session, ada.id or 0, code=codes[3], secret=b"the operator changed the key, 32")


async def test_codes_of_others_do_not_work(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    _, hers = await turn_on(session, ada)
    await turn_on(session, bob)
    assert not await totp.accept(session, bob.id or 0, code=hers[0], secret=SECRET)


async def test_a_ticket_bears_five_tries(session: AsyncSession, ada: Actor) -> None:
    shared, _ = await turn_on(session, ada)
    step = await first_step(session, ada)
    for _ in range(signing_in.SECOND_STEP_ATTEMPTS):
        assert await signing_in.by_second_step(session, ticket=step.ticket, code="no", secret=SECRET) is None
    with pytest.raises(Unauthorised) as caught:
        await signing_in.by_second_step(session, ticket=step.ticket, code=code_at(shared), secret=SECRET)
    assert caught.value.code == "ticket_expired"


async def test_guessing_over_many_tickets_is_stopped(session: AsyncSession, ada: Actor) -> None:
    shared, _ = await turn_on(session, ada)
    for _ in range(totp.FAILURES):
        assert not await totp.accept(session, ada.id or 0, code="no", secret=SECRET)
    with pytest.raises(Limited) as caught:
        await totp.accept(session, ada.id or 0, code=code_at(shared), secret=SECRET)
    assert 0 < caught.value.retry_after <= totp.PAUSE.total_seconds() + 1
    with clock.held_at(clock.now() + totp.PAUSE):
        assert await totp.accept(session, ada.id or 0, code=code_at(shared), secret=SECRET)


async def test_tickets_expire_and_are_single_use(session: AsyncSession, ada: Actor) -> None:
    shared, _ = await turn_on(session, ada)
    step = await first_step(session, ada)
    with clock.held_at(clock.now() + signing_in.SECOND_STEP_LIFETIME):
        with pytest.raises(Unauthorised):
            await signing_in.by_second_step(session, ticket=step.ticket, code=code_at(shared), secret=SECRET)
    assert await signing_in.by_second_step(session, ticket=step.ticket, code=code_at(shared), secret=SECRET)
    for ticket in (step.ticket, "", "made up", "x" * 10_000):
        with pytest.raises(Unauthorised):
            await signing_in.by_second_step(session, ticket=ticket, code=code_at(shared, 30), secret=SECRET)


async def test_turning_off_voids_the_codes(session: AsyncSession, ada: Actor, post: Post) -> None:
    await turn_on(session, ada)
    with pytest.raises(Conflict):
        await totp.enrol(session, ada, secret=SECRET, issuer="x")
    await totp.disable(session, ada)
    assert isinstance(await signing_in.proceed(session, ada.id or 0, method="password"), SignedIn)
    assert (await totp.standing(session, ada)) == totp.Standing(False, None, 0)
    with pytest.raises(Conflict):
        await totp.renew_codes(session, ada)
    with pytest.raises(Conflict):
        await totp.confirm(session, ada, code="123456", secret=SECRET)


async def test_new_codes_replace_the_old_ones(session: AsyncSession, ada: Actor) -> None:
    _, old = await turn_on(session, ada)
    new = await totp.renew_codes(session, ada)
    assert not set(old) & set(new)
    assert not await totp.accept(session, ada.id or 0, code=old[0], secret=SECRET)
    assert await totp.accept(session, ada.id or 0, code=new[0], secret=SECRET)


async def test_changes_need_a_fresh_proof_at_a_browser(session: AsyncSession, ada: Actor) -> None:
    by_key = actor_for(ada.id or 0, via="key", key_id=1)
    with pytest.raises(Forbidden):
        await totp.enrol(session, by_key, secret=SECRET, issuer="x")
    await turn_on(session, ada)
    with clock.held_at(clock.now() + timedelta(hours=1)):
        for use in (totp.disable(session, ada), totp.renew_codes(session, ada)):
            with pytest.raises(Forbidden) as caught:
                await use
            assert caught.value.code == "prove_again"


async def test_a_mailed_link_asks_for_the_second_step_too(
    session: AsyncSession, ada: Actor, post: Post
) -> None:
    await turn_on(session, ada)
    await post.deliver()
    await signing_in.request_link(session, email="ada@example.org")
    assert isinstance(await signing_in.by_link(session, token=await post.secret()), SecondStep)


async def test_a_tampered_secret_is_not_accepted(session: AsyncSession, ada: Actor) -> None:
    shared, _ = await turn_on(session, ada)
    await session.execute(update(TotpSecret).values(secret=b"\x02" + b"x" * 40))
    session.expire_all()
    assert not await totp.accept(session, ada.id or 0, code=code_at(shared), secret=SECRET)
