"""A lab phone as the agent has it, and a link that says that it can do less: older phones."""

from __future__ import annotations

from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.link import Link, Stream
from agent.phone.phone import Phone
from tests.lab.phone import LabPhone


class Without:
    """A link without some features; all services go through as they are asked for."""

    def __init__(self, link: Link, *features: str) -> None:
        self._link = link
        self.features = link.features - set(features)
        self.opened: list[str] = []

    @property
    def where(self) -> str:
        return self._link.where

    @property
    def alive(self) -> bool:
        return self._link.alive

    def open(self, service: str, timeout: float) -> Stream:
        self.opened.append(service)
        return self._link.open(service, timeout)

    def close(self) -> None:
        self._link.close()


def phone_at(lab: LabPhone, signer: Signer) -> Phone:
    """The lab phone, reached directly."""
    return Phone(lambda serial, timeout, named: connect_tcp(*lab.address, [signer]), "lab")
