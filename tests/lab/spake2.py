"""SPAKE2 on edwards25519, as a phone does it while it pairs: from a short code, a strong key.

Source: the facts of BoringSSL's spake25519.cc, which adb and Android use: its points M and N, a
password scalar that is a multiple of eight, and what is hashed in which order. Slow, and not
constant in time: for tests only.
"""

from __future__ import annotations

import hashlib
import secrets

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

# Extended coordinates X, Y, Z, T, with x = X/Z, y = Y/Z and xy = T/Z (RFC 8032, 5.1.4).
Point = tuple[int, int, int, int]


def _add(a: Point, b: Point) -> Point:
    p, q = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    r, s = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = q - p, s - r, s + r, q + p
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _encode(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(raw: bytes) -> Point:
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if y >= _P or (x * x - square) % _P:
        raise ValueError("not a point of edwards25519")
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_BASE = _decode(bytes.fromhex("58" + "66" * 31))
_M = _decode(bytes.fromhex("5ada7e4bf6ddd9adb6626d32131c6b5c51a1e347a3478f53cfcf441b88eed12e"))
_N = _decode(bytes.fromhex("10e3df0ae37d8e7a99b5fe74b44672103dbddcbd06af680d71329a11693bc778"))


class Spake2:
    """One side of an exchange; ``first`` is the side that asks, here adb.

    ``message`` goes to the other side, whose own comes into :meth:`key`. Both sides get the same
    64 bytes if they have the same password.
    """

    def __init__(self, password: bytes, names: tuple[bytes, bytes], *, first: bool) -> None:
        self._names = names
        self._first = first
        self._hash = hashlib.sha512(password).digest()
        weight = int.from_bytes(self._hash, "little") % _ORDER
        while weight % 8:  # so that what is not in the subgroup of M and N goes away
            weight += _ORDER
        mine, theirs = (_M, _N) if first else (_N, _M)
        self._theirs = _times(weight, theirs)
        self._secret = 8 * secrets.randbelow(_ORDER)
        self.message = _encode(_add(_times(self._secret, _BASE), _times(weight, mine)))

    def key(self, message: bytes) -> bytes:
        """The common key; ValueError when the other side's message is no point."""
        x, y, z, t = self._theirs
        shared = _times(self._secret, _add(_decode(message), (-x % _P, y, z, -t % _P)))
        messages = (self.message, message) if self._first else (message, self.message)
        digest = hashlib.sha512()
        for part in (*self._names, *messages, _encode(shared), self._hash):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.digest()
