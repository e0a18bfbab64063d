"""What the phones say they are: properties, settings, packages and files of each profile.

The shapes are those of real phones' ``getprop``; the values are made up or public knowledge.
ABIs say x86_64 on every profile, since that is what runs here. What a profile's sound card is
like is in ``tests.lab.cards``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.lab.errors import LabError

TIME_ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Item:
    """A file on a fresh phone; a folder, where ``text`` is None. ``owner`` is ``uid:gid``."""

    path: str
    mode: str
    owner: str
    text: str | None = None


@dataclass(frozen=True)
class Profile:
    """A model of phone. ``extra`` are properties that only this one has; ``packages`` and
    ``settings`` (``space name`` -> value) come on top of what all have, of which it is
    ``without`` some packages. ``su`` is how su answers
    at first: see ``LabPhone.su``."""

    name: str
    manufacturer: str
    brand: str
    model: str
    device: str
    platform: str
    soc_manufacturer: str
    soc_model: str
    release: str
    sdk: int
    build: str
    extra: dict[str, str] = field(default_factory=dict)
    packages: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    su: str = "grant"
    card: str = ""
    """The sound card of another profile, where it has the same."""

    @property
    def card_name(self) -> str:
        """Its sound card, by the name that it has in ``tests.lab.cards``, if it has one."""
        return self.card or self.name

    @property
    def fingerprint(self) -> str:
        return f"{self.brand}/{self.device}/{self.device}:{self.release}/{self.build}:user/release-keys"

    def properties(self, serial: str) -> dict[str, str]:
        """All of ``getprop``, for a phone with this serial."""
        first = {
            "dalvik.vm.heapsize": "512m",
            "gsm.current.phone-type": "1,1",
            "gsm.network.type": "LTE,Unknown",
            "gsm.operator.alpha": "Lab Mobile,",
            "gsm.operator.iso-country": "de,",
            "gsm.operator.isroaming": "false,false",
            "gsm.operator.numeric": "26299,",
            "gsm.sim.operator.alpha": "Lab Mobile,Other Net",
            "gsm.sim.operator.numeric": "26299,26298",
            "gsm.sim.state": "LOADED,LOADED",
            "gsm.version.baseband": "lab-modem-1.0",
            "init.svc.adbd": "running",
            "init.svc.vendor.ril-daemon": "running",
            "persist.radio.multisim.config": "dsds",
            "persist.sys.locale": "en-DE",
            "persist.sys.timezone": TIME_ZONE,
            "ro.adb.secure": "1",
            "ro.board.platform": self.platform,
            "ro.boot.hardware": self.platform,
            "ro.boot.serialno": serial,
            "ro.boot.verifiedbootstate": "orange",
            "ro.bootmode": "unknown",
            "ro.build.characteristics": "default",
            "ro.build.date.utc": "1735689600",
            "ro.build.display.id": self.build.split("/")[0],
            "ro.build.fingerprint": self.fingerprint,
            "ro.build.id": self.build.split("/")[0],
            "ro.build.tags": "release-keys",
            "ro.build.type": "user",
            "ro.build.user": "lab",
            "ro.build.version.codename": "REL",
            "ro.build.version.incremental": self.build.split("/")[1],
            "ro.build.version.release": self.release,
            "ro.build.version.sdk": str(self.sdk),
            "ro.build.version.security_patch": "2025-01-05",
            "ro.carrier": "unknown",
            "ro.crypto.state": "encrypted",
            "ro.crypto.type": "file",
            "ro.debuggable": "0",
            "ro.hardware": self.platform,
            "ro.kernel.version": "5.15",
            "ro.product.board": self.device,
            "ro.product.brand": self.brand,
            "ro.product.cpu.abi": "x86_64",
            "ro.product.cpu.abilist": "x86_64,x86",
            "ro.product.cpu.abilist32": "x86",
            "ro.product.cpu.abilist64": "x86_64",
            "ro.product.device": self.device,
            "ro.product.locale": "en-US",
            "ro.product.manufacturer": self.manufacturer,
            "ro.product.model": self.model,
            "ro.product.name": self.device,
            "ro.secure": "1",
            "ro.serialno": serial,
            "ro.soc.manufacturer": self.soc_manufacturer,
            "ro.soc.model": self.soc_model,
            "ro.system.build.fingerprint": self.fingerprint,
            "ro.telephony.default_network": "33,33",
            "ro.treble.enabled": "true",
            "ro.vendor.product.cpu.abilist": "x86_64,x86",
            "ro.zygote": "zygote64_32",
            "service.adb.root": "0",
            "sys.boot_completed": "1",
            "sys.usb.config": "adb",
            "sys.usb.state": "adb",
            "telephony.active_modems.max_count": "2",
        }
        if self.sdk < 31:  # Android 12 brought them
            first = {name: v for name, v in first.items() if not name.startswith("ro.soc.")}
        return dict(sorted((first | self.extra).items()))

    def state(self, serial: str) -> dict[str, list[str]]:
        """What ``lab/provision`` makes: the name of each file of Android's state -> its lines."""
        files = {"props": [f"{k}={v}" for k, v in self.properties(serial).items()]}
        for space, settings in SETTINGS.items():
            own = {k.split(" ")[1]: v for k, v in self.settings.items() if k.startswith(space)}
            files[f"settings.{space}"] = [f"{k}={v}" for k, v in (settings | own).items()]
        packages = dict(sorted((PACKAGES | self.packages).items()))
        for name in self.without:
            del packages[name]
        files["packages"] = [
            f"{name}\t{uid}\t{path}\t{version.format(release=self.release)}"
            for name, (uid, path, version) in packages.items()
        ]
        data = [
            Item(f"/data/{where}/{name}{below}", "0700", f"{uid}:{uid}")
            for name, (uid, _, _) in packages.items()
            if uid >= 10000
            for where in ("data", "user_de/0")
            for below in ("", "/files")
        ]
        files["items"] = [
            "\t".join((i.mode, i.owner, i.path, "-" if i.text is None else _escaped(i.text)))
            for i in (*data, *self.items)
        ]
        return files


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


