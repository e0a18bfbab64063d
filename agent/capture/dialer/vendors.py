"""The dialers that record by themselves, a row each: :data:`DIALERS`. A new one is a row here.

What is in here was read in vendors' own code or seen on phones by others (grade P and O in our
notes) unless a comment says that it is only claimed. None of it was tried on a handset here.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.naming.folders import folders_of, private_of

GOOGLES = "com.google.android.dialer"
#: What the vendors' own builds call the app that dials; which one it is, the marks tell.
_COMMON = frozenset(
    ["com.android.contacts", "com.android.dialer", "com.android.incallui", "com.android.phone"]
)


@dataclass(frozen=True)
class Setting:
    """A row of Android's settings: ``space`` is system, secure or global. ``on`` is the value with
    which every call is recorded; ``absent`` says that no row means the same."""

    space: str
    key: str
    on: str = "1"
    absent: bool = False

    @property
    def name(self) -> str:
        """``system button_auto_record_call``: as it stands in the journal."""
        return f"{self.space} {self.key}"


@dataclass(frozen=True)
class Dialer:
    """A dialer that records.

    It is the phone's when the app that dials is one of ``dialers`` (with a dot at the end: all
    that begin so), and one of the marks is there: a ``manufacturers`` name, the beginning of a
    chip's name in ``platforms``, one of ``properties`` that is set, one of ``packages``. A row
    without any mark is known by its dialer alone.

    Where it records is in the table of folders, by its ``name``.

    ``switches`` are alternatives, the newest first: settings that have every call recorded. The
    first of each is the one by which a phone shows that it knows them. ``unlocks`` have to be so
    for the dialer to offer recording at all. ``everywhere``: it records in every country, else
    the phone has to have a trace of it (a folder, a setting) to be believed. ``traces``
    are files that only root sees. ``automatic``: it can begin by itself. ``taps`` is what the user
    does where no setting is known; ``says`` is how the ends of a call learn of it, and
    ``announces`` that both of them hear so in words.
    """

    name: str
    what: str
    dialers: frozenset[str]
    taps: str
    manufacturers: frozenset[str] = frozenset()
    properties: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    switches: tuple[tuple[Setting, ...], ...] = ()
    unlocks: tuple[Setting, ...] = ()
    everywhere: bool = False
    traces: tuple[str, ...] = ()
    automatic: bool = True
    says: str = "Whether it tells the other end is up to it."
    announces: bool = False

    @property
    def folders(self) -> tuple[str, ...]:
        """Its folders in shared storage, found whatever the case of their letters; the first is
        where the newest version keeps its recordings. They are scanned with all that is below
        them. Folders that others use too (``Recordings``, ``voice``) are left out: nobody's voice
        memos are pulled for calls."""
        return folders_of(self.name)

    @property
    def private(self) -> str | None:
        """A folder of its own that only root may enter."""
        return private_of(self.name)

    @property
    def marked(self) -> bool:
        """Whether more than the app's name is needed to know it."""
        return bool(self.manufacturers or self.properties or self.packages or self.platforms)


_GOOGLES_FILES = f"/data/data/{GOOGLES}/files"

