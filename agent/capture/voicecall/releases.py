"""scrcpy's servers that Offhook knows, by their SHA-256.

The wire between scrcpy's client and its server is internal to scrcpy, and may change with any
release: what is not in this table is only taken where the user names the file.
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, ...]

#: The first with ``audio_source=voice-call`` (AudioSource.java, commit bef2d847).
FIRST: Version = (3, 2)


@dataclass(frozen=True)
class Release:
    """A release's server, and where its hash was read."""

    version: str
    sha256: str
    source: str


RELEASES: tuple[Release, ...] = (
    Release(
        "3.2",
        "b920e0ea01936bf2482f4ba2fa985c22c13c621999e3d33b45baa5acfc1ea3d0",
        "scrcpy's doc/build.md; Homebrew's formula",
    ),
    Release(
        "3.3",
        "351cb2edc7e4c2c75f09a7933fdabcf137be52e2602df154f24ec02db46e9e51",
        "Homebrew's formula",
    ),
    Release(
        "3.3.1",
        "a0f70b20aa4998fbf658c94118cd6c8dab6abbb0647a3bdab344d70bc1ebcbb8",
        "scrcpy's doc/build.md; Homebrew's formula; Void Linux's template",
    ),
    Release(
        "3.3.2",
        "2ee5ca0863ef440f5b7c75856bb475c5283d0a8359cb370b1c161314fd29dfd9",
        "Homebrew's formula",
    ),
    Release(
        "3.3.3",
        "7e70323ba7f259649dd4acce97ac4fefbae8102b2c6d91e2e7be613fd5354be0",
        "scrcpy's doc/build.md",
    ),
    Release(
        "3.3.4",
        "8588238c9a5a00aa542906b6ec7e6d5541d9ffb9b5d0f6e1bc0e365e2303079e",
        "the release's SHA256SUMS.txt, as several projects quote it",
    ),
    Release(
        "4.0",
        "84924bd564a1eb6089c872c7521f968058977f91f5ff02514a8c74aff3210f3a",
        "ShizuCallRecorder's app/build.gradle.kts; a formula of Homebrew",
    ),
    Release(
        "4.1",
        "deacb991ed2509715160ffdc7907e47b4160eb30d1566217e9047fd5b8850cae",
        "scrcpy's doc/build.md; the release's SHA256SUMS.txt",
    ),
)
LAST = RELEASES[-1].version


def release_of(sha256: str) -> Release | None:
    """The release with that hash, in hexadecimal; None when it is none that is known."""
    return next((release for release in RELEASES if release.sha256 == sha256), None)


def parsed(version: str) -> Version:
    """``"3.3.1"`` as numbers; ValueError when it is no version.

    >>> parsed("3.3.1")
    (3, 3, 1)
    """
    if len(version) > 20 or not version.isascii():
        raise ValueError(f"{version!r} is no version")
    return tuple(int(part) for part in version.split("."))
