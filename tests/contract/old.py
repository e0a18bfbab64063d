"""A link to a phone that says that it can do less than it can: what older phones are like."""

from __future__ import annotations

from agent.adb.link import Link, Stream


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
