"""ADB's public keys, and whether one of them signed a token."""

from __future__ import annotations

import base64
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA1


def parse(text: str) -> rsa.RSAPublicKey:
    """The key in a line of ``adbkey.pub``: AOSP's mincrypt form, in Base64, and a name."""
    raw = base64.b64decode(text.split()[0])
    words, _ = struct.unpack_from("<II", raw)
    size = 4 * words
    assert len(raw) == 12 + 2 * size, "the client's public key has a wrong length"
    modulus = int.from_bytes(raw[8 : 8 + size], "little")
    return rsa.RSAPublicNumbers(int.from_bytes(raw[-4:], "little"), modulus).public_key()


def signed(text: str, token: bytes, signature: bytes) -> bool:
    """Whether the private half of the key signed the token, as if it were a SHA-1."""
    try:
        parse(text).verify(signature, token, padding.PKCS1v15(), Prehashed(SHA1()))
    except InvalidSignature:
        return False
    return True
