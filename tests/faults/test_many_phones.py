"""Several phones into one archive at the same time, and a reader beside them."""

from __future__ import annotations

import threading
from pathlib import Path

from agent.archive import Archive
from agent.sync import SyncEngine
from tests.faults.memory import SPOOL, MemoryPhone, distinct


def test_phones_in_threads_lose_and_double_nothing(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def pull(archive: Archive, number: int) -> None:
        try:
            phone = MemoryPhone(serial=f"MEM{number}")
            for each in range(12):  # half of them are the same bytes on every phone
                data = distinct(each if each % 2 else 100 * number + each)
                phone.put(f"/spool/{each}.json", b'{"schema": 1, "number": "117"}')
                phone.put(f"/spool/{each}.wav", data)
            report = SyncEngine(archive, phone, [SPOOL]).run_once()
            assert report.whole
            assert len(report.filed) + len(report.duplicates) == 12
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            errors.append(error)

    with Archive(tmp_path, write=True) as archive:
        threads = [threading.Thread(target=pull, args=(archive, n)) for n in range(1, 5)]
        for thread in threads:
            thread.start()
        with Archive(tmp_path) as reader:
            while any(thread.is_alive() for thread in threads):
                for one in reader.recordings():
                    assert reader.file_of(one).is_file()
        for thread in threads:
            thread.join()
        assert errors == []
        found = archive.recordings()
        assert len(found) == 4 * 6 + 6
        for one in found:
            archive.store.check(one.path, one.sha256)
        assert archive.verify_chain() == []
        assert len([p for p in archive.store.root.rglob("*") if p.is_file()]) == len(found)
