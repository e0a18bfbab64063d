"""The corpus of 160 names, which is not part of this project: skipped where it does not lie.

What each row means was read by hand, and is kept here under the CRC-32 of its name. Deliberate
differences from the corpus's own words are in docs/naming.md.
"""

from __future__ import annotations

import sys
import zlib
from collections import defaultdict
from pathlib import Path

import pytest

from agent.naming import Named, explain

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "filenames.tsv"
_COUNTED = ("observed", "project-doc", "derived")

#: CRC-32 of the name; what it is; its facts.
MEANT = """
a7661be6; transcript; start=2022-02-18T13:34:48; number=18606220000
f01ef5ad; call; start=2023-05-06T19:27:35; number=15882030000
37b87d56; call; start=2019-11-04T11:00:52; number=10086
e2f6b590; call; start=2018-01-29T14:01:27; number=041139050000; contact=聚思鸿interview_schedule
4e257270; transcript; start=2022-04-25T10:34:55; number=134 1096 0000
d4d4c6ac; transcript; start=2022-04-21T14:30:25; number=138 2360 0000
14049ae0; call; start=2016-01-02T03:04:05; number=0014155550123; contact=Al
d24e9c5b; call; start=2016-01-02T03:04:05; direction=conference; parties=张:13800138000,:13900139000
f12bc2aa; call; start=2016-01-02T03:04:05; direction=conference; parties=:13800138000,:13900139000,:13
02500a91; call; start=2016-01-02T03:04:05; number=10086
2156d88b; call; start=2016-01-02T03:04:05; number=*100#; contact=查询
4f2ac93e; call; start=2016-01-02T03:04:05; number=4008001234,1; contact=客服
40ec1af2; call; start=2026-07-19T09:30:15; number=+33612345678
0175bd5f; call; start=2026-07-19T09:30:15; number=+33612345678; contact=JohnDoe
f376345f; call; start=2026-05-25T14:30:20; number=13800138000
d37c8880; call; start=2018-01-02T03:04:05; number=13800138000; contact=张三
988f6b05; call; start=2018-01-02T03:04:05; number=13800138000
1832d169; call; start=2024-01-02T03:04:05; number=+393331234567; contact=Mario Rossi
648853f0; call; start=2025-01-02T03:04:05; number=13900139000; contact=王五
b519f9a4; call; start=2019-05-16T10:06:40; number=19145520000
1294d51c; call; number=19145520000
247ebd8a; call; start=2023-09-11T20:19:56; number=18002026161
802fe7af; call; start=2026-09-29T13:14; number=+919876543210
a981a50e; call; start=2024-01-02T15:30; contact=张三
0c519d0a; call; start=2025-04-15; number=0104567890; contact=John Doe
638cf2bb; call; start=2019-09-10T22:12:33; number=3014
0466eaaa; call; start=2026-07-27T14:33:21; number=+14806430000
67ccc34e; call; start=2025-04-28; number=+20123456789
08503792; call; start=2025-04-15T08:30; number=010-1234-5678
11f6b487; call; start=2025-12-13T11:32:58; contact=홍길동
5d4abf37; call; start=2024-01-15T14:30:22; contact=Bob
bca47db8; call; start=2024-03-20; contact=홍길동
d05ba99a; call; start=2021-10-30T18:10:43; contact=· 길동
4fac80d1; call; start=2022-01-20T15:23:20; contact=홍길순
cf8285f3; call; start=2025-04-28T12:34; contact=Mom 🥰
66dd14e6; call; start=2020-11-03T13:26:36; number=01049550000
d15781a7; call; start=2020-06-09T16:52:34; number=0586460000
b23dd754; call; start=2025-07-06T14:32:10; number=01012345678
400853c7; call; start=2025-04-28T12:34; contact=John Doe
01045ef2; call; start=2021-11-11T13:26:29; contact=[후후위키] 강남구청
2cd68105; call; start=2026-08-14T16:32:23; number=01074970000
9385bb01; voice memo
b09f53f8; call; start=2025-06-01T09:00:00; number=+13135551212
8056b26b; call; start=2026-01-09T16:29:29; contact=제이콥소프트(전산) 홍길동 대표님
df69eb59; call; number=01012345678
cfb7a18d; call; start=2024-03-20T14:30:22; number=010-1234-5678
f23cbe2a; call; start=2025-10-03T17:09:31; contact=Contact Name; app=whatsapp
e81ee2c7; call; start=2025-10-03T16:54:44; number=0486300000; contact=Contact Name; direction=in
10da1b7a; call; start=2026-04-21T22:16:12; contact=Jane Roe; app=whatsapp
7bbf6df9; call; start=2021-11-14T15:57:45; number=+48 123 456 789; contact=John Doe; direction=out
49bf3bce; call; start=2026-03-27T05:28:16; app=mic
c9a8f6a9; call; start=2025-10-03T16:32:29; number=+61 403 692 000; contact=Contact Name; direction=out
467f8487; call; start=2026-05-14T14:27:50; number=16009854
59be3436; call; start=2026-05-21T20:50:04; number=01024220000; contact=길동이
4ef0cd5f; call; start=2026-05-15T09:05:23; number=01080050000; contact=줄눈시공탄성코트의시작디테일라인
614f4b49; call; start=2026-05-17T17:16:26; number=01059100000
964d7f09; call; start=2026-05-20T09:49:37; number=07044370000
29f93e9e; call; start=2026-05-12T16:04:52; number=0312671286; contact=화성도시공사동부공원관리사무소
1abd8f1c; call; start=2026-05-13T10:11:35; number=01048050000; contact=💘사랑하는둘도셋도넷도없는와이프💘
bec949c1; call; start=2026-07-16T11:25:58; contact=남이편
b2581261; call; start=2026-07-16T11:25:58; contact=홍길동
4e3c4024; call; number=01012345678
22ffbb57; call; start=2026-03-20T10:44:40.278; number=01022330000
f6a6a5e6; call; start=2025-07-06T14:32:10; number=01012345678
bf1dd2c5; call; start=2024-05-06T22:54:06.577; number=+48123456789
38f03fd7; call; start=2014-01-02T03:04:05.678; number=5551234
19e6afb5; call; start=2024-01-02T03:04:05.678
4a3ea225; call; start=2021-01-02T03:04:05.678; number=+4915112345678
6ea9456b; call; start=2023-06-19T12:17:46; number=+12192820000
4624e4be; call; start=2024-01-02T03:04:05
9eb2170b; call; start=2026-04-23T14:05:05; number=+32472070000
d9efd8c7; call; start=2026-04-24T16:43:20; number=+32472070000
9566edfd; call; start=2022-05-22T12:28:02.881926-04:00; number=+12345678900
84b32ad4; call; start=2022-06-14T11:39:22.459+02:00; number=800003322; contact=PosteItaliane; direction=out
1abe3052; call; start=2024-01-02T03:04:05+00:00; number=+4915112345678; direction=in
2cd31c4e; call; start=2023-01-01T01:02:03.456+00:00; number=1234567890; contact=John_Doe; direction=out
3e3cc9ed; call; start=2024-09-30T12:00:00.500+02:00; number=+390123456789; contact=CallerName; direction=out
98b99c02; call; start=2025-06-02T12:00:00; number=1234567890; direction=out
3c6c2de5; call; start=2023-04-14T21:57:01.088-04:00
eea8be66; call; start=2023-04-14T21:57:01
b3242773; call; start=2024-01-02T03:04:05.678+08:00; number=+8613800138000; contact=张三; direction=in; sim=2
8dc069a0; call; start=2024-01-02T03:04:05.678+01:00; direction=conference; parties=Max:+491701234567,Eva:+491709876543
a5e938b2; call; start=2024-01-02T03:04:05.678+01:00; direction=in
88933170; sidecar; start=2024-01-02T03:04:05.678+01:00; number=+491701234567; direction=in
0e9f96be; call; start=2026-07-05T19:00:47.793+00:00; number=+16505551212; direction=out
67a79366; call; start=2026-07-05T19:00:47.793+00:00; number=6505551212; direction=in
50e46796; call; start=2026-07-05T19:00:47.793+00:00; number=+16505551212; direction=in
115063fa; call; start=2026-02-28T12:25:09; number=5433; contact=Operator; direction=out
7d5c0eb4; call; start=2026-02-28T12:24:39; number=5433; direction=out
e677a7ec; call; start=2018-02-20T20:32:15
39ea80cf; call; start=2018-11-11T20:17:23
88f3458a; call; start=2017-12-03T22:33:55+00:00; number=+4915112345678
4d3c0297; call; start=2018-02-20T20:32:15; contact=Max Mustermann; direction=in
18f4b0c1; call; start=2021-10-23T10:11:12
8200a49b; unfinished
ce4f6a6e; call; start=2014-12-12T16:03:18; number=+36305566778; direction=in
0a6c8551; call; start=2014-11-25T14:45:24; number=+3630556677; direction=out
c2621c51; call; start=2014-12-07T21:53:58; number=+36305566778; direction=out
1b8f7bff; call; start=2014-11-27T00:12:40; direction=in
04f3ba35; call; start=2014-11-26T09:12:40; direction=in
60267b98; call; start=2014-12-07T21:53:58; number=+36305566778899; direction=out
f1663d08; unknown
a2c209bd; call; start=2014-12-07T20:53:58.000+00:00; number=3615566778; direction=out
716a890b; call; start=2014-11-25T13:45:24.000+00:00; number=3630556677; direction=out
4b715fdc; call; start=2014-12-07T20:53:58.000+00:00; number=180; direction=out
a018dd7c; call; start=2014-11-26T08:12:40.000+00:00; direction=in
f2432184; call; start=2024-05-22T12:28:00.000+00:00; number=+491701234567; direction=in
54e45da7; call; start=2019-01-02T03:04:05.678; number=13800138000
a71ee0b5; call; start=2019-01-02T03:04:05.678
3fdd7907; call; start=2026-03-17T18:49:04
cacbc709; call; start=2026-08-01T12:00:00; number=+919272160000
2424265e; call; start=2025-07-06T14:32:10; number=+821012345678
40a5869e; call; start=2025-07-06T14:32:10; number=01012345678
5841b940; voice memo
922bb849; voice memo
478657df; voice memo
45ddbc43; voice memo
"""


