"""What can go wrong with a lab phone, said in one message."""

from __future__ import annotations


class LabError(Exception):
    """The lab phone can't be built, started or asked; ``hint`` says what to do about it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}\n  {hint}")
        self.message = message
        self.hint = hint
