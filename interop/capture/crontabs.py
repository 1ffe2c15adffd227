"""When real Celery's crontabs are due: one JSON line a case, for crates/apium-beat/tests/it/celery.rs.

    .venvs/celery-5.7/bin/python interop/capture/crontabs.py              # writes tests/golden of apium-beat
    .venvs/celery-5.7/bin/python interop/capture/crontabs.py sun          # writes solar.jsonl; needs PyEphem too
    .venvs/celery-5.7/bin/python interop/capture/crontabs.py all          # prints every crontab in every zone (minutes)
    .venvs/celery-5.7/bin/python interop/capture/crontabs.py fresh 7 20   # prints 20 others, made from the seed 7

Each crontab is stepped as beat steps it: the last run is the due time before, and the next one is what remains from
there. A case holds the fields, the zone, the start, the first due times, and a digest of up to a thousand of them (the
years from 2200 on are left out). What Celery refuses is told as that. `grammar.jsonl` holds what single fields mean.
"""

import hashlib
import json
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

sys.dont_write_bytecode = True

from celery import Celery
from celery.schedules import ParseException, crontab, solar

OUT = Path(__file__).resolve().parent.parent.parent / "crates/apium-beat/tests/golden"
ZONES = [
    "UTC", "Europe/Madrid", "Europe/London", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "Atlantic/Azores",
    "America/St_Johns", "America/Santiago", "Asia/Kolkata", "Asia/Tehran", "Asia/Kathmandu", "Asia/Beirut",
    "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "Africa/Cairo",
    "Antarctica/Troll",
]
FIELDS = {"minute": (0, 59), "hour": (0, 23), "day_of_week": (0, 6), "day_of_month": (1, 31), "month_of_year": (1, 12)}
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat", "Monday", "thurs"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "February"]
END = datetime(2200, 1, 1, tzinfo=timezone.utc)
TIMES = 1000
SEED = 20261123

app = Celery("capture", broker="memory://", set_as_current=False)


def part(chance, field):
    """One part of a field's list."""
    first, last = FIELDS[field]

    def number():
        if field == "day_of_week" and chance.random() < 0.3:
            return chance.choice(WEEKDAYS)
        if field == "month_of_year" and chance.random() < 0.3:
            return chance.choice(MONTHS)
        return str(chance.randint(first, last))

    return chance.choice([
        number, lambda: f"{number()}-{number()}", lambda: f"*/{chance.randint(1, max(2, last // 2))}",
        lambda: f"{number()}-{number()}/{chance.randint(1, 5)}",
    ])()


def field(chance, name):
    first, last = FIELDS[name]
    # Most fields of most crontabs are stars.
    if chance.random() < {"minute": 0.1, "hour": 0.3}.get(name, 0.65):
        return "*"
    way = chance.random()
    if way < 0.15:
        return chance.randint(first, last)
    if way < 0.3:
        return sorted(chance.sample(range(first, last + 1), chance.randint(1, 4)))
    return ",".join(part(chance, name) for _ in range(chance.choice([1, 1, 1, 2, 3])))


def crontabs(seed, count):
    chance = random.Random(seed)
    for number in range(count):
        fields = {name: field(chance, name) for name in FIELDS}
        # A start in every season, at noon or so, where no clock is changed.
        start = datetime(2008, 1, 1, 12, tzinfo=timezone.utc) + timedelta(days=chance.randint(0, 6900), seconds=chance.randint(0, 999))
        yield number, fields, start


def due(schedule, start):
    last = start
    for _ in range(TIMES):
        schedule.nowfun = lambda: last
        last = last + schedule.remaining_estimate(last)
        if last >= END:
            return
        yield int(last.timestamp())


def captured(fields, zone, start):
    told = {"crontab": fields, "zone": zone, "start": int(start.timestamp())}
    try:
        schedule = crontab(**fields, app=app)
    except ValueError:
        return {**told, "refused": True}
    schedule.tz = ZoneInfo(zone)
    times = list(due(schedule, start))
    digest = hashlib.sha256(",".join(map(str, times)).encode()).hexdigest()[:16]
    return {**told, "count": len(times), "first": times[:3], "digest": digest}


def meaning(name, text):
    """What Celery takes a field for, one bit a number; none when it refuses it."""
    try:
        return sum(1 << number for number in getattr(crontab(**{name: text}, app=app), name))
    except (ValueError, ParseException):
        return None


def grammar():
    chance = random.Random(SEED)
    words = [*WEEKDAYS, *MONTHS, "*", "*", "-", "-", "/", "/", ",", "0", "1", "2", "5", "7", "12", "31", "59", "60", "007", "x"]
    texts = {}
    for _ in range(700):
        texts["".join(chance.choice(words) for _ in range(chance.randint(1, 5)))] = None
    for _ in range(200):
        texts[",".join(part(chance, chance.choice(list(FIELDS))) for _ in range(chance.randint(1, 3)))] = None
    for text in texts:
        means = {name: meaning(name, text) for name in FIELDS}
        yield {"text": text, "means": {name: bits for name, bits in means.items() if bits is not None}}


def sun():
    chance = random.Random(SEED)
    places = [(0, 0), (40.4168, -3.7038), (-33.87, 151.21), (64.15, -21.94), (69.65, 18.96), (-54.8, -68.3), (78.2, 15.6), (51.5, 179.5), (35.7, -179.9)]
    for lat, lon in [*places, *((round(chance.uniform(-75, 75), 3), round(chance.uniform(-180, 180), 3)) for _ in range(11))]:
        for event in sorted(solar._all_events):
            start = datetime(2020, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=chance.randint(0, 4 * 365 * 86400))
            schedule, last, times = solar(event, lat, lon, app=app), start, []
            schedule.tz = timezone.utc
            for _ in range(4):
                schedule.nowfun = lambda: last
                last = last + schedule.remaining_estimate(last)
                times.append(round(last.timestamp()))
            yield {"solar": {"event": event, "lat": lat, "lon": lon}, "start": int(start.timestamp()), "times": times}


def written(path, lines):
    path.write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))
    print(f"{sum(1 for _ in path.open())} cases in {path}")


def main():
    match sys.argv[1:]:
        case []:
            OUT.mkdir(parents=True, exist_ok=True)
            written(OUT / "crontabs.jsonl", (captured(f, ZONES[n % len(ZONES)], s) for n, f, s in crontabs(SEED, 500)))
            written(OUT / "grammar.jsonl", grammar())
        case ["sun"]:
            written(OUT / "solar.jsonl", sun())
        case ["all"]:
            for _, fields, start in crontabs(SEED, 500):
                for zone in ZONES:
                    print(json.dumps(captured(fields, zone, start)))
        case ["fresh", seed, count]:
            for number, fields, start in crontabs(int(seed), int(count)):
                print(json.dumps(captured(fields, ZONES[number % len(ZONES)], start)))
        case _:
            sys.exit(__doc__)


main()
