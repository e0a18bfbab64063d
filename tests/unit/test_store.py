"""Placing bytes: names that are safe everywhere, and nothing ever overwritten."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.archive import Archive, NewRecording
from agent.archive.audit import audit
from agent.archive.filing import file_part
from agent.archive.names import LONGEST, numbered, safe_name
from agent.archive.store import Store
from agent.errors import ArchiveError, IntegrityError

PATH = PurePosixPath("2026/03/a.wav")


@given(st.text(max_size=300))
def test_any_text_makes_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name.encode()) <= LONGEST
    assert name not in (".", "..")
    assert not name.startswith((".", "-", "~", " "))
    assert not name.endswith((".", " "))
    assert not set(name) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(ch) in ("Cc", "Cf", "Cs") for ch in name)
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["CON", "con.wav", "Lpt1.x.wav", "NUL .wav", "COM¹"])
def test_names_of_devices_are_no_names(name: str) -> None:
    assert safe_name(name).startswith("_")


def test_a_second_file_of_the_same_name_gets_a_suffix() -> None:
    assert numbered("a.b.wav", 2) == "a.b~2.wav"
    assert numbered("plain", 3) == "plain~3"


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.begin(PATH)
    first.write(b"one")
    first.seal()
    assert store.place(first, PATH)
    second = store.begin(PATH)
    second.write(b"two")
    second.seal()
    assert not store.place(second, PATH)
    assert store.locate(PATH).read_bytes() == b"one"
    assert store.free(PATH).name == "a~2.wav"
    assert store.place(second, store.free(PATH))
    assert sorted(p.name for p in store.locate(PATH).parent.iterdir()) == ["a.wav", "a~2.wav"]


def failing_folders(monkeypatch: pytest.MonkeyPatch, error: int) -> list[str]:
    """From now on no folder can be flushed; those that were to be, in order."""
    asked: list[str] = []

    def fsync(fd: int) -> None:
        asked.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    return asked


def test_a_folder_that_the_disk_fails_to_flush_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    part = store.begin(PATH)
    part.write(b"x")
    part.seal()
    failing_folders(monkeypatch, errno.EIO)
    with pytest.raises(ArchiveError, match="Input/output error"):
        store.place(part, PATH)


def test_a_disk_that_can_not_flush_folders_at_all_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_folders(monkeypatch, errno.EINVAL)
    store = Store(tmp_path)
    part = store.begin(PATH)
    part.seal()
    assert store.place(part, PATH)


def test_a_folder_whose_own_name_was_not_flushed_is_flushed_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "archive")
    with monkeypatch.context() as patch:
        asked = failing_folders(patch, errno.EIO)
        with pytest.raises(ArchiveError):
            store.begin(PATH)
        assert asked == [str(tmp_path)]
    flushed: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    store.begin(PATH).discard()
    store.begin(PATH).discard()  # once is enough
    archive = tmp_path / "archive"
    assert flushed == [str(each) for each in (tmp_path, archive, archive / "2026")]


def test_not_even_a_dangling_link(tmp_path: Path) -> None:
    store = Store(tmp_path)
    part = store.begin(PATH)
    store.locate(PATH).symlink_to(tmp_path / "elsewhere")
    part.write(b"x")
    part.seal()
    assert not store.place(part, PATH)
    part.discard()
    assert not (tmp_path / "elsewhere").exists()
    assert store.free(PATH).name == "a~2.wav"


def test_a_file_that_has_a_folders_name_is_gone_round(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "2026").write_text("a file, by another template")
    (tmp_path / "2026~2").symlink_to(tmp_path / "nowhere")
    part = store.begin(PATH)
    part.write(b"x")
    part.seal()
    path = store.free(PATH)
    assert str(path) == "2026~3/03/a.wav"
    assert store.place(part, path)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "."])
def test_a_path_out_of_the_archive_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ArchiveError):
        Store(tmp_path).locate(path)


def test_a_part_keeps_the_mtime_and_can_not_be_written_once_sealed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    part = store.begin(PATH)
    part.write(b"x")
    part.seal(mtime_ns=1_234_567_890_123_456_789)
    part.seal()
    assert part.path.stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert part.path.stat().st_mode & 0o777 == 0o400
    with pytest.raises(ValueError, match="sealed"):
        part.write(b"y")
    part.discard()
    part.discard()
    assert list(tmp_path.rglob("*.part")) == []


def test_a_time_that_the_disk_can_not_keep_is_no_error(tmp_path: Path) -> None:
    part = Store(tmp_path).begin(PATH)
    part.seal(mtime_ns=(1 << 63) - 1)
    part.discard()


def test_a_changed_and_a_missing_file_are_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    part = store.begin(PATH)
    part.write(b"voice")
    part.seal()
    store.place(part, PATH)
    store.check(PATH, part.sha256)
    store.locate(PATH).chmod(0o600)
    store.locate(PATH).write_bytes(b"vpice")
    with pytest.raises(IntegrityError, match="other bytes"):
        store.check(PATH, part.sha256)
    store.locate(PATH).unlink()
    with pytest.raises(IntegrityError, match="any more"):
        store.check(PATH, part.sha256)


def test_a_name_that_can_not_be_given_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    part = store.begin(PATH)
    part.write(b"one")
    part.seal()

    def no(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", no)
        patched.setattr(Path, "replace", no)
        with pytest.raises(ArchiveError):
            store.place(part, PATH)
    assert not store.locate(PATH).exists()
    assert store.place(part, PATH)


def test_a_name_that_a_network_drive_made_and_denies_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, link = Store(tmp_path), os.link

    def twice(*words: Any, **more: Any) -> None:  # its first answer was lost
        link(*words, **more)
        link(*words, **more)

    monkeypatch.setattr(os, "link", twice)
    part = store.begin(PATH)
    part.write(b"one")
    part.seal()
    assert store.place(part, PATH)
    assert [path.name for path in store.locate(PATH).parent.iterdir()] == ["a.wav"]
    other = store.begin(PATH)
    other.write(b"one")
    other.seal()
    assert not store.place(other, PATH)
    other.discard()


def test_a_filed_recording_is_checked_as_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive(tmp_path, write=True) as archive:
        new = NewRecording("a.wav", 0)
        part = archive.begin(new)
        part.write(b"voice")
        recording, _ = file_part(archive, part, new)
        inode = archive.file_of(recording).stat().st_ino
        dropped: list[tuple[int, int]] = []

        def advise(fd: int, start: int, length: int, advice: int) -> None:
            assert (start, length, os.lseek(fd, 0, os.SEEK_CUR)) == (0, 0, 0)
            dropped.append((os.fstat(fd).st_ino, advice))
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))  # nobody depends on it

        monkeypatch.setattr(os, "posix_fadvise", advise)
        archive.store.check(recording.path, recording.sha256)
        assert dropped == [(inode, os.POSIX_FADV_DONTNEED)]
        assert audit(archive).findings == []
        assert dropped == [(inode, os.POSIX_FADV_DONTNEED)] * 2


def test_what_is_put_back_has_its_folder_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    part = store.begin(PurePosixPath("a.wav"))
    part.seal()
    made: list[Path] = []
    real = Store._make_folder

    def make(self: Store, folder: Path) -> None:
        made.append(folder)
        real(self, folder)

    monkeypatch.setattr(Store, "_make_folder", make)
    store.place_again(part, PATH)
    assert made == [store.locate(PATH).parent]
    assert store.locate(PATH).exists()
