"""A snapshot sees every kind of change, and sees none where there is none."""

from __future__ import annotations

import pytest

from tests.lab.phone import LabPhone

CHANGES = {
    "a new file": ("echo x > /data/adb/new", "files: + '/data/adb/new'"),
    "other bytes": ("printf y > /data/local/tmp/old", "files: '/data/local/tmp/old'"),
    "a mode": ("chmod 0600 /data/local/tmp/old", "files: '/data/local/tmp/old'"),
    "an owner": ("chown 0:0 /data/local/tmp/old", "files: '/data/local/tmp/old'"),
    "a removed folder": ("rmdir /data/media/0/DCIM", "files: - '/data/media/0/DCIM'"),
    "a link": ("ln -s /a /data/local/tmp/link", "files: + '/data/local/tmp/link'"),
    "a hostile name": ("echo > '/data/a\nb -- \\0'", r"files: + '/data/a\nb -- \\0'"),
    "a setting": ("settings put secure android_id 1", "settings: 'secure android_id'"),
    "a new setting": ("settings put global offhook 1", "settings: + 'global offhook'"),
    "a property": ("setprop persist.x 1", "properties: + 'persist.x'"),
    "SELinux": ("setenforce 0", "selinux: 'mode': 'Enforcing' -> 'Permissive'"),
    "a notification": (
        "su 2000 -c 'cmd notification post t x' >/dev/null",
        "notifications: + '0|com.android.shell|2020|t|2000'",
    ),
    "a process": ("sleep 321 </dev/null >/dev/null 2>&1 &", "processes: + 'sleep 321'"),
    "a mount": ("mount -t tmpfs -o mode=0755 x /mnt", "mounts: '/mnt'"),
}


@pytest.fixture
def own_phone() -> LabPhone:
    return LabPhone()


def test_each_kind_of_change_is_seen(own_phone: LabPhone) -> None:
    with own_phone as phone:
        phone.root("printf x > /data/local/tmp/old; chown 2000:2000 /data/local/tmp/old")
        before = phone.snapshot()
        assert phone.diff(before, phone.snapshot()) == []
        for what, (change, line) in CHANGES.items():
            phone.root(change)
            after = phone.snapshot()
            changed = phone.diff(before, after)
            assert len(changed) == 1 and changed[0].startswith(line), (what, changed)
            before = after


def test_a_call_leaves_no_trace_in_a_snapshot(own_phone: LabPhone) -> None:
    with own_phone as phone:
        before = phone.snapshot()
        phone.call(ring=0.1, active=0.1)
        assert phone.diff(before, phone.snapshot()) == []