_DIALERS_OWN = "/data/media/0/MIUI/sound_recorder"

_BCR = "/data/adb/modules/com.chiller3.bcr"
_BCR_PROP = """id=com.chiller3.bcr
name=BCR
version=v1.79
versionCode=67328
author=chenxiaolong
description=Basic Call Recorder
updateJson=https://raw.githubusercontent.com/chenxiaolong/BCR/master/app/magisk/updates/release/info.json
"""
_BCR_APK = "/system/priv-app/com.chiller3.bcr/app-release.apk"
_BCR_FOLDERS = ("data", "data/com.chiller3.bcr", "data/com.chiller3.bcr/files")

_PROFILES = (
    Profile(
        "plain", "Offhook", "offhook", "Lab Phone", "labphone", "lab", "Offhook", "LAB1",
        "14", 34, "UP1A.231005.007/1",
    ),
    Profile(
        "sm8250", "Xiaomi", "Xiaomi", "2112123AC", "psyche", "kona", "QTI", "SM8250",
        "13", 33, "TKQ1.220829.002/V14.0.5.0.TLDEUXM",
        {"ro.boot.hardware": "qcom", "ro.hardware": "qcom", "ro.vendor.qti.soc_name": "kona"},
    ),
    Profile(
        "tensor", "Google", "google", "Pixel 8 Pro", "husky", "zuma", "Google", "Tensor G3",
        "15", 35, "AP4A.250105.002/12701944",
        {"ro.boot.hardware": "husky", "ro.hardware": "husky", "ro.boot.hardware.platform": "zuma"},
    ),
    Profile(
        "audioreach", "samsung", "samsung", "SM-S901E", "r0q", "taro", "QTI", "SM8450",
        "14", 34, "UP1A.231005.007/S901EXXU9DXE1",
        {"ro.boot.hardware": "qcom", "ro.hardware": "qcom"},
    ),
    Profile(
        "sm8150", "OnePlus", "OnePlus", "GM1913", "OnePlus7Pro", "msmnile", "QTI", "SM8150",
        "12", 31, "SKQ1.211113.001/P.202212232036",
        {"ro.boot.hardware": "qcom", "ro.hardware": "qcom"},
    ),
    Profile(
        "msm8953", "Xiaomi", "xiaomi", "Mi A2 Lite", "daisy_sprout", "msm8953", "QTI", "MSM8953",
        "10", 29, "QKQ1.191002.002/V11.0.21.0.QDLMIXM",
        {"ro.boot.hardware": "qcom", "ro.hardware": "qcom"},
    ),
    Profile(
        "exynos9810", "samsung", "samsung", "SM-N960F", "crownlte", "exynos9810", "Samsung",
        "Exynos 9810", "10", 29, "QP1A.190711.020/N960FXXS9FUJ1",
        {"ro.boot.hardware": "samsungexynos9810", "ro.hardware": "samsungexynos9810",
         "ro.product.board": "universal9810", "ro.arch": "exynos9810"},
    ),
    Profile(
        "mt6785", "Xiaomi", "Redmi", "Redmi Note 8 Pro", "begonia", "mt6785", "Mediatek", "MT6785",
        "11", 30, "RP1A.200720.011/V12.5.6.0.RGGMIXM",
        {"ro.boot.hardware": "mt6785", "ro.hardware": "mt6785", "ro.mediatek.platform": "MT6785"},
    ),
    # AudioReach: its kernel has no tap, and BCR's module is installed.
    Profile(
        "bcr", "OnePlus", "OnePlus", "NE2213", "OP515BL1", "taro", "QTI", "SM8450",
        "14", 34, "UKQ1.230924.001/S.18d4f0e-1-3",
        {"ro.boot.hardware": "qcom", "ro.hardware": "qcom"},
        packages={"com.chiller3.bcr": (10215, _BCR_APK, "1.79")},
        items=(
            Item(_BCR, "0755", "0:0"),
            Item(f"{_BCR}/module.prop", "0644", "0:0", _BCR_PROP),
            *(Item(f"/data/media/0/Android/{f}", "2770", "1023:1023") for f in _BCR_FOLDERS),
        ),
        card="audioreach",
    ),
    # Without root.
    Profile(
        "voicecall", "motorola", "motorola", "motorola edge 40", "lyriq", "mt6893", "Mediatek",
        "MT6893", "14", 34, "U1TL34.115-13/8ec5c6",
        {"ro.boot.hardware": "mt6893", "ro.hardware": "mt6893",
         "ro.boot.verifiedbootstate": "green"},
        su="absent",
    ),
    # Without root, and its own dialer records, to a folder of its own.
    Profile(
        "dialer", "Xiaomi", "Redmi", "M2003J15SC", "merlin", "mt6768", "Mediatek", "MT6768",
        "11", 30, "RP1A.200720.011/V12.5.4.0.RJOMIXM",
        {"ro.boot.hardware": "mt6768", "ro.hardware": "mt6768",
         "ro.boot.verifiedbootstate": "green", "ro.miui.ui.version.code": "11",
         "ro.miui.ui.version.name": "V125", "ro.miui.region": "ID"},
        packages={
            "com.android.contacts": (10073, "/system/priv-app/Contacts/Contacts.apk", "13.14.6.3"),
            "com.android.incallui": (10074, "/system/priv-app/InCallUI/InCallUI.apk", "9.2.16"),
            "com.android.soundrecorder": (
                10092, "/system/app/SoundRecorder/SoundRecorder.apk", "1.8.19",
            ),
        },
        without=("com.google.android.dialer",),
        settings={"secure dialer_default_application": "com.android.contacts"},
        items=(
            Item("/data/media/0/MIUI", "2770", "1023:1023"),
            Item(_DIALERS_OWN, "2770", "1023:1023"),
            Item(f"{_DIALERS_OWN}/call_rec", "2770", "1023:1023"),
        ),
        su="absent",
    ),
)  # fmt: skip
PROFILES = {profile.name: profile for profile in _PROFILES}

