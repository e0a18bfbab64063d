"""Which way to a phone: through a running adb server, by TCP, or on USB.

``auto`` takes the server for a phone that it has, since USB can be held by one program only and
wireless debugging's TLS is the server's; else TCP for an address; else USB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from agent.adb import shell
from agent.adb.address import address_text, is_address, parse_address
from agent.adb.link import Link
from agent.adb.server import link as server_link
from agent.adb.server.server import UDEV, Server, ServerDevice, refused
from agent.errors import (
    ConfigError,
    LinkError,
    NoPhoneError,
    NoServerError,
    PhoneError,
    UnauthorizedError,
    UsageError,
)
from agent.text import shown

Way = Literal["auto", "server", "tcp", "usb"]
WAYS: tuple[Way, ...] = ("auto", "server", "tcp", "usb")

_SERVER_TIMEOUT = 3.0  # seconds; a server on this computer answers within milliseconds
_SERIAL = "s=$(getprop ro.serialno); echo ${s:-$(getprop ro.boot.serialno)}"


@dataclass(frozen=True)
class Nearby:
    """A phone that is at hand.

    ``name`` is what :func:`reach` takes; ``state`` is ``device`` for one that can be used now,
    ``found`` for one on USB that nobody asked yet, ``unauthorized``, ``offline``,
    ``no permissions``, … ``serial`` is the phone's own, where it is known without asking it.
    ``hint`` says what to do about the state.
    """

    way: str
    name: str
    state: str
    serial: str | None = None
    model: str | None = None
    hint: str | None = None


def reach(
    name: str,
    *,
    way: Way = "auto",
    serial: str | None = None,
    timeout: float = 10.0,
    on_prompt: Callable[[], None] | None = None,
    on_choice: Callable[[str], None] | None = None,
) -> Link:
    """A link to the phone ``name``: ``HOST[:PORT]``, a serial number, or a server's name for it.

    ``serial`` is the phone's own, where the caller knows it beside an address: then the phone is
    also found where it is now, and it is asked, so that the link leads to no other. ``timeout``
    (seconds) is for each way that is tried; ``on_prompt`` is called when the phone asks its user;
    ``on_choice`` with the name by which ``auto`` found it, which would lead there again.

    NoPhoneError says what was tried; OtherPhoneError is one. A forced way has that way's errors.
    """
    if way not in WAYS:
        raise UsageError(f"no way is called {way!r}", hint=f"There are: {', '.join(WAYS)}.")
    trip = _Trip(name, serial, timeout, on_prompt, on_choice or (lambda _: None))
    if way == "server":
        return trip.by_server()
    if way == "tcp":
        return trip.chosen(trip.by_tcp(), name)
    if way == "usb":
        return trip.chosen(trip.by_usb(), name)
    return trip.auto()


class OtherPhoneError(NoPhoneError):
    """Another phone answers where the one that is meant was."""


class _Trip:
    """One call of :func:`reach`."""

    def __init__(
        self,
        name: str,
        serial: str | None,
        timeout: float,
        on_prompt: Callable[[], None] | None,
        on_choice: Callable[[str], None],
    ) -> None:
        self.name = name
        self.address = parse_address(name) if is_address(name) else None
        self.expected = serial
        self.serial = serial or (None if self.address else name)
        self.timeout = timeout
        self.on_prompt = on_prompt
        self.on_choice = on_choice
        self.tried: list[str] = []

    @cached_property
    def server(self) -> Server:
        """The server that the environment names; ConfigError when that makes no sense."""
        return Server.default()

    def auto(self) -> Link:
        """The first way that works, in the order of the module's docstring."""
        devices = self._devices()
        device = self._choose(devices)
        problem: PhoneError | None = None
        if device is not None and device.ready:
            try:
                return self._through_server(device)
            except OtherPhoneError as error:
                problem, device = error, None
                self.tried.append(error.message)
        elif device is not None:
            self.tried.append(f"{self.server.where} has it in state {device.state!r}")
        if self.address is not None and problem is None:
            try:
                return self.chosen(self.by_tcp(), self.name)
            except (LinkError, UnauthorizedError, OtherPhoneError) as error:
                problem = error
                self.tried.append(error.message)
        if device is None and self.serial is not None:
            other = self._ask_serials(devices)
            link = self._through_server(other) if other is not None else self._on_usb()
            if link is not None:
                return link
        if isinstance(problem, UnauthorizedError):
            raise problem
        if device is not None:  # the server's word on the state is what helps most
            raise refused(self.server, device.state, device.serial) from problem
        if problem is not None:
            raise problem
        raise NoPhoneError(
            f"no phone {shown(self.name)} is at hand: {shown('; '.join(self.tried))}",
            hint="Plug it in with «USB debugging» on, or give its HOST:PORT. "
            "`offhook devices` lists what is there.",
        )

    def by_server(self) -> Link:
        """Through the server, or not at all."""
        devices = self.server.devices(timeout=self.timeout)
        device = self._choose(devices)
        if device is None and self.address is None:
            device = self._ask_serials(devices)
        if device is None:
            raise NoPhoneError(
                f"{self.server.where} has no phone {shown(self.name)}",
                hint="`offhook connect HOST:PORT` makes it connect to a phone by TCP; a phone "
                "on USB needs «USB debugging» on.",
            )
        return self._through_server(device)

    def by_tcp(self) -> Link:
        """Directly by TCP, or not at all."""
        if self.address is None:
            raise UsageError(
                f"{shown(self.name)} is no address, so it can't be reached by TCP",
                hint="Write HOST:PORT, such as 192.0.2.7:5555.",
            )
        from agent.adb.direct import connection, keys  # a tenth of a second, which a server spares

        host, port = self.address
        signers = keys.load_signers()
        return connection.connect_tcp(
            host, port, signers, timeout=self.timeout, on_prompt=self.on_prompt
        )

    def by_usb(self) -> Link:
        """Directly on USB, or not at all; LinkError says so if a server holds it."""
        from agent.adb.direct import keys, usb  # the extra may not be installed

        signers = keys.load_signers()
        try:
            return usb.connect_usb(
                self.serial, signers, timeout=self.timeout, on_prompt=self.on_prompt
            )
        except usb.UsbBusy as error:
            holder = self._holder()
            raise usb.UsbBusy(
                f"{error.message}" + (f": {self.server.where} holds it" if holder else ""),
                hint="Go through the server, or end it: `adb kill-server` (Android Studio "
                "starts it anew)."
                if holder
                else error.hint,
            ) from error

    # What the server has

    def _devices(self) -> list[ServerDevice]:
        """The server's phones; none when no server runs, which costs a refused connection."""
        try:
            devices = self.server.devices(timeout=_SERVER_TIMEOUT)
            if not devices:
                self.tried.append(f"{self.server.where} has no phone")
            return devices
        except NoServerError:
            self.tried.append(f"{self.server.where} does not run")
        except (ConfigError, LinkError) as error:
            self.tried.append(error.message)
        return []

    def _choose(self, devices: list[ServerDevice]) -> ServerDevice | None:
        """The one that is meant, by its name or its serial number; a ready one before others."""
        names = {self.name}
        if self.address is not None:
            names.add(address_text(*self.address))
        named = [d for d in devices if d.serial in names]
        if self.serial is not None:
            named += [d for d in devices if self.serial in (d.serial, d.hardware_serial)]
        return next((d for d in named if d.ready), named[0] if named else None)

    def _ask_serials(self, devices: list[ServerDevice]) -> ServerDevice | None:
        """The server's phone of that serial number, among those whose name does not tell it."""
        if self.serial is None or not devices:
            return None
        asked = [d for d in devices if d.ready and d.hardware_serial is None]
        for device in asked:
            if ask_serial(self.server, device) == self.serial:
                return device
        self.tried.append(f"{self.server.where} has other phones")
        return None

    def _through_server(self, device: ServerDevice) -> Link:
        link = server_link.link(self.server, device, timeout=self.timeout, on_prompt=self.on_prompt)
        return self.chosen(link, device.serial)

    def _holder(self) -> ServerDevice | None:
        """What the server says of the phone whose USB interface somebody holds."""
        try:
            devices = self.server.devices(timeout=_SERVER_TIMEOUT)
        except (ConfigError, LinkError):
            return None
        on_usb = [d for d in devices if d.usb is not None]
        if self.serial is None:
            return on_usb[0] if len(on_usb) == 1 else None
        return next((d for d in on_usb if d.serial == self.serial), None)

    # USB

    def _on_usb(self) -> Link | None:
        """By USB, or through the server that holds it; None when it is not plugged in."""
        from agent.adb.direct import usb

        if not usb.available():
            self.tried.append("phones on USB can't be looked for: the extra 'usb' is not installed")
            return None
        try:
            return self.chosen(self.by_usb(), self.serial or self.name)
        except NoPhoneError as error:
            self.tried.append(error.message)
            return None
        except usb.UsbBusy:
            holder = self._holder()  # a server may have taken it since it was asked
            if holder is None:
                raise
            return self._through_server(holder)

    def chosen(self, link: Link, name: str) -> Link:
        """The link, if it leads to the phone that is expected: an address may be lent out anew."""
        if self.expected is not None:
            try:
                found = read_serial(link, timeout=self.timeout)
                if found != self.expected:
                    raise OtherPhoneError(
                        f"at {link.where} another phone answers: {found or 'one without a serial'}"
                        f", not {shown(self.expected)}",
                        hint="Give its address of now: --phone HOST:PORT. `offhook devices` "
                        "lists what is there.",
                    )
            except BaseException:
                link.close()
                raise
        self.on_choice(name)
        return link


