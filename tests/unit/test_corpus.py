"""What `doctor --from` says of real phones' files, where they are at hand."""

from __future__ import annotations

import pytest

from tests import corpus

pytestmark = pytest.mark.skipif(not corpus.DATA.is_dir(), reason="needs files of real phones")


def test_every_device_is_judged_as_the_table_has_it() -> None:
    files = corpus.groups()
    assert files.keys() == corpus.DEVICES.keys()
    wrong = {}
    for device, expected in corpus.DEVICES.items():
        said, reason = corpus.ask_together(files[device])
        if said != expected:
            wrong[device] = (said, expected)
        assert reason
    assert not wrong


def test_every_file_alone_tells_what_is_in_it() -> None:
    wrong = {}
    for device, files in corpus.groups().items():
        for file in files:
            said, reason = corpus.ask(file)
            if said != corpus.alone(device, file):
                wrong[file.name] = (said, corpus.alone(device, file), reason)
    assert not wrong


def test_every_dump_is_judged_or_refused_with_its_name() -> None:
    for path in sorted((corpus.DATA / "dumps").iterdir()):
        said, reason = corpus.ask(path)
        assert said == corpus.DUMPS.get(path.name), path.name
        if said is None:
            assert path.name in reason


def test_a_phones_own_dumps_go_together() -> None:
    """A getprop adds the chip, and changes nothing of what the XML says."""
    files = corpus.groups()["xiaomi_psyche"]
    dump = corpus.DATA / "dumps/getprop_xiaomi_psyche_sm8250.txt"
    assert corpus.ask_together([*files, dump])[0] == corpus.DEVICES["xiaomi_psyche"]


def test_files_of_two_phones_are_refused() -> None:
    files = corpus.groups()
    said, reason = corpus.ask_together([*files["google_husky"], *files["caf_kona"]])
    assert said is None
    assert "several phones" in reason
