"""Web push without a network: what is sent is encrypted for one browser (RFC 8291) and vouched for by us (RFC 8292)."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

# One record of this size, the least that every push service takes whole (RFC 8291, section 4).
RECORD: Final = 4_096
_TAG: Final = 16
# Salt, record size, length of the key, key: what stands before the record.
_HEAD: Final = 16 + 4 + 1 + 65
MOST_TEXT: Final = RECORD - _HEAD - _TAG - 1
# Bodies come in few sizes, so that their length says little of what they hold.
_STEP: Final = 512
# A push service refuses more than a day.
_VOUCHED: Final = timedelta(hours=12)
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*=*")


@dataclass(frozen=True, slots=True)
class Keys:
    """What a browser gave: its public key (65 bytes, uncompressed) and the secret it shares with us (16 bytes)."""

    p256dh: bytes
    auth: bytes

    @classmethod
    def read(cls, p256dh: str, auth: str) -> Keys:
        """From base64url as browsers write it. Raises ValueError for what is no key of the curve."""
        found = cls(unbase64(p256dh), unbase64(auth))
        if len(found.p256dh) != 65 or len(found.auth) != 16:
            raise ValueError("the keys have another length")
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), found.p256dh)
        return found


@dataclass(frozen=True, slots=True)
class VapidKey:
    """The key by which push services know this instance."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def derived(cls, instance_secret: bytes) -> VapidKey:
        """The instance's own, from its secret: the same in every process, and stored nowhere."""
        found = HKDF(algorithm=SHA256(), length=48, salt=None, info=b"web push vapid").derive(instance_secret)
        # 128 bits more than the order has make the remainder as good as even (FIPS 186-5, A.2.1).
        return cls(ec.derive_private_key(int.from_bytes(found) % (_ORDER - 1) + 1, ec.SECP256R1()))

    @property
    def public(self) -> str:
        """What browsers subscribe with: base64url of the uncompressed point."""
        return base64url(_point(self.private.public_key()))

    def authorization(self, endpoint: str, *, contact: str, now: datetime) -> str:
        """The Authorization header for one push service. `contact` is a `mailto:` or `https:` address of the operator."""
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((now + _VOUCHED).timestamp()),
            "sub": contact,
        }
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, _signing(self.private))
        return f"vapid t={token}, k={self.public}"


def encrypt(
    text: bytes,
    keys: Keys,
    *,
    salt: bytes | None = None,
    sender: ec.EllipticCurvePrivateKey | None = None,
    padded: bool = True,
) -> bytes:
    """A message as one aes128gcm record (RFC 8188) that only this browser can open.

    Salt and sender's key are made anew for each message; tests give those of the standard. Raises ValueError for more
    than `MOST_TEXT` bytes.
    """
    if len(text) > MOST_TEXT:
        raise ValueError(f"a push holds {MOST_TEXT} bytes at most")
    salt = salt or secrets.token_bytes(16)
    sender = sender or ec.generate_private_key(ec.SECP256R1())
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys.p256dh)
    own = _point(sender.public_key())
    shared = sender.exchange(ec.ECDH(), theirs)
    key, nonce = derive(shared, keys, own, salt)
    size = min(MOST_TEXT, -(-(len(text) + 1) // _STEP) * _STEP - 1) if padded else len(text)
    record = AESGCM(key).encrypt(nonce, text + b"\x02" + bytes(size - len(text)), None)
    return salt + RECORD.to_bytes(4) + bytes([len(own)]) + own + record


def derive(shared: bytes, keys: Keys, sender: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Content key and nonce (RFC 8291, section 3.4) from what both sides share; `sender` is the sender's public point."""
    info = b"WebPush: info\x00" + keys.p256dh + sender
    material = HKDF(algorithm=SHA256(), length=32, salt=keys.auth, info=info).derive(shared)
    extracted = HKDF.extract(SHA256(), salt, material)
    key = HKDFExpand(algorithm=SHA256(), length=16, info=b"Content-Encoding: aes128gcm\x00").derive(extracted)
    return key, HKDFExpand(algorithm=SHA256(), length=12, info=b"Content-Encoding: nonce\x00").derive(
        extracted
    )


def base64url(data: bytes) -> str:
    """Without padding, as RFC 7515 has it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unbase64(text: str) -> bytes:
    """What `base64url` made, padded or not. Raises ValueError."""
    if not _BASE64URL.fullmatch(text):
        raise ValueError("this is not base64url")
    bare = text.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error as error:
        raise ValueError("this is not base64url") from error


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _signing(private: ec.EllipticCurvePrivateKey) -> ECKey:
    numbers = private.private_numbers()
    public = numbers.public_numbers
    parts = {"x": public.x, "y": public.y, "d": numbers.private_value}
    return ECKey.import_key(
        {"kty": "EC", "crv": "P-256", **{name: base64url(part.to_bytes(32)) for name, part in parts.items()}}
    )
