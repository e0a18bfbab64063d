"""What the host makes of the recorder's status, whatever its age."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.capture.alsa.recorder import PROTOCOL, Cost, _parse_status
from agent.config import load_config
from agent.errors import ConfigError
from agent.phone import scripts

NOW = f"""protocol={PROTOCOL}
version=1.2.3
daemon=203
supervisor=198
state=recording
at=1795498188859
pid=203
voip=no
off=no
notice=shown
undo=pending
spool=3
spool_kb=300
spool_max_kb=2097152
events=untrusted
boot=yes
ticks=42
wakes=361
lived=2400
problem=
"""


def test_all_that_it_says() -> None:
    said = _parse_status(NOW)
    assert (said.running, said.supervised, said.state, said.since_ms) == (
        True,
        True,
        "recording",
        1795498188859,
    )
    assert (said.notice, said.undo, said.spooled, said.problem) == (True, True, 3, None)
    assert (said.events, said.boot, said.voip, said.version) == ("untrusted", "yes", False, "1.2.3")
    assert said.cost == Cost(0.42, 361, 2400)
    assert said.cost.as_dict()["cpu_percent"] == 0.018


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("protocol=1\nversion=1.2.3\n", ""), "of Offhook unknown, which is older than this one"),
        (("protocol=1", "protocol=2"), "of Offhook 1.2.3, which is newer than this one"),
        (("protocol=1", "protocol=$(id)"), "of Offhook 1.2.3, which is older than this one"),
    ],
)
def test_another_protocol_is_a_problem(change: tuple[str, str], told: str) -> None:
    said = _parse_status(NOW.replace(*change))
    assert told in str(said.problem)
    assert said.running


def test_words_that_are_not_known_are_not_repeated() -> None:
    said = _parse_status(NOW.replace("state=recording", "state=dreaming").replace("42", "x"))
    assert (said.state, said.cost) == ("idle", None)
    gone = _parse_status(NOW.replace("daemon=203", "daemon="))
    assert (gone.running, gone.state) == (False, None)
    assert _parse_status("").protocol == 0


def test_one_number_on_both_sides() -> None:
    for name in ("offhookd.sh", "module/service.sh"):
        assert f"\nPROTOCOL={PROTOCOL}" in scripts.script(name).decode(), name


def test_the_spools_limit_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "offhook.toml"
    assert load_config(tmp_path).spool_mb == 2048
    file.write_text("[recorder]\nspool_mb = 512\n")
    assert load_config(tmp_path).spool_mb == 512
    for text in (
        "spool_mb = 0",
        "spool_mb = '1'",
        "spool_mb = true",
        "spool = 5",
        "spool_mb = 1.5",
    ):
        file.write_text(f"[recorder]\n{text}\n")
        with pytest.raises(ConfigError, match="spool"):
            load_config(tmp_path)