#: Systems by other makers stand before those of the phones that they run on.
DIALERS: tuple[Dialer, ...] = (
    Dialer(
        "google",
        "Google's Phone",
        frozenset([GOOGLES]),
        "On the phone: Phone, ⋮, Settings, «Call recording»; turn on what records by itself, or tap "
        "«Record» in each call.",
        traces=(
            f"{_GOOGLES_FILES}/callrecording",
            f"{_GOOGLES_FILES}/CallRecordingSettingsData.pb",
        ),
        says="A voice tells both ends of the call that it is recorded.",
        announces=True,
    ),
    Dialer(
        "skt",
        "SK Telecom's T phone (A.)",
        frozenset(["com.skt.prod.dialer"]),
        "On the phone: T phone, Settings, call recording, automatic.",
    ),
    Dialer(
        "lineageos",
        "LineageOS's dialer",
        frozenset(["com.android.dialer"]),
        "On the phone, tap the record button in each call: this dialer does not begin by itself, "
        "and shows the button only where its list of countries allows it.",
        properties=("ro.lineage.version", "ro.crdroid.version", "ro.cm.version"),
        automatic=False,
    ),
    Dialer(
        "grapheneos",
        "GrapheneOS's dialer",
        frozenset(["com.android.dialer"]),
        "On the phone, tap «Record call» in each call: this dialer does not begin by itself.",
        packages=("app.grapheneos.apps",),
        everywhere=True,
        automatic=False,
    ),
    Dialer(
        "miui",
        "Xiaomi's dialer (MIUI, HyperOS)",
        _COMMON,
        "On the phone: Phone, Settings, «Call recording», «Record calls automatically», for all "
        "numbers.",
        properties=("ro.miui.ui.version.name", "ro.mi.os.version.name"),
        # MiuiSettings.System; MIUI's own interface for companies sets no more than this.
        switches=((Setting("system", "button_auto_record_call"),),),
        everywhere=True,
    ),
    Dialer(
        "samsung",
        "Samsung's Phone",
        _COMMON | {"com.samsung."},
        "On the phone: Phone, ⋮, Settings, «Record calls», «Auto record calls», on, for all calls.",
        manufacturers=frozenset(["samsung"]),
        # PhoneVoiceRecorderManager: type 0 is all callers, 1 selected ones, 2 unsaved ones.
        switches=(
            (
                Setting("system", "record_calls_automatically_on_off"),
                Setting("system", "record_calls_automatically_type", "0"),
            ),
        ),
    ),
    Dialer(
        "huawei",
        "Huawei's or Honor's dialer (EMUI, HarmonyOS, MagicOS)",
        _COMMON | {"com.huawei.", "com.hihonor."},
        "On the phone: Phone, ⋮, Settings, «Call recording», «Record calls automatically», for all "
        "numbers.",
        manufacturers=frozenset(["huawei", "honor"]),
        # AutoRecordCall: all numbers unless told otherwise.
        switches=(
            (
                Setting("secure", "enable_record_auto_key"),
                Setting("secure", "enable_all_numbers_key", absent=True),
            ),
        ),
    ),
    Dialer(
        "coloros",
        "OPPO's, realme's or OnePlus's dialer (ColorOS, OxygenOS 12 and later)",
        _COMMON | {"com.oplus.", "com.coloros.", "com.oneplus."},
        "On the phone: Phone, ⋮, Settings, «Call recording», «Auto record calls», for all calls.",
        properties=("ro.build.version.oplusrom", "ro.build.version.opporom"),
        manufacturers=frozenset(["oppo", "realme"]),
        # OplusAudioRecordUtil.isAllRecordOn; the second is what it was called before.
        switches=(
            (Setting("global", "oplus_customize_all_call_audio_record"),),
            (Setting("global", "oppo_all_call_audio_record"),),
        ),
    ),
    Dialer(
        "oxygenos",
        "OnePlus's dialer (OxygenOS up to 11)",
        _COMMON | {"com.oneplus."},
        "On the phone: Phone, ⋮, Settings, «Call recording», automatic, for all calls.",
        manufacturers=frozenset(["oneplus"]),
        # It is gone after each reboot.
        unlocks=(Setting("global", "op_voice_recording_supported_by_mcc"),),
    ),
    Dialer(
        "vivo",
        "vivo's dialer (Funtouch, OriginOS)",
        _COMMON | {"com.vivo."},
        "On the phone: Phone, Settings, «Call recording», record all calls automatically.",
        properties=("ro.vivo.os.version",),
        manufacturers=frozenset(["vivo", "iqoo"]),
        # 1 is all calls, 2 is chosen numbers.
        switches=((Setting("global", "call_record_state_global"),),),
    ),
    Dialer(
        "meizu",
        "Meizu's dialer (Flyme)",
        _COMMON | {"com.meizu."},
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["meizu"]),
        # MzSettings.Global
        switches=((Setting("global", "auto_record_when_calling"),),),
    ),
    Dialer(
        "zte",
        "ZTE's or nubia's dialer",
        _COMMON,
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["zte", "nubia"]),
        switches=((Setting("system", "auto_recorder"),),),  # only claimed
    ),
    Dialer(
        "lenovo",
        "Lenovo's dialer",
        _COMMON | {"com.lenovo."},
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["lenovo"]),
    ),
    Dialer(
        "motorola",
        "Motorola's dialer (China)",
        _COMMON,
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["motorola"]),
    ),
    Dialer(
        "coolpad",
        "Coolpad's dialer",
        _COMMON,
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["coolpad", "yulong"]),
    ),
    Dialer(
        "360",
        "360's dialer",
        _COMMON,
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["360", "qiku"]),
    ),
    Dialer(
        "leeco",
        "LeEco's dialer",
        _COMMON,
        "On the phone: Phone, Settings, automatic call recording.",
        manufacturers=frozenset(["leeco", "lemobile", "letv"]),
    ),
    Dialer(
        "lg",
        "LG's dialer",
        _COMMON | {"com.lge."},
        "On the phone: Phone, ⋮, Settings, call recording.",
        manufacturers=frozenset(["lge", "lg"]),
    ),
    # The chip maker's own dialer, on many low-cost phones.
    Dialer(
        "unisoc",
        "UNISOC's dialer",
        frozenset(["com.android.dialer"]),
        "On the phone: Phone, ⋮, Settings, «Auto record calls», or «Record» in each call.",
        platforms=("sc8", "sc9", "sp7", "sp9", "ums"),
        says="A tone is played when it begins and when it ends.",
    ),
)
BY_NAME = {dialer.name: dialer for dialer in DIALERS}
