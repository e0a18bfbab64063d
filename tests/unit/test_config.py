"""offhook.toml, and the consent and the journal that stand beside it."""

import re
from pathlib import Path

import pytest

from agent.adb.address import parse_address
from agent.archive.settings import Cleanup
from agent.capture.consent import consent
from agent.capture.journal import Journal, end_journal, read_journal, write_journal
from agent.capture.law import VERSION
from agent.config import load_config
from agent.errors import ConfigError, ConsentError, UsageError
from agent.limits import Limits


def write(home: Path, text: str) -> Path:
    (home / "offhook.toml").write_text(text, encoding="utf-8")
    return home


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert load_config(tmp_path).phones == ()


def test_phones_and_sources(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            '[[phone]]\nalias = "desk"\naddress = "192.0.2.7"\n'
            '[[source]]\nname = "bcr"\npath = "/sdcard/BCR"\nroot = true\n',
        )
    )
    assert config.phones[0].alias == "desk"
    assert config.sources[0].root is True
    assert config.sources[0].atomic is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[phone", "can't read"),
        ('[[phon]]\nalias = "x"', "Did you mean 'phone'"),
        ('[[phone]]\naliass = "x"', "Did you mean 'alias'"),
        ('[[phone]]\nalias = "x"', "needs address"),
        ('[[phone]]\nalias = "x"\naddress = "192.0.2.7:0"', "not an address"),
        ('[[phone]]\nalias = "x"\naddress = "192.0.2.7:70000"', "HOST:PORT"),
        ('[[phone]]\nalias = "x\\u001b[31m"\naddress = "A1"', r"x\\\\x1b.* typed"),
        ('[[phone]]\nalias = " x"\naddress = "A1"', "can't be typed"),
        (
            '[[phone]]\nalias = "x"\naddress = "A1"\n[[phone]]\nalias = "y"\naddress = "A1"',
            "address 'A1' stands twice",
        ),
        ('[phone]\nalias = "x"', r"\[\[phone\]\]"),
        ('[[source]]\nname = "x"\npath = "BCR"', "not absolute"),
        ('[[source]]\nname = "x"\npath = "/B"\nroot = 1', "not true or false"),
        ('[[source]]\nname = "x"\npath = "/B"\n' * 2, "stands twice"),
        ("[sync]\nrate = 2", 'rate is 2, not a rate of at least 16 KiB/s, such as "2 MiB/s"'),
        ('[sync]\nrate = "2 MiB"', "rate is '2 MiB', not a rate"),
        ('[sync]\nrate = "2 Mbit/s"', "'2 Mbit/s', not a rate"),
        ('[sync]\nrate = "0 MiB/s"', "at least 16 KiB/s"),
        ('[sync]\nrate = "1 KiB/s"', "at least 16 KiB/s"),
        ('[sync]\nrates = "2 MiB/s"', "Did you mean 'rate'"),
        ("[sync]\npause_below = 0", "pause_below is 0, not 1 to 95"),
        ("[sync]\npause_below = true", "pause_below is True"),
        ('[sync]\npause_above = "45"', "pause_above is '45', not 30 to 80"),
        ("[[sync]]", r"written as \[sync\]"),
    ],
)
def test_every_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert re.search(words, f"{caught.value} {caught.value.hint}")


def test_what_pulling_may_take(tmp_path: Path) -> None:
    assert load_config(tmp_path).limits == Limits()
    assert not Limits(rate=1 << 20).pauses
    for text, rate in (
        ("2 MiB/s", 2 << 20),
        ("1.5 MB/s", 1_500_000),
        ("500KiB/s", 500 << 10),
        ("16 KiB/s", 16 << 10),
        ("0.5 GiB/s", 1 << 29),
    ):
        said = f'[sync]\nrate = "{text}"\npause_below = 15\npause_above = 45\n'
        assert load_config(write(tmp_path, said)).limits == Limits(rate, 15, 45)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", ("192.0.2.7", 5555)),
        ("desk.local:5037", ("desk.local", 5037)),
        ("[::1]:5556", ("::1", 5556)),
        ("::1", ("::1", 5555)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":5555", "x:0", "x:99999", "x:y"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


def test_consent_needs_a_known_basis_and_two_jurisdictions() -> None:
    given = consent("own-line", "DE", "US-CA", "2026-01-01T00:00:00+00:00")
    assert given.token == f"own-line:DE:US-CA:2026-01-01:{VERSION}"
    for basis, here in (("because", "DE"), ("own-line", "Germany"), ("own-line", "")):
        with pytest.raises(ConsentError):
            consent(basis, here, "DE", "now")


def test_the_journal_is_private_and_comes_back(tmp_path: Path) -> None:
    journal = Journal("../S 1", "now", "1", 0, {"a": "on"}, {}, {"basis": "own-line"}, ["x"])
    write_journal(tmp_path, journal)
    (path,) = (tmp_path / "phones").iterdir()
    assert path.parent == tmp_path / "phones"
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_journal(tmp_path, "../S 1") == journal
    path.write_text("{")
    with pytest.raises(ConfigError, match="can't read"):
        read_journal(tmp_path, "../S 1")
    end_journal(tmp_path, "../S 1")
    assert read_journal(tmp_path, "../S 1") is None


def test_nothing_is_removed_from_phones_until_it_is_said_when(tmp_path: Path) -> None:
    assert load_config(tmp_path).cleanup is None
    assert load_config(write(tmp_path, "[cleanup]\nkeep_newest = 5\n")).cleanup is None
    text = "[cleanup]\nafter_days = 30\nmost_per_run = 7\n"
    assert load_config(write(tmp_path, text)).cleanup == Cleanup(30, 20, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[cleanup]\nafter_days = 0\n", "after_days is 0, not 1 to"),
        ("[cleanup]\nafter_days = true\n", "not 1 to"),
        ("[cleanup]\nafter_days = 30\nkeep_newest = -1\n", "keep_newest is -1"),
        ("[cleanup]\nafter_day = 30\n", "'after_day' is not a setting"),
    ],
)
def test_a_mistake_in_the_cleanup_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_config(write(tmp_path, text))
