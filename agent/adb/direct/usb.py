"""Phones on this computer's USB ports: which there are, connecting to one, comings and goings.

It needs the extra ``usb`` (libusb1, by way of adb-shell), which is imported when it is used, not
before. Where a phone's node in /dev/bus/usb may be opened, and its serial read from sysfs, no
phone is woken by a listing.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.adb.direct.connection import Connection
from agent.adb.direct.keys import Signer
from agent.adb.direct.usb_transport import SteadyUsb, UsbBusy, UsbGone
from agent.errors import LinkError, LinkTimeout, NoPhoneError, UsageError
from agent.text import shown

__all__ = [
    "UsbBusy",
    "UsbEvent",
    "UsbGone",
    "UsbPhone",
    "UsbWatch",
    "available",
    "connect_usb",
    "list_usb",
]

_SCAN = 2.0  # seconds between scans that nothing has hurried
_LOOK = 0.5  # seconds until a watch notices that it should stop
_BACK = 0.1  # seconds between looks for a phone that comes back
_RULE = (
    "Install your system's udev rules for Android (Debian, Ubuntu: "
    "android-sdk-platform-tools-common), join the group plugdev, and plug the phone in again."
)


@dataclass(frozen=True)
class UsbPhone:
    """A phone with USB debugging on, at a USB port.

    ``path`` is its bus and ports as sysfs and ``adb devices -l`` write them (``1-1.2``);
    ``address`` changes with every plugging-in. ``serial`` is empty where it can't be read.
    ``openable``: this user may open it; somebody else may hold it all the same.
    """

    serial: str
    path: str
    vendor: int
    product: int
    openable: bool
    address: int

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is its serial, or ``usb:`` and its path, as adb also takes it."""
        return name in (self.serial, f"usb:{self.path}")


@dataclass(frozen=True)
class UsbEvent:
    """A phone came, or became openable (``arrived``), or left."""

    arrived: bool
    phone: UsbPhone


def available() -> bool:
    """Whether USB can be used at all: the extra is installed, and libusb is there."""
    try:
        _library()
    except LinkError:
        return False
    return True


def list_usb() -> list[UsbPhone]:
    """The phones that offer ADB on USB, by path; LinkError without the extra."""
    usb1, shell = _library()
    try:
        # A new context scans; an old one only knows what udev told it, where there is a udevd.
        with usb1.USBContext() as context:
            phones = [_describe(device) for device, _ in _devices(context, shell)]
    except usb1.USBError as error:
        raise LinkError(f"libusb can't list what is on USB: {error}") from error
    return sorted(phones, key=lambda phone: phone.path)


def connect_usb(
    serial: str | None,
    signers: Sequence[Signer],
    *,
    timeout: float = 10.0,
    on_prompt: Callable[[], None] | None = None,
) -> Connection:
    """A connection to the phone with that serial (or ``usb:PATH``); None means the only one.

    ``timeout`` (seconds) is for the phone to answer, and once more for its user when the phone
    asks them (``on_prompt``). A phone that an earlier program left in the middle of a packet
    begins anew by itself, or is made to by a reset of its port; that is waited for.
    Raises UsageError when several would do, NoPhoneError, UsbBusy when another program holds it,
    UnauthorizedError, or LinkError.
    """
    phone = _choose(list_usb(), serial)
    end = time.monotonic() + timeout
    name, was_reset = phone.serial or f"usb:{phone.path}", False
    while True:
        transport = open_usb(phone, patience=max(1.0, timeout / 4))
        connection = Connection(transport, transport.where)
        try:
            transport.start()
            connection.handshake(signers, timeout, on_prompt)
            connection.start()
            return connection
        except BaseException as error:
            again = time.monotonic() < end
            if isinstance(error, UsbGone):
                pass
            elif isinstance(error, LinkTimeout) and not transport.heard and not was_reset:
                was_reset = True
                if again:
                    transport.reset()
            else:
                again = False
            connection.close()
            if not again:
                raise
        phone = _wait_for(name, end)


def open_usb(phone: UsbPhone, *, patience: float = 5.0) -> SteadyUsb:
    """The phone's ADB interface, claimed and not started; UsbBusy, UsbGone or LinkError."""
    usb1, shell = _library()
    where = f"usb:{phone.path}"
    context = usb1.USBContext().open()
    claimed = None
    try:
        for device, setting in _devices(context, shell):
            if (_path(device), device.getDeviceAddress()) == (phone.path, phone.address):
                claimed = shell.UsbTransport(device, setting, where)
                claimed.connect()
                sizes = {e.getAddress(): e.getMaxPacketSize() for e in setting.iterEndpoints()}
                ends = (claimed._read_endpoint, claimed._write_endpoint)
                return SteadyUsb(
                    context,
                    claimed._transport,
                    ends,
                    (sizes[ends[0]], sizes[ends[1]]),
                    where,
                    interface=claimed._interface_number,
                    patience=patience,
                )
        raise UsbGone(f"the phone at {where} is not there any more")
    except BaseException as error:
        if claimed is not None and claimed._transport is not None:
            claimed._transport.close()  # its own close() fails where nothing was claimed
        context.close()
        if isinstance(error, usb1.USBErrorBusy):
            raise UsbBusy(
                f"the phone at {where} is held by another program, most likely an adb server",
                hint="Reach it through that server, or end the server (`adb kill-server`) first.",
            ) from error
        if isinstance(error, usb1.USBErrorAccess):
            raise LinkError(f"this user may not open the phone at {where}", hint=_RULE) from error
        if isinstance(error, usb1.USBError):
            raise UsbGone(f"the phone at {where} can't be opened: {error}") from error
        raise


