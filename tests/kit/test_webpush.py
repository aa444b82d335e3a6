"""Web push without a network: the example of RFC 8291, and what a browser and a push service check."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.factories.push_service import Browser

from civitas.kit.webpush import MOST_TEXT, Keys, VapidKey, base64url, encrypt, unbase64

# RFC 8291, section 5 and appendix A.
TEXT = b"When I grow up, I want to be a watermelon"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
RECEIVER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
RECEIVER_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
SENDER_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
SECRET = b"a secret of thirty-two bytes...."
NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(unbase64(text)), ec.SECP256R1())


def test_the_example_of_the_standard() -> None:
    made = encrypt(
        TEXT,
        Keys.read(RECEIVER, AUTH),
        salt=unbase64(SALT),
        sender=private(SENDER_PRIVATE),
        padded=False,
    )
    assert base64url(made) == BODY
    assert Browser("", private(RECEIVER_PRIVATE), unbase64(AUTH)).opened(unbase64(BODY)) == TEXT


@given(st.binary(max_size=MOST_TEXT))
@settings(max_examples=30, deadline=None)
def test_only_the_browser_opens_it_and_lengths_say_little(text: bytes) -> None:
    browser, other = Browser(""), Browser("")
    keys = Keys.read(browser.subscription.p256dh, browser.subscription.auth)
    body = encrypt(text, keys)
    # What ends in noughts is told from its padding by the two between them.
    assert browser.opened(body + b"") == text
    assert (len(body) - 86 - 16) % 512 == 0 or len(body) == 4096
    assert encrypt(text, keys) != body, "no salt and no key is used twice"
    with pytest.raises(Exception, match=r"^$"):
        other.opened(body)


def test_more_than_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes at most"):
        encrypt(b"x" * (MOST_TEXT + 1), Keys.read(RECEIVER, AUTH))


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        (RECEIVER[:-4], AUTH),
        (RECEIVER, AUTH[:-3]),
        ("A" * 87, AUTH),
        (RECEIVER[:-1] + "1", AUTH + "!"),
        ("", ""),
        (RECEIVER, "é" * 22),
        ("BC" + "x" * 85, AUTH),
    ],
)
def test_what_is_no_key_is_refused(p256dh: str, auth: str) -> None:
    with pytest.raises(ValueError):
        Keys.read(p256dh, auth)


def test_the_instance_vouches_for_itself_to_one_service_at_a_time() -> None:
    key = VapidKey.derived(SECRET)
    assert key.public == VapidKey.derived(SECRET).public != VapidKey.derived(SECRET + b".").public
    assert len(unbase64(key.public)) == 65
    header = key.authorization(
        "https://push.example:8443/send/x?y", contact="mailto:ana@example.org", now=NOW
    )
    scheme, _, rest = header.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert (scheme, parts["k"]) == ("vapid", key.public)
    point = unbase64(parts["k"])
    checking = ECKey.import_key(
        {"kty": "EC", "crv": "P-256", "x": base64url(point[1:33]), "y": base64url(point[33:])}
    )
    token = jwt.decode(parts["t"], checking, algorithms=["ES256"])
    assert token.claims == {
        "aud": "https://push.example:8443",
        "sub": "mailto:ana@example.org",
        "exp": int(NOW.timestamp()) + 12 * 3600,
    }
