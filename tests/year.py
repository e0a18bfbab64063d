"""A year of calls on one phone, made up from a seed, and how well its recordings are joined.

Two SIMs; a clock that is off by up to ten minutes, and once by seven hours; a week in another
zone, and both changes of daylight-saving time; two people of one name; calls a minute apart, some
of one length; second calls, conferences, parts, and two recorders at once; rows that come late,
rows that the user deletes, and a summer without a look, in which the log is cut at 500 rows.

    python -m tests.year [SEED ...]
"""

from __future__ import annotations

import bisect
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.archive.calls import sims_of
from agent.archive.join import SURE, Call, Decision, Heard, Log, Look, Party, decide

HOME, ABROAD = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
YEAR_S = 365 * 86400.0
CALLS = 3000
_KEPT = 500


@dataclass(frozen=True)
class Person:
    name: str | None
    number: str | None  # E.164, or short; None: withheld


@dataclass
class Made:
    """A call as it was. Times are true, in seconds since 1970."""

    id: int
    who: Person
    direction: str
    sim: int
    rung: float
    answered: float | None
    ended: float
    second: Made | None = None
    conference: bool = False

    @property
    def talk(self) -> float:
        return 0.0 if self.answered is None else self.ended - self.answered


@dataclass
class Year:
    rows: dict[int, Call] = field(default_factory=dict)
    row_at: dict[int, float] = field(default_factory=dict)
    """When each row came, in true time; a row that was deleted is not there."""
    heard: list[tuple[float, Heard]] = field(default_factory=list)
    """When each recording ended, in true time."""
    truth: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """The calls of each recording, the first one first."""
    kinds: dict[int, str] = field(default_factory=dict)
    looks: list[tuple[float, Look]] = field(default_factory=list)
    clocks: list[tuple[float, Look]] = field(default_factory=list)
    """Looks at the clock alone."""


class PhoneClock:
    """What the phone's clock is off, in seconds, at a true time."""

    def __init__(self, rng: random.Random) -> None:
        self._from: list[float] = []
        self._off: list[tuple[float, float]] = []
        at = BEGIN
        while at < BEGIN + YEAR_S + 86400:
            self._from.append(at)
            self._off.append((rng.uniform(-590, 590), rng.uniform(-1e-5, 1e-5)))
            at += rng.uniform(4, 20) * 86400
        # For four days it is set by another zone's time.
        wrong = BEGIN + rng.uniform(60, 300) * 86400
        place = bisect.bisect_right(self._from, wrong)
        self._from[place:place] = [wrong, wrong + 4 * 86400]
        self._off[place:place] = [(7 * 3600 + rng.uniform(-60, 60), 0.0), self._off[place - 1]]
        later = [k for k in range(place + 2, len(self._from)) if self._from[k] < wrong + 4 * 86400]
        for k in reversed(later):
            del self._from[k], self._off[k]

    def ms(self, true_s: float) -> int:
        place = max(0, bisect.bisect_right(self._from, true_s) - 1)
        off, drift = self._off[place]
        return round((true_s + off + drift * (true_s - self._from[place])) * 1000)

    def changes(self) -> list[float]:
        return self._from[1:]


class Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = PhoneClock(self.rng)
        self.year = Year()
        self.people = self._people()
        abroad = BEGIN + self.rng.uniform(20, 330) * 86400
        self.abroad = (abroad, abroad + 7 * 86400)
        self._calls = 0

    def _people(self) -> list[Person]:
        rng, names = self.rng, ["Ada Miller", "Jörg Weiß", "王五", "O'Brien, Pat", "Mom ❤️", "Bob"]
        names += [f"{a} {b}" for a in ("Ann", "Max", "Eva", "Tom") for b in ("Meyer", "Roth", "Ek")]
        names += ["Ada Miller", "Max Roth"]  # equal names, other numbers
        names.append("Verein zur Förderung der Telefonie in ländlichen Gegenden e. V.")
        people = [Person(name, f"+4917{rng.randrange(10**8, 10**9)}") for name in names]
        people += [Person(None, f"+4930{rng.randrange(10**6, 10**8)}") for _ in range(40)]
        people += [Person("Office", "3014"), Person(None, "116117")]
        people += [Person(None, f"+1415555{rng.randrange(1000, 9999)}") for _ in range(4)]
        return people

    def make(self) -> Year:
        rng = self.rng
        at, calls = BEGIN + 3600.0, []
        pace = YEAR_S / CALLS * 1.42
        last: Made | None = None
        while len(calls) < CALLS:
            if last is not None and rng.random() < 0.3:
                at = last.ended + rng.uniform(8, 80)  # again, or the next one
                again = rng.random() < 0.6
                same = rng.random() < 0.25 and last.answered is not None
                call = self._call(at, last.who if again else None, last.talk if same else None)
            else:
                at = max(at, last.ended + 5 if last else at) + rng.expovariate(1 / pace)
                call = self._call(at)
            calls.append(call)
            last = call
            if call.second is not None:
                calls.append(call.second)
            at = last.ended
        # In the hours that there are twice, or not at all.
        for month, day in ((3, 29), (10, 25)):
            for minute in (20, 55, 80, 110, 140):
                moment = datetime(2026, month, day, 0, 0, tzinfo=UTC) + timedelta(minutes=minute)
                if not any(abs(c.rung - moment.timestamp()) < 1500 for c in calls):
                    calls.append(self._call(moment.timestamp()))
        for change in self.clock.changes()[::3]:  # the clock is set during a call
            if not any(abs(c.rung - change) < 1500 for c in calls):
                calls.append(self._call(change - rng.uniform(3, 20)))
        calls.sort(key=lambda call: call.rung)
        seconds = {c.second.id for c in calls if c.second is not None}
        for call in calls:
            self._log(call)
            if call.id not in seconds:
                self._record(call)
        self._look(calls)
        self.year.heard.sort(key=lambda one: one[0])
        return self.year

    def _call(self, at: float, who: Person | None = None, talk: float | None = None) -> Made:
        rng = self.rng
        self._calls += 1
        number = self._calls
        if who is None:
            who = Person(None, None) if rng.random() < 0.05 else rng.choice(self.people)
        direction = "in" if who.number is None or rng.random() < 0.5 else "out"
        ring = rng.uniform(1, 28) if direction == "in" else rng.triangular(3, 60, 11)
        fate = rng.random()
        if fate < 0.15 and talk is None:
            return Made(number, who, direction, rng.randrange(2), at, None, at + ring)
        talk = talk or min(7000.0, rng.lognormvariate(4.3, 1.2) + 2)
        made = Made(number, who, direction, rng.randrange(2), at, at + ring, at + ring + talk)
        if talk > 90 and rng.random() < 0.08:
            self._calls += 1
            waits = made.answered + talk * rng.uniform(0.1, 0.4) if made.answered else at
            up = waits + rng.uniform(3, 12)
            ends = rng.uniform(up + 10, made.ended - 2)
            made.conference = rng.random() < 0.4
            if made.conference:
                ends = made.ended
            other = rng.choice(self.people)
            made.second = Made(self._calls, other, "in", made.sim, waits, up, ends)
        return made

    # The call log

    def _log(self, call: Made) -> None:
        rng, who = self.rng, call.who
        if call.answered is None:
            kind = 2 if call.direction == "out" else rng.choice((3, 3, 5))
        else:
            kind = 2 if call.direction == "out" else 1
        number = who.number
        if number and number.startswith("+49") and call.direction == "out" and rng.random() < 0.6:
            number = "0" + number[3:]
        self.year.rows[call.id] = Call(
            id=call.id,
            date_ms=self.clock.ms(call.rung),
            talk_s=round(call.talk) if rng.random() < 0.2 else int(call.talk),
            type=kind,
            number=number,
            normalized=who.number if who.number and who.number.startswith("+") else None,
            country="DE",
            name=who.name if rng.random() < 0.85 else None,
            presentation=1 if who.number else 2,
            sim=("8949" * 4 + "1", "2")[call.sim],
        )
        if rng.random() > 0.01:
            late = rng.uniform(20, 80) if rng.random() < 0.1 else rng.uniform(0.2, 3)
            self.year.row_at[call.id] = call.ended + late

    # Recordings

    def _record(self, call: Made) -> None:
        rng = self.rng
        if call.answered is None:
            if call.direction == "out" and rng.random() < 0.2:
                self._file(call, self.xiaomi, call.rung + 0.4, call.ended)
            return
        if rng.random() < 0.12:
            return
        ways = (self.offhook, self.bcr, self.xiaomi, self.samsung, self.oppo, self.lineage)
        ways = (*ways, self.axet, self.live)
        way = rng.choices(ways, (3, 3, 3, 3, 2, 2, 1, 1.5))[0]
        start = call.answered + rng.uniform(0.1, 1.4)
        if way in (self.xiaomi, self.samsung) and call.direction == "out" and rng.random() < 0.4:
            start = call.rung + rng.uniform(0.1, 1.2)  # with dialling
        end = call.ended + rng.uniform(0, 1.2)
        if way is self.offhook and call.talk > 60 and rng.random() < 0.05:
            middle = start + (end - start) * rng.uniform(0.3, 0.7)
            self._file(call, way, start, middle, cut=True)
            self._file(call, way, middle + 2, end, part=True)
        elif way is self.offhook and rng.random() < 0.02:
            self._file(call, way, start, start + (end - start) * 0.6, cut=True)
        else:
            self._file(call, way, start, end)
            if rng.random() < 0.02:
                self._file(call, self.axet, start + 0.5, end - 0.3)
        second = call.second
        apart = way in (self.samsung, self.xiaomi) and rng.random() < 0.5
        if second is not None and second.answered and not call.conference and apart:
            self.year.truth[len(self.year.truth)] = (call.id,)
            self._file(second, way, second.answered + 0.5, second.ended + 0.3)

    def _file(
        self,
        call: Made,
        way: Callable[..., Heard],
        start: float,
        end: float,
        *,
        cut: bool = False,
        part: bool = False,
    ) -> None:
        number = len(self.year.truth) + 1
        heard = way(call, number, start, end)
        if part:
            heard = replace(heard, begun_ms=None, part=True)
        self.year.heard.append((end, replace(heard, cut=cut)))
        ids = (call.id,)
        if call.second is not None and not part and not cut and call.second.ended <= end:
            ids = (call.id, call.second.id)
        self.year.truth[number] = ids
        self.year.kinds[number] = way.__name__

    def offhook(self, call: Made, number: int, start: float, end: float) -> Heard:
        seen = self.rng.random() < 0.85
        return Heard(
            id=number,
            start_ms=self.clock.ms(start),
            end_ms=self.clock.ms(end),
            length_s=end - start,
            begun_ms=self.clock.ms(call.rung + self.rng.uniform(0, 0.9)),
            direction=call.direction,
            number=call.who.number if seen else None,
            private=call.who.number is None,
            sim=str(call.sim),
            kind="alsa/offhook/",
            several=call.second is not None,
        )

    def bcr(self, call: Made, number: int, start: float, end: float) -> Heard:
        at = self.clock.ms(call.rung)
        parties: tuple[Party, ...] = ()
        if call.conference and call.second is not None:
            parties = tuple(Party(one.who.number, one.who.name) for one in (call, call.second))
        return Heard(
            id=number,
            start_ms=at,
            length_s=end - start,
            begun_ms=at,
            direction=call.direction,
            number=call.who.number,
            contact=call.who.name,
            sim=str(call.sim + 1),
            kind="bcr/bcr/",
            parties=parties,
            several=bool(parties),
        )

    def xiaomi(self, call: Made, number: int, start: float, end: float) -> Heard:
        who = call.who
        digits = who.number.replace("+", "00") if who.number else None
        contact = None if who.name is None else who.name.replace(",", "p")[:30]
        return self._named(call, number, start, end, number_=digits, contact=contact)

    def samsung(self, call: Made, number: int, start: float, end: float) -> Heard:
        who = call.who
        contact = None if who.name is None else who.name.replace("'", "_").replace("️", "")
        return self._named(
            call, number, start, end, number_=None if contact else who.number, contact=contact
        )

    def oppo(self, call: Made, number: int, start: float, end: float) -> Heard:
        who, kept = call.who, None
        if who.name is None:
            kept = who.number
        return self._named(call, number, start, end, number_=kept, contact=who.name, precision=60.0)

    def lineage(self, call: Made, number: int, start: float, end: float) -> Heard:
        return self._named(call, number, start, end, number_=call.who.number)

    def axet(self, call: Made, number: int, start: float, end: float) -> Heard:
        return self._named(call, number, start, end)

    def live(self, call: Made, number: int, start: float, end: float) -> Heard:
        return Heard(
            id=number,
            start_ms=round((start + 0.3) * 1000),
            length_s=end - start - 0.3,
            direction=call.direction,
            number=call.who.number if self.rng.random() < 0.5 else None,
            kind="voicecall/live/",
            clock="host",
        )

    def _named(
        self,
        call: Made,
        number: int,
        start: float,
        end: float,
        *,
        number_: str | None = None,
        contact: str | None = None,
        precision: float = 0.0,
    ) -> Heard:
        """By a name with a local time, as somebody at home reads it."""
        zone = ABROAD if self.abroad[0] <= start < self.abroad[1] else HOME
        local = datetime.fromtimestamp(self.clock.ms(start) // 1000, zone).replace(tzinfo=None)
        if precision:
            local = local.replace(second=0)
        read = local.replace(tzinfo=HOME)
        other = read.replace(fold=1).timestamp() - read.timestamp()
        file_ms: int | None = self.clock.ms(end + self.rng.uniform(0.1, 2.5))
        if self.rng.random() < 0.03:  # copied from elsewhere
            file_ms = self.clock.ms(end) + round(self.rng.uniform(1, 90) * 86_400_000)
        return Heard(
            id=number,
            start_ms=round(read.timestamp() * 1000),
            length_s=end - start,
            precision_s=precision,
            zone_known=False,
            other_hour_ms=round(other * 1000),
            file_ms=file_ms,
            number=number_,
            contact=contact,
            kind="dialer/folder/",
        )

    # Looks at the phone

    def _look(self, calls: list[Made]) -> None:
        rng, at = self.rng, BEGIN
        summer = BEGIN + rng.uniform(150, 200) * 86400
        times = []
        while at < BEGIN + YEAR_S:
            times.append(at)
            at += rng.uniform(0.3, 3) * 86400
        times += [call.ended + rng.uniform(0.5, 30) for call in rng.sample(calls, 150)]
        times.append(max(call.ended for call in calls) + 600)
        # Who hears live looks at the clock, mostly.
        live = [one.start_ms / 1000 for _, one in self.year.heard if one.clock == "host"]
        for start in (start for start in live if rng.random() < 0.8):
            off = self.clock.ms(start - 1) - round((start - 1) * 1000)
            when = start - 1
            self.year.clocks.append((when, Look(round(when * 1000), off, 30, "Europe/Berlin")))
        for when in sorted(times):
            if summer < when < summer + 90 * 86400:
                continue
            off = self.clock.ms(when) - round(when * 1000) + rng.randint(-20, 20)
            self.year.looks.append((when, Look(round(when * 1000), off, 30, "Europe/Berlin")))


@dataclass
class Result:
    """How it went. ``joinable`` recordings have their call in a row that was read."""

    joinable: int = 0
    rowless: int = 0
    right: int = 0
    wrong: int = 0
    sure_wrong: int = 0
    left_open: int = 0
    rowless_joined: int = 0
    others: int = 0
    others_right: int = 0
    others_wrong: int = 0
    misses: Counter[str] = field(default_factory=Counter)

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / self.joinable

    def __str__(self) -> str:
        return (
            f"{self.joinable} recordings with a row, {self.rowless} without: "
            f"{self.right} joined rightly, {self.wrong} wrongly ({self.sure_wrong} of them sure), "
            f"{self.left_open} left open; precision {self.precision:.4f}, recall "
            f"{self.recall:.4f}; {self.others_right} of {self.others} second calls found, "
            f"{self.others_wrong} made up"
        )


def run(seed: int) -> tuple[Result, dict[int, Decision], Year]:
    """The year, look by look, as the archive would have joined it."""
    year = Maker(seed).make()
    known: dict[int, Call] = {}
    looks = [look for _, look in year.clocks]
    final: dict[int, Decision] = {}
    open_: dict[int, Heard] = {}
    waiting = sorted(year.heard, key=lambda one: one[0])
    order = sorted(year.row_at, key=lambda row: year.row_at[row])
    times = [year.row_at[row] for row in order]
    place, before = 0, 0
    for when, look in year.looks:
        there = order[: bisect.bisect_right(times, when)]
        rows = [year.rows[row] for row in there]
        kept = sorted(rows, key=lambda row: row.date_ms)[-_KEPT:]
        new = [row for row in kept if row.id not in known]
        known.update((row.id, row) for row in new)
        oldest = kept[0].date_ms if kept else None
        looks.append(replace(look, log_rows=len(kept), log_oldest_ms=oldest))
        fresh = []
        while place < len(waiting) and waiting[place][0] <= when:
            fresh.append(waiting[place][1])
            place += 1
        open_.update((heard.id, heard) for heard in fresh)
        # What is new, and what the look before could not tell yet.
        times_ms = [row.date_ms for row in new] + [h.start_ms for h in fresh]
        since = min([*times_ms, before]) - 2 * 86_400_000
        before = look.phone_ms
        recent = [h for h in open_.values() if h.start_ms >= since]
        taken: defaultdict[int, list[Heard]] = defaultdict(list)
        pairs = []
        for decision in final.values():
            if decision.score >= SURE:
                for call in decision.calls:
                    if decision.heard.start_ms > since - 86_400_000:
                        taken[call.id].append(decision.heard)
                    if decision.heard.sim and call.sim:
                        pairs.append((decision.heard.kind, decision.heard.sim, call.sim))
        near = [c for c in known.values() if c.date_ms > since - 2 * 86_400_000]
        log = Log(near, looks)
        for decision in decide(recent, log, taken=taken, sims=sims_of(pairs)):
            if decision.calls:
                final[decision.heard.id] = decision
                if decision.score >= SURE:
                    open_.pop(decision.heard.id, None)
    return judge(year, known, final), final, year


def judge(year: Year, known: dict[int, Call], final: dict[int, Decision]) -> Result:
    result = Result()
    for _, heard in year.heard:
        truth, decision = year.truth[heard.id], final.get(heard.id)
        joined = decision is not None and bool(decision.calls)
        there = truth[0] in known
        result.joinable += there
        result.rowless += not there
        if not joined or decision is None:
            if there:
                result.left_open += 1
                result.misses[f"open {year.kinds[heard.id]}"] += 1
            continue
        if decision.calls[0].id == truth[0]:
            result.right += 1
        else:
            result.wrong += 1
            result.sure_wrong += decision.score >= SURE
            result.rowless_joined += not there
            result.misses[f"wrong {year.kinds[heard.id]}"] += 1
        wanted = {call for call in truth[1:] if call in known}
        found = {call.id for call in decision.calls[1:]}
        result.others += len(wanted)
        result.others_right += len(wanted & found)
        result.others_wrong += len(found - wanted)
    return result


if __name__ == "__main__":
    for word in sys.argv[1:] or ["1"]:
        since = time.monotonic()
        outcome, _, _ = run(int(word))
        print(f"seed {word} ({time.monotonic() - since:.1f} s): {outcome}")
        print("   ", dict(outcome.misses))
