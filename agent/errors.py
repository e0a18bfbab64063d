"""Every error that Offhook expects, its exit code and, where there is one, what to do.

    OffhookError                 1   the base of all of them
    ├── UsageError               2   what was asked for makes no sense
    ├── ConfigError              3   offhook.toml, or the archive's folder, is not usable
    ├── PhoneError              10   something about the phone
    │   ├── LinkError           11   the connection failed or broke
    │   │   ├── LinkTimeout     11   nothing came in the time allowed
    │   │   ├── NoServerError   11   no adb server listens where one was looked for
    │   │   └── ProtocolError   11   what came is not ADB
    │   ├── UnauthorizedError   12   the phone has not accepted this computer's key
    │   ├── NoPhoneError        13   no such phone, or none at all
    │   ├── RootError           14   su is absent, denies or does not answer
    │   │   └── NoRootError     14   there is no su: the phone is not rooted
    │   ├── RemoteError         15   a command on the phone failed
    │   └── FileGoneError       16   a file on the phone is not there any more
    ├── CaptureError            20   capture can't be turned on, or off, as asked
    │   ├── RouteError          21   no route works on this phone
    │   ├── ConsentError        22   no basis for recording was given
    │   ├── RestoreError        23   the phone could not be given back as it was
    │   └── ProofError          24   a test call was made, and nobody is heard in its recording
    ├── ArchiveError            30   something about the archive
    │   ├── NoRecordingError    31   no such recording, or more than one fits
    │   ├── BusyError           32   another Offhook works on this archive
    │   ├── DiskFullError       33   no room left
    │   └── IntegrityError      34   bytes are not what they should be
    ├── AudioError              40   sound can't be read or played
    └── PartialError            50   the run went through, but some of it failed

A message says what happened, and to which phone or file; ``hint`` says what to do about it.
Nothing below ``agent.cli`` prints or exits: it raises one of these.
"""

from __future__ import annotations


class OffhookError(Exception):
    """The base of every error that Offhook expects."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(OffhookError):
    """What was asked for makes no sense."""

    exit_code = 2


class ConfigError(OffhookError):
    """The configuration, or the archive's folder, is not usable."""

    exit_code = 3


class PhoneError(OffhookError):
    """Something about the phone."""

    exit_code = 10


class LinkError(PhoneError):
    """The connection to the phone failed or broke."""

    exit_code = 11


class LinkTimeout(LinkError):  # noqa: N818 - reads as what it is
    """Nothing came from the phone in the time allowed."""


class NoServerError(LinkError):
    """No adb server listens where one was looked for."""


class ProtocolError(LinkError):
    """What came from the other side is not ADB."""


class UnauthorizedError(PhoneError):
    """The phone has not accepted this computer's key."""

    exit_code = 12


class NoPhoneError(PhoneError):
    """No such phone, or no phone at all."""

    exit_code = 13


class RootError(PhoneError):
    """The phone's su is absent, denies, or does not answer."""

    exit_code = 14


class NoRootError(RootError):
    """The phone has no su, so nothing of ours can run there as root."""


class RemoteError(PhoneError):
    """A command on the phone failed; ``code`` and ``stderr`` are the command's."""

    exit_code = 15

    def __init__(
        self, message: str, *, code: int | None = None, stderr: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.stderr = stderr


class FileGoneError(PhoneError):
    """A file on the phone is not there any more."""

    exit_code = 16


class CaptureError(OffhookError):
    """Capture can't be turned on, or off, as asked."""

    exit_code = 20


class RouteError(CaptureError):
    """No route works on this phone."""

    exit_code = 21


class ConsentError(CaptureError):
    """No basis for recording was given."""

    exit_code = 22


class RestoreError(CaptureError):
    """The phone could not be given back as it was."""

    exit_code = 23


class ProofError(CaptureError):
    """A test call was made, and nobody is heard in its recording."""

    exit_code = 24


class ArchiveError(OffhookError):
    """Something about the archive."""

    exit_code = 30


class NoRecordingError(ArchiveError):
    """No such recording, or more than one fits."""

    exit_code = 31


class BusyError(ArchiveError):
    """Another Offhook works on this archive."""

    exit_code = 32


class DiskFullError(ArchiveError):
    """There is no room left on the archive's disk."""

    exit_code = 33


class IntegrityError(ArchiveError):
    """Bytes are not what they should be."""

    exit_code = 34


class AudioError(OffhookError):
    """Sound can't be read or played."""

    exit_code = 40


class PartialError(OffhookError):
    """The run went through, but some of it failed."""

    exit_code = 50