SETTINGS: dict[str, dict[str, str]] = {
    "system": {
        "notification_sound": "content://media/internal/audio/media/31",
        "ringtone": "content://media/internal/audio/media/58",
        "screen_off_timeout": "60000",
        "time_12_24": "24",
        "volume_voice": "4",
    },
    "secure": {
        "android_id": "5a1ab0f1ce000001",
        "dialer_default_application": "com.google.android.dialer",
        "enabled_accessibility_services": "",
        "location_mode": "3",
        "user_setup_complete": "1",
    },
    "global": {
        "adb_enabled": "1",
        "airplane_mode_on": "0",
        "auto_time": "1",
        "device_name": "Lab Phone",
        "device_provisioned": "1",
        "heads_up_notifications_enabled": "1",
        "multi_sim_voice_call": "1",
        "stay_on_while_plugged_in": "0",
        "zen_mode": "0",
    },
}

PACKAGES: dict[str, tuple[int, str, str]] = {
    "android": (1000, "/system/framework/framework-res.apk", "{release}"),
    "com.android.phone": (1001, "/system/priv-app/TeleService/TeleService.apk", "{release}"),
    "com.android.providers.contacts": (
        10061, "/system/priv-app/ContactsProvider/ContactsProvider.apk", "{release}",
    ),
    "com.android.server.telecom": (1000, "/system/priv-app/Telecom/Telecom.apk", "{release}"),
    "com.android.shell": (2000, "/system/priv-app/Shell/Shell.apk", "{release}"),
    "com.google.android.dialer": (
        10133, "/product/priv-app/GoogleDialer/GoogleDialer.apk", "162.0.718",
    ),
}  # fmt: skip
"""Package -> uid, path of its APK, version name."""


def profile(name: str) -> Profile:
    """The profile with this name; LabError names those that there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise LabError(f"no profile {name!r}; there are: {', '.join(PROFILES)}") from None