class UsbWatch:
    """Comings and goings on USB; ``run`` in a thread of its own.

    libusb's hot-plug events only hurry a scan. It is made every two seconds anyway: libusb may
    have no hot-plug, and in a container no udevd tells it anything.
    """

    def __init__(self, scan: Callable[[], list[UsbPhone]] = list_usb) -> None:
        self._scan = scan
        self._lock = threading.Lock()
        self._context: Any = None
        self._hurry = False

    def run(self, tell: Callable[[UsbEvent], None], stop: threading.Event) -> None:
        """Tell of each phone that is there, then of each that comes or leaves, until ``stop``.

        Ends within half a second after ``stop`` is set, at once after a :meth:`wake` that
        follows it. Raises LinkError at its beginning, where there is no libusb.
        """
        usb1, _ = _library()
        ended = threading.Event()

        def at_exit() -> None:  # libusb aborts where it is taken down under a thread
            stop.set()
            self.wake()
            ended.wait(2 * _LOOK)

        atexit.register(at_exit)
        try:
            self._watch(usb1, tell, stop)
        finally:
            ended.set()
            atexit.unregister(at_exit)

    def _watch(self, usb1: Any, tell: Callable[[UsbEvent], None], stop: threading.Event) -> None:
        known: dict[tuple[str, str, int], UsbPhone] = {}
        with usb1.USBContext() as context:
            if usb1.hasCapability(usb1.CAP_HAS_HOTPLUG):
                context.hotplugRegisterCallback(self._on_plug, flags=0)
            with self._lock:
                self._context = context
            try:
                while not stop.is_set():
                    self._hurry = False
                    with contextlib.suppress(LinkError):  # the next scan may see more
                        known = self._compare(known, tell)
                    end = time.monotonic() + _SCAN
                    while not (self._hurry or stop.is_set()) and time.monotonic() < end:
                        with contextlib.suppress(usb1.USBErrorInterrupted):
                            context.handleEventsTimeout(_LOOK)
            finally:
                with self._lock:
                    self._context = None

    def wake(self) -> None:
        """Look now, from any thread."""
        with self._lock:
            self._hurry = True
            if self._context is not None:
                self._context.interruptEventHandler()

    def _on_plug(self, *_: object) -> bool:
        self._hurry = True
        return False

    def _compare(
        self, known: dict[tuple[str, str, int], UsbPhone], tell: Callable[[UsbEvent], None]
    ) -> dict[tuple[str, str, int], UsbPhone]:
        there = {(phone.serial, phone.path, phone.address): phone for phone in self._scan()}
        for key, phone in known.items():
            if key not in there:
                tell(UsbEvent(False, phone))
        for key, phone in there.items():
            if key not in known or (phone.openable and not known[key].openable):
                tell(UsbEvent(True, phone))
        return there


def _library() -> tuple[Any, Any]:
    """libusb1 and adb-shell's module for it; LinkError with what to install."""
    try:
        usb1 = importlib.import_module("usb1")
        return usb1, importlib.import_module("adb_shell.transport.usb_transport")
    except ImportError as error:
        raise LinkError(
            "phones on USB can't be reached: the Python package libusb1 is not installed",
            hint="In Offhook's checkout: pip install '.[usb]'",
        ) from error
    except Exception as error:
        raise LinkError(
            f"phones on USB can't be reached: libusb does not work here: {error}",
            hint="Install libusb 1.0 (Debian, Ubuntu: libusb-1.0-0).",
        ) from error


def _devices(context: Any, shell: Any) -> list[tuple[Any, Any]]:
    """Each device that has an ADB interface, and that interface."""
    matches = shell.interface_matcher(shell.CLASS, shell.SUBCLASS, shell.PROTOCOL)
    devices = context.getDeviceIterator(skip_on_error=True)
    pairs = ((device, matches(device)) for device in devices)
    return [(device, setting) for device, setting in pairs if setting is not None]


def _path(device: Any) -> str:
    return f"{device.getBusNumber()}-{'.'.join(map(str, device.getPortNumberList()))}"


def _describe(device: Any) -> UsbPhone:
    path, address = _path(device), device.getDeviceAddress()
    if sys.platform == "linux":
        node = Path(f"/dev/bus/usb/{device.getBusNumber():03}/{address:03}")
        openable = os.access(node, os.R_OK | os.W_OK)
        try:
            raw = Path(f"/sys/bus/usb/devices/{path}/serial").read_bytes()
            serial = raw.decode("utf-8", "replace").strip()
        except OSError:
            serial = ""
    else:
        openable, serial = _ask_device(device)
    return UsbPhone(serial, path, device.getVendorID(), device.getProductID(), openable, address)


def _ask_device(device: Any) -> tuple[bool, str]:
    usb1, _ = _library()
    try:
        return True, device.getSerialNumber() or ""
    except usb1.USBError:
        return False, ""


def _choose(phones: list[UsbPhone], serial: str | None) -> UsbPhone:
    found = [phone for phone in phones if serial is None or phone.is_called(serial)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{shown(phone.serial)} (usb:{phone.path})" for phone in found)
        raise UsageError(f"several phones on USB would do: {names}", hint="Name the one you mean.")
    raise NoPhoneError(
        "no phone is on USB" if serial is None else f"no phone {shown(serial)} is on USB",
        hint="Plug it in with a cable that carries data, and turn USB debugging on.",
    )


def _wait_for(name: str, end: float) -> UsbPhone:
    """The phone of that name, once it is back; UsbGone when it stays away."""
    pause = threading.Event()
    while True:
        for phone in list_usb():
            if phone.is_called(name) and phone.openable:
                return phone
        if time.monotonic() >= end:
            raise UsbGone(f"the phone {shown(name)} began anew on USB and did not come back")
        pause.wait(_BACK)
