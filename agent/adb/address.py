"""Addresses of phones: HOST:PORT, as adb writes them."""

from __future__ import annotations

import ipaddress
import re

from agent.errors import UsageError
from agent.text import shown

DEFAULT_PORT = 5555


def is_address(name: str) -> bool:
    """Whether ``name`` looks like HOST:PORT or a host, and not like a serial number.

    A host without a port has a dot in it or is ``localhost``; adb's mDNS names have dots too, and
    ``usb:1-2`` is a port of this computer.
    """
    if name.endswith(("._tcp", "._tcp.")) or name.startswith("usb:"):
        return False
    return name == "localhost" or "." in name or bool(re.search(r":\d+$", name)) or _is_ip(name)


def parse_address(text: str) -> tuple[str, int]:
    """``HOST[:PORT]`` as host and port, ``[::1]:5555`` too; UsageError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, str(DEFAULT_PORT)
    host = host.strip("[]")
    plain = port.isascii() and port.isdigit() and len(port) <= 5
    try:
        host.encode("idna")
    except UnicodeError:
        plain = False
    if not host or not plain or not 0 < int(port) < 65536:
        raise UsageError(
            f"{shown(text)!r} is not an address", hint="Write HOST:PORT, such as 192.0.2.7:5555."
        )
    return host, int(port)


def address_text(host: str, port: int) -> str:
    """HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
