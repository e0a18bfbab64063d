"""Phones that announce themselves in the local network (mDNS); it needs the extra ``mdns``.

Source: AOSP packages/modules/adb, adb_mdns.h. ``_adb._tcp`` is plain ADB over TCP, its instance
``adb-SERIAL``; ``_adb-tls-connect._tcp`` is wireless debugging, its instance ``adb-SERIAL-XXXXXX``.
Anybody in the network may announce anything: a serial number from here is a hint, no proof.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.adb.address import address_text
from agent.adb.finding.finders import Gone, Seen, Stop, Tell
from agent.errors import ConfigError

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf

PLAIN = "_adb._tcp.local."
TLS = "_adb-tls-connect._tcp.local."

_RESOLVE = 2.0  # seconds in which an announced phone has to give its address


class MdnsFinder:
    """The phones that announce themselves on ``interfaces``, this computer's addresses: all."""

    def __init__(self, interfaces: Sequence[str] | None = None) -> None:
        try:
            import zeroconf
        except ImportError as error:
            raise ConfigError(
                "phones can't be found by mDNS: the package zeroconf is not installed",
                hint="In Offhook's checkout: pip install '.[mdns]'",
            ) from error
        self._zeroconf = zeroconf
        self._interfaces = interfaces

    def run(self, tell: Tell, stop: Stop) -> None:
        """See :class:`agent.adb.finding.finders.Finder`."""
        names: dict[str, str] = {}

        def on_change(
            zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
        ) -> None:
            changes = self._zeroconf.ServiceStateChange
            seen = None
            if state_change is not changes.Removed:
                seen = self._resolve(zeroconf, service_type, name)
            old = names.pop(name, None)
            still = old in names.values()  # one phone may have announced itself twice
            if old is not None and not still and (seen is None or seen.name != old):
                tell(Gone("mdns", old))
            if seen is not None:
                names[name] = seen.name
                tell(seen)

        chosen = list(self._interfaces) if self._interfaces else self._zeroconf.InterfaceChoice.All
        try:
            responder = self._zeroconf.Zeroconf(interfaces=chosen)
        except OSError as error:
            raise ConfigError(f"mDNS does not work on this computer: {error}") from error
        try:
            browser = self._zeroconf.ServiceBrowser(responder, [PLAIN, TLS], handlers=[on_change])
            stop.wait()
            browser.cancel()
        finally:
            responder.close()

    def _resolve(self, zeroconf: Zeroconf, service_type: str, name: str) -> Seen | None:
        info = zeroconf.get_service_info(service_type, name, timeout=int(_RESOLVE * 1000))
        if info is None or not info.port:
            return None
        addresses = info.parsed_scoped_addresses()  # IPv4 first
        if not addresses:
            return None
        state = "tls" if service_type == TLS else "found"
        instance = name.removesuffix("." + service_type)
        return Seen(
            "mdns",
            address_text(addresses[0], info.port),
            state,
            serial_of(instance, state == "tls"),
        )


def serial_of(instance: str, tls: bool) -> str | None:
    """The serial number in a service's instance name; None when it is not adbd's.

    >>> serial_of("adb-R5CT1234-hNiWLk (2)", True), serial_of("adb-AB-123456", False)
    ('R5CT1234', 'AB-123456')
    """
    tail = "-[A-Za-z0-9]+" if tls else ""
    match = re.fullmatch(rf"adb-(.+){tail}(?: \(\d+\))?", instance)
    return match[1] if match else None
