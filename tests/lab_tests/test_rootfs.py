"""One tree per recipe, whole or not at all."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.lab import rootfs
from tests.lab.errors import LabError


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "offhook-lab"


def test_a_tree_that_is_there_is_found_at_once() -> None:
    tree = rootfs.build()
    begin = time.monotonic()
    assert rootfs.build() == tree
    assert time.monotonic() - begin < 0.5
    assert (tree / "system/bin/sh").readlink() == Path("mksh")
    assert list((tree / "boot").glob("vmlinuz-*"))
    assert list((tree / "usr/lib/modules").glob("*/kernel/sound/drivers/snd-aloop.ko*"))


def test_every_file_is_part_of_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = rootfs.recipe_hash()
    monkeypatch.setattr(rootfs, "HERE", tmp_path)
    monkeypatch.setattr(rootfs, "ANDROID", tmp_path / "android")
    monkeypatch.setattr(rootfs, "__file__", str(tmp_path / "rootfs.py"))
    shutil.copytree(Path(__file__).parents[1] / "lab/android", tmp_path / "android")
    shutil.copyfile(Path(__file__).parents[1] / "lab/rootfs.py", tmp_path / "rootfs.py")
    assert rootfs.recipe_hash() == before
    script = tmp_path / "android/bin/getprop"
    script.write_text(script.read_text() + "\n")
    changed = rootfs.recipe_hash()
    assert changed != before
    script.chmod(0o644)
    assert rootfs.recipe_hash() != changed


def test_of_two_builders_one_builds(monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> None:
    built = []
    both_wait = threading.Barrier(2)

    def assemble(folder: Path) -> None:
        built.append(folder)
        (folder / "root").mkdir()

    def build() -> None:
        both_wait.wait()
        rootfs.build()

    monkeypatch.setattr(rootfs, "_assemble", assemble)
    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_a_build_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    def assemble(folder: Path) -> None:
        (folder / "root").mkdir()
        raise LabError("no mirror")

    monkeypatch.setattr(rootfs, "_assemble", assemble)
    with pytest.raises(LabError, match="no mirror"):
        rootfs.build()
    assert [path.name for path in empty_cache.iterdir()] == ["lock"]


def test_the_users_own_umask_is_not_the_trees(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    def assemble(folder: Path) -> None:
        (folder / "root/lab/bin").mkdir(parents=True)

    monkeypatch.setattr(rootfs, "_assemble", assemble)
    umask = os.umask(0o077)
    try:
        tree = rootfs.build()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)
    assert (tree / "lab").stat().st_mode & 0o777 == 0o755


def test_debians_keys_are_named_where_apt_does_not_trust_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted, keys = tmp_path / "trusted", tmp_path / "debian-archive-keyring.gpg"
    trusted.mkdir()
    monkeypatch.setattr(rootfs, "_TRUSTED", trusted)
    monkeypatch.setattr(rootfs, "_KEYRING", keys)
    assert rootfs._keyring() == []
    keys.touch()
    assert rootfs._keyring() == [f"--keyring={keys}"]
    (trusted / "debian-archive-trixie-stable.asc").touch()
    assert rootfs._keyring() == []


def _fake_apt(folder: Path, listing: str) -> None:
    folder.mkdir()
    (folder / "apt-get").write_text(f"#!/bin/sh\ncat <<'END'\n{listing}\nEND\n")
    (folder / "apt-get").chmod(0o755)


def test_the_mirror_is_named_or_the_hosts_or_mmdebstraps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OFFHOOK_LAB_MIRROR", raising=False)
    debian, other = tmp_path / "debian", tmp_path / "other"
    _fake_apt(
        debian,
        "Debian|Debian-Security|http://a.invalid/security/\nDebian|Debian|http://b.invalid/debian/",
    )
    _fake_apt(other, "Ubuntu|Ubuntu|http://c.invalid/ubuntu/")
    monkeypatch.setenv("PATH", f"{debian}:/usr/bin:/bin")
    assert rootfs._mirror() == ["http://b.invalid/debian"]
    monkeypatch.setenv("PATH", f"{other}:/usr/bin:/bin")
    assert rootfs._mirror() == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rootfs._mirror() == []
    monkeypatch.setenv("OFFHOOK_LAB_MIRROR", "http://d.invalid/debian")
    assert rootfs._mirror() == ["http://d.invalid/debian"]