def read_serial(link: Link, *, timeout: float = 30.0) -> str:
    """The phone's own serial number, fit to show; empty if it has none."""
    return shown(shell.run(link, _SERIAL, timeout=timeout).text.strip())


def ask_serial(server: Server, device: ServerDevice, *, timeout: float = 3.0) -> str | None:
    """The serial number of a phone that a server has, as the phone says it; None if it doesn't."""
    try:
        with server_link.link(server, device, timeout=timeout) as link:
            return read_serial(link, timeout=timeout) or None
    except PhoneError:
        return None


def nearby(*, server: Server | None = None) -> list[Nearby]:
    """What is at hand now: the server's phones, and those on USB that it does not have."""
    server = server or Server.default()
    try:
        devices = server.devices(timeout=_SERVER_TIMEOUT)
    except LinkError:
        devices = []
    found = [
        Nearby(
            "server",
            device.serial,
            device.state,
            serial=device.hardware_serial,
            model=device.model and device.model.replace("_", " "),
            hint=None if device.ready else refused(server, device.state, device.serial).hint,
        )
        for device in devices
    ]
    held = {d.usb for d in devices if d.usb is not None}
    return found + [phone for path, phone in _on_usb() if path not in held]


def _on_usb() -> list[tuple[str, Nearby]]:
    """The phones on USB with the port of each; none where the extra is not installed."""
    from agent.adb.direct import usb

    if not usb.available():
        return []
    try:
        phones = usb.list_usb()
    except LinkError:
        return []
    return [
        (
            phone.path,
            Nearby(
                "usb",
                phone.serial or f"usb:{phone.path}",
                "found" if phone.openable else "no permissions",
                serial=phone.serial or None,
                hint=None if phone.openable else UDEV,
            ),
        )
        for phone in phones
    ]