def _said(named: Named) -> dict[str, str]:
    said = named.as_dict()
    facts = {
        fact: str(said[fact])
        for fact in ("start", "number", "contact", "direction", "sim", "app")
        if said[fact] is not None
    }
    if named["parties"]:
        facts["parties"] = ",".join(f"{p.contact or ''}:{p.number}" for p in named["parties"])
    return {"kind": named.kind, **facts}


def _meant() -> dict[str, dict[str, str]]:
    meant = {}
    for line in MEANT.strip().splitlines():
        crc, kind, *facts = line.strip().split("; ")
        meant[crc] = {"kind": kind, **dict(fact.split("=", 1) for fact in facts)}
    return meant


def _rows() -> list[tuple[str, str, str, str]]:
    """Source, recorder, name, folder."""
    lines = CORPUS.read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [(row[0], row[1], row[2], row[3].split(" | ")[0].lstrip("~")) for row in rows]


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of names is not here")
@pytest.mark.parametrize("with_folder", [False, True])
def test_the_score(with_folder: bool, capsys: pytest.CaptureFixture[str]) -> None:
    meant = _meant()
    table: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    wrong, surely_wrong, not_refused = [], [], []
    for source, recorder, name, folder in _rows():
        named = explain(name, folder=folder if with_folder else None)
        if "negative" in recorder and named.is_call:
            not_refused.append(name)
        if source not in _COUNTED:
            continue
        should = meant[f"{zlib.crc32(name.encode()):08x}"]
        said = _said(named)
        row = table[recorder.split(" (")[0]]
        row[0] += 1
        for fact, value in should.items():
            row[1] += 1
            row[2] += said.get(fact) == value
            if said.get(fact) != value:
                wrong.append(f"{name}: {fact} is {said.get(fact)}, not {value}")
        for fact, value in said.items():
            if should.get(fact) != value and named.facts[fact].confidence == "high":
                surely_wrong.append(f"{name}: {fact} {value}")
    with capsys.disabled():
        sys.stdout.write(f"\n{'recorder':42} names  facts right\n")
        for recorder, (names, facts, right) in sorted(table.items()):
            sys.stdout.write(f"{recorder[:42]:42} {names:5}  {right}/{facts}\n")
    facts, right = (sum(row[n] for row in table.values()) for n in (1, 2))
    assert not_refused == []
    assert surely_wrong == []
    assert right >= 0.98 * facts, wrong
