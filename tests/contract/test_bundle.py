"""A phone's bundle: what is in it, and that it is judged as the phone is."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.capture.alsa.asking import read_xml
from agent.capture.offline.bundle import check_target
from agent.errors import UsageError
from agent.phone.phone import open_phone
from tests.lab.phone import LabPhone
from tests.offhook import Offhook

XML = '<mixer><ctl name="AIF1TX1 Input 2" value="LHPF2"/></mixer>'


@pytest.fixture(scope="module")
def phone() -> Iterator[LabPhone]:
    with LabPhone(profile="exynos9810") as made:
        yield made


def routes(body: dict[str, Any]) -> list[tuple[str, bool | None]]:
    return [(route["route"], route["possible"]) for route in body["routes"]]


def test_a_bundle_is_private_and_has_nobody_in_it(phone: LabPhone, tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home", phone.address)
    phone.call(ring=0.1, active=0.1, number="+4930123456", contact="Ada Miller")
    file = tmp_path / "bundle.zip"
    before = phone.snapshot()
    ran = offhook.good("doctor", "--bundle", str(file))
    assert phone.changes(before) == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.glob("*bundle*")) == ["bundle.zip"]
    assert "Look through it before you send it" in ran.out.replace("\n", " ")
    with zipfile.ZipFile(file) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    for name in texts:
        assert name in ran.out
    whole = "\n".join(texts.values())
    for word in (phone.serial, "4930123456", "Ada", "127.0.0.1", "Lab Mobile", "Berlin"):
        assert word not in whole, word
    assert "[ro.board.platform]: [exynos9810]" in texts["getprop.txt"]
    assert "mCallState=0" in texts["telephony_registry_states.txt"]
    assert json.loads(texts["bundle.json"])["offhook"]


def test_a_bundle_is_judged_as_the_phone_is(phone: LabPhone, tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home", phone.address)
    for mode in ("grant", "absent"):
        phone.su(mode)
        file = tmp_path / f"{mode}.zip"
        live = offhook.good("--json", "doctor", "--bundle", str(file)).json
        saved = offhook.good("--json", "doctor", "--from", str(file)).json
        assert routes(saved) == routes(live)
        assert live["bundle"]["warnings"] == []
        for key in ("family", "card", "pcm", "rate", "channels", "controls"):
            assert saved["routes"][0][key] == live["routes"][0][key], key
    phone.su("grant")


def test_what_is_there_is_never_written_over(phone: LabPhone, tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home", phone.address)
    mine = tmp_path / "mine.zip"
    mine.write_text("mine")
    (tmp_path / "link.zip").symlink_to(tmp_path / "nowhere")
    for name in ("mine.zip", "link.zip", ".", "no/such/folder.zip"):
        with pytest.raises(UsageError):
            check_target(tmp_path / name)
    assert offhook.run("doctor", "--bundle", str(mine)).code == 2
    assert mine.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_the_files_of_an_audio_hal_are_read_from_where_makers_keep_them(phone: LabPhone) -> None:
    phone.root(
        "mkdir /lab/state/etc && cp -a /system/etc/. /lab/state/etc/ && mount --bind /lab/state/etc /system/etc && "
        "cd /system/etc && mkdir -p audio/sku_x && "
        f"print -rn -- '{XML}' > mixer_paths_0.xml && cp mixer_paths_0.xml audio/ && "
        "print '<defs/>' > audio/sku_x/card-defs.xml && print x > hosts.xml && "
        "dd if=/dev/zero of=mixer_paths_big.xml bs=1M count=2 2>/dev/null"
    )
    try:
        with open_phone("{}:{}".format(*phone.address), way="tcp") as opened:
            found = read_xml(opened)
    finally:
        phone.root("umount -l /system/etc; rm -rf /lab/state/etc")
    # The same bytes once, and nothing that is larger than such files are.
    assert found == [
        ("/system/etc/audio/mixer_paths_0.xml", XML),
        ("/system/etc/audio/sku_x/card-defs.xml", "<defs/>\n"),
    ]
