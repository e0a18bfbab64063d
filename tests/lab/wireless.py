"""«Wireless debugging» in front of a lab phone: pairing by a code, then ADB inside of TLS.

On a phone, the framework pairs and adbd does the TLS (AOSP packages/modules/adb: pairing_auth,
pairing_connection, tls). Debian's adbd has no such framework, so this stands before it: Google's
adb pairs with it and connects to it as to a phone, and talks with the real adbd behind.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import select
import socket
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509

from tests.lab.phone import LabPhone
from tests.lab.spake2 import Spake2

_NAMES = (b"adb pair client\0", b"adb pair server\0")
_PACKET = struct.Struct(">BBI")  # version, type, length
_SPAKE2, _PEER_INFO = 0, 1
_INFO = 8192  # bytes of what each side tells of itself: a type, and text filled with zeros
_PUBLIC_KEY, _GUID = 0, 1
_ADB = struct.Struct("<6I")
_STLS = 0x534C5453
_HANDSHAKE = b"\x16"  # the first byte of a TLS record that carries one


class Wireless:
    """A phone with wireless debugging on, and its window with the pairing code open.

    ``pairing`` and ``address`` are HOST:PORT to pair with and to connect to; ``code`` is what
    the window shows; ``guid`` is the phone's name. A computer that has not paired is sent away.
    """

    def __init__(self, phone: LabPhone) -> None:
        self._phone = phone
        self.code = f"{secrets.randbelow(10**6):06}"
        self.guid = f"adb-{phone.serial}-{secrets.token_hex(3)}"
        self.paired: set[bytes] = set()  # public keys, as DER
        self._certificate = _certificate()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.pairing, self.address = (
            f"127.0.0.1:{listener.getsockname()[1]}" for listener in self._listeners
        )

    def __enter__(self) -> Self:
        for listener, serve in zip(self._listeners, (self._pair, self._connect), strict=True):
            self._begin(lambda at=listener, what=serve: self._accept(at, what))  # type: ignore[misc]
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
        self.drop()
        for thread in list(self._threads):
            thread.join()
        self.drop()
        for thread in self._threads:
            thread.join()
        for listener in self._listeners:
            listener.close()

    def drop(self) -> None:
        """Break every connection."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="wireless debugging")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        def serve_one(sock: socket.socket) -> None:
            # What a computer does wrong is its own end, and no other's.
            with sock, contextlib.suppress(OSError, SSL.Error, ValueError, EOFError):
                serve(sock)
            with self._lock:
                self._open.discard(sock)

        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with self._lock:
                    self._open.add(sock)
                self._begin(lambda one=sock: serve_one(one))  # type: ignore[misc]

    def _tls(self, sock: socket.socket, trusts: Callable[[X509], bool]) -> SSL.Connection:
        """TLS 1.3 as the phone's side, with whom it trusts."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.use_privatekey(self._certificate[0])
        context.use_certificate(self._certificate[1])
        context.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
            lambda _, certificate, *__: trusts(certificate),
        )
        tls = SSL.Connection(context, sock)
        tls.set_accept_state()
        tls.do_handshake()
        return tls

    # Pairing

    def _pair(self, sock: socket.socket) -> None:
        tls = self._tls(sock, lambda _: True)
        exported = tls.export_keying_material(b"adb-label\0", 64, None)
        side = Spake2(self.code.encode() + exported, _NAMES, first=False)
        _send(tls, _SPAKE2, side.message)
        secret = HKDF(hashes.SHA256(), 16, None, b"adb pairing_auth aes-128-gcm key").derive(
            side.key(_receive(tls, _SPAKE2))
        )
        cipher, nonce = AESGCM(secret), bytes(12)  # each side's first message, and its only one
        try:
            told = cipher.decrypt(nonce, _receive(tls, _PEER_INFO), None)
        except Exception as error:
            raise ValueError("the code was wrong") from error
        if told[0] == _PUBLIC_KEY:
            self.paired.add(_public_key(told[1:].rstrip(b"\0")))
        mine = bytes([_GUID]) + self.guid.encode()
        _send(tls, _PEER_INFO, cipher.encrypt(nonce, mine.ljust(_INFO, b"\0"), None))

    # Connecting

    def _connect(self, sock: socket.socket) -> None:
        greeting = _packet(sock.recv)
        sock.sendall(_ADB.pack(_STLS, 0x01000000, 0, 0, 0, _STLS ^ 0xFFFFFFFF))
        # adb writes its own STLS in another thread than TLS's first words, and it may come after
        # them: then it is the first thing inside of TLS, and not for the phone.
        late = sock.recv(1, socket.MSG_PEEK) == _HANDSHAKE
        if not late:
            _packet(sock.recv)
        tls = self._tls(sock, self._is_paired)
        with socket.create_connection(self._phone.address) as phone:
            with self._lock:
                self._open.add(phone)
            try:
                phone.sendall(greeting)
                _relay(tls, sock, phone, skip=_ADB.size if late else 0)
            finally:
                with self._lock:
                    self._open.discard(phone)

    def _is_paired(self, certificate: X509) -> bool:
        return _der(certificate.to_cryptography().public_key()) in self.paired


def _relay(tls: SSL.Connection, sock: socket.socket, phone: socket.socket, skip: int) -> None:
    """Bytes both ways until one side ends; the first ``skip`` from the computer are dropped.

    In one thread, because two may not use one TLS connection at a time.
    """
    sock.setblocking(False)
    phone.setblocking(False)
    to_phone, to_computer = bytearray(), bytearray()
    while True:
        with contextlib.suppress(SSL.WantReadError, SSL.WantWriteError):
            while len(to_phone) < 1 << 20:
                part = tls.recv(1 << 16)
                to_phone += part[skip:]
                skip = max(0, skip - len(part))
        with contextlib.suppress(BlockingIOError):
            while len(to_computer) < 1 << 20:
                part = phone.recv(1 << 16)
                if not part:
                    return
                to_computer += part
        with contextlib.suppress(SSL.WantReadError, SSL.WantWriteError):
            while to_computer:
                del to_computer[: tls.send(bytes(to_computer[: 1 << 14]))]
        with contextlib.suppress(BlockingIOError):
            while to_phone:
                del to_phone[: phone.send(to_phone)]
        select.select(
            [sock, phone], [s for s, due in ((sock, to_computer), (phone, to_phone)) if due], []
        )


def _send(tls: SSL.Connection, kind: int, data: bytes) -> None:
    tls.sendall(_PACKET.pack(1, kind, len(data)) + data)


def _receive(tls: SSL.Connection, wanted: int) -> bytes:
    version, kind, length = _PACKET.unpack(_exactly(tls.recv, _PACKET.size))
    if version != 1 or kind != wanted or length > 2 * _INFO:
        raise ValueError("not a packet of pairing")
    return _exactly(tls.recv, length)


def _packet(receive: Callable[[int], bytes]) -> bytes:
    head = _exactly(receive, _ADB.size)
    command, _, _, length, _, magic = _ADB.unpack(head)
    if magic != command ^ 0xFFFFFFFF or length > 1 << 20:
        raise ValueError("not a packet of ADB")
    return head + _exactly(receive, length)


def _exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = receive(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _certificate() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Adb")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=365))
    return key, builder.sign(key, hashes.SHA256())


def _public_key(text: bytes) -> bytes:
    """The DER of a public key in adb's own form: word count, n0inv, modulus, R², exponent."""
    raw = base64.b64decode(text.split()[0])
    modulus = int.from_bytes(raw[8:264], "little")
    exponent = int.from_bytes(raw[520:524], "little")
    return _der(rsa.RSAPublicNumbers(exponent, modulus).public_key())


def _der(key: object) -> bytes:
    assert isinstance(key, rsa.RSAPublicKey)
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
