"""What the phones say they are: the properties and settings of each profile.

The shapes are those of real phones' ``getprop``; the values are made up or public knowledge.
ABIs say x86_64 on every profile, since that is what runs here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.lab.errors import LabError

TIME_ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Profile:
    """A model of phone. ``extra`` are properties that only this one has."""

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
        return dict(sorted((first | self.extra).items()))


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
    "com.chiller3.bcr": (10215, "/system/priv-app/com.chiller3.bcr/app-release.apk", "1.79"),
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
