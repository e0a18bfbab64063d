"""What of a phone's words may be shown to strangers.

Properties are kept by a list of what is allowed: makers invent names (``ro.vendor.oem.psno``,
``persist.vendor.sys.gsn``, ``gsm.…msisdn``), so a list of what is not allowed has holes by its
nature, and a hole can't be taken back once a report is public. What is kept is searched besides:
for what looks like an identifier, and for each value of the phone's own that is one by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent.capture.alsa.hints import CHIP_KEYS

#: Properties that say what kind of phone it is, and how its sound and its log are set up.
_ALLOWED = re.compile(
    "|".join(
        (
            *(re.escape(key) for key in CHIP_KEYS),
            (
                r"ro(\.(system|vendor|odm|product|system_ext|bootimage))?(\.product)?"
                r"\.(build\.(fingerprint|id|type|tags|version\.(release|sdk|incremental"
                r"|release_or_codename|security_patch))|manufacturer|brand|model|device|name|board)"
            ),
            (
                r"ro\.product\.(manufacturer|brand|model|device|name|board|first_api_level|cpu\.abi"
                r"|cpu\.abilist(32|64)?)"
            ),
            (
                r"ro\.build\.(characteristics|display\.id|product|version\.(codename|all_codenames"
                r"|preview_sdk|base_os|oneui|opporom|oplusrom|emui|magic|min_supported_target_sdk))"
            ),
            (
                r"ro\.(miui\.ui|mi\.os|lineage|modversion|calyxos|grapheneos|oxygen|flyme|vivo\.os"
                r"|custom)(\.build)?(\.version)?(\.(name|code|incremental))?"
            ),
            r"ro\.soc\.(model|manufacturer)",
            r"ro\.(vendor\.)?(mediatek|qti|qualcomm)\.(platform|soc_name|soc_model|version\.release)",
            r"ro\.(boot\.)?hardware(\.(platform|chipname|sku|revision|radio\.subtype|audio\.\w+))?",
            r"ro\.boot\.(verifiedbootstate|flash\.locked|selinux|slot_suffix)",
            (
                r"ro\.(bionic\.(arch|cpu_variant)|zygote|debuggable|secure|adb\.secure|treble\.enabled"
                r"|vndk\.version|board\.api_level|kernel\.version|kernel\.qemu|crypto\.(state|type)"
                r"|telephony\.(default_network|sim\.count)|carrier\.voice_capable)"
            ),
            r"persist\.radio\.multisim\.config|telephony\.active_modems\.max_count",
            r"((ro|persist|sys|persist\.sys)\.)?(vendor\.)?audio\.[\w.\-]+",
            r"(persist\.)?log\.tag(\.[\w.\-]+)?",
            r"init\.svc\.[\w.\-]*audio[\w.\-]*",
        )
    )
)
_VALUE = re.compile(r"[\x20-\x7e]{0,200}")
#: Names of properties whose values are somebody's; what they say is looked for everywhere.
_SOMEBODYS = re.compile(
    r"serial|imei|meid|\besn\b|iccid|msisdn|imsi|\bmac|macaddr|bdaddr|btaddr|gsn|\bpsno?\b|uuid"
    r"|device_?id|android_?id|ssid|phone_?number|line1|hostname|device_?name|account|owner|token"
    r"|secret|password|operator\.alpha|build\.(user|host)|location|gps|timezone",
    re.IGNORECASE,
)
_PATTERNS = (
    ("e-mail", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})+")),
    ("address", re.compile(r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")),
    ("number", re.compile(r"(?<![0-9A-Za-z])\+[0-9][0-9 ()/-]{5,20}[0-9]")),
    ("number", re.compile(r"(?<![0-9])[0-9]{14,22}(?![0-9])")),
    ("token", re.compile(r"(?<![0-9A-Za-z])(?=[0-9A-Fa-f]*[0-9])[0-9A-Fa-f]{32,}(?![0-9A-Za-z])")),
    ("user", re.compile(r"(?<=\beng\.)[^.\s/:]{1,40}(?=\.)")),
    ("user", re.compile(r"(?:(?<=/home/)|(?<=/Users/))[^/\s]{1,60}")),
)  # fmt: skip
#: What a diagnosis says of a phone, a route and the recorder, that is of no person.
_FACTS = (
    "manufacturer", "model", "android", "sdk", "fingerprint", "platform", "soc", "abis", "kernel",
    "selinux", "free_bytes",
)  # fmt: skip
_OF_A_ROUTE = (
    "route", "family", "possible", "reason", "instead", "card", "pcm", "pcm_name", "rate",
    "channels", "controls",
)  # fmt: skip
_OF_THE_RECORDER = (
    "installed", "off", "running", "supervised", "state", "notice", "undo", "problem", "version",
    "protocol", "events", "boot",
)  # fmt: skip
_REGISTRY = re.compile(
    r"\b(Phone Id|m(?:Ringing|Foreground|Background|Precise)?CallState)\s{0,3}[=:]\s{0,3}"
    r"(-?[0-9]{1,2})\b"
)


class Redactor:
    """Takes out of texts what is somebody's; ``count`` says how often it did."""

    def __init__(self, properties: Mapping[str, str], *more: str) -> None:
        values = [v.strip() for key, v in properties.items() if _SOMEBODYS.search(key)]
        words = {word for value in values for word in (value, *value.split(","))} | set(more)
        # A word that the phone uses for its kind, too, says nothing of a person.
        kinds = {v.lower() for key, v in properties.items() if _is_kept(key)}
        secrets = sorted(
            (w for w in words if len(w) >= 5 and w.lower() not in kinds | _COMMON), key=len
        )
        self._secrets = re.compile(
            "|".join(re.escape(word) for word in reversed(secrets)) or "(?!)"
        )
        self._home = str(Path.home())
        self.count = 0

    def text(self, text: str) -> str:
        """The same text, with a word in brackets for each thing that is somebody's."""
        if len(self._home) > 1:
            text = text.replace(self._home, "~")
        text, found = self._secrets.subn("[redacted]", text)
        self.count += found
        for word, pattern in _PATTERNS:
            text, found = pattern.subn(f"[{word}]", text)
            self.count += found
        return text

    def value(self, value: Any) -> Any:
        """Whatever JSON can hold, with each text in it redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(key): self.value(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def properties(self, properties: Mapping[str, str]) -> str:
        """``getprop``'s list, of what is allowed."""
        kept = {
            key: value
            for key, value in sorted(properties.items())
            if _is_kept(key) and _VALUE.fullmatch(value)
        }
        return "".join(f"[{key}]: [{self.text(value)}]\n" for key, value in kept.items())

    def xml(self, text: str) -> str:
        """An XML file without its comments: engineers sign them."""
        parts = text.split("<!--")
        kept = [parts[0], *(part.partition("-->")[2] for part in parts[1:])]
        return self.text("".join(kept))

    def diagnosis(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A diagnosis' ``as_dict``: the facts and the verdicts, without serial, zone and times."""
        kept = {key: body.get(key) for key in ("clock_ms", "clock_error_ms", "root", "root_problem",
                                               "cards", "pcms", "controls", "warnings")}  # fmt: skip
        kept["phone"] = _some(body["phone"], _FACTS)
        kept["routes"] = [self._route(route) for route in body["routes"]]
        kept["recorder"] = _some(body["recorder"], _OF_THE_RECORDER) if body["recorder"] else None
        cleaned: dict[str, Any] = self.value(kept)
        return cleaned

    def _route(self, route: Mapping[str, Any]) -> dict[str, Any]:
        kept = _some(route, _OF_A_ROUTE)
        if kept["route"] == "microphone":  # it names what is plugged into this computer
            kept["reason"] = "this computer's microphones are not told"
        return kept


_COMMON = frozenset(
    {"unknown", "false", "disabled", "enabled", "default", "android", "build", "none"}
)


def registry_shape(text: str) -> str:
    """Of ``dumpsys telephony.registry``, the states of calls: names of ours and small numbers.

    Nothing else of it is copied, so no number, name or cell can be. A line of the phone's is a
    line here.
    """
    lines = (
        " ".join(f"{name}={value}" for name, value in _REGISTRY.findall(line[:2000]))
        for line in text.splitlines()[:5000]
    )
    return "".join(f"{line}\n" for line in lines if line)


def _is_kept(key: str) -> bool:
    return bool(_ALLOWED.fullmatch(key)) and not _SOMEBODYS.search(key)


def _some(body: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: body[key] for key in keys if key in body}
