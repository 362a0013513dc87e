"""One year of daily weather, month by month: python3 analyse.py FILE YEAR [RESULT]

Prints a line as each month is done and writes RESULT, or result-YEAR.json. Standard library only, so that it runs in any Python from 3.9 on, native
or as WebAssembly (Pyodide). Everything is counted in whole tenths of a degree or millimetre and chance comes
from a generator of its own with a fixed seed: two machines that run it must write the same bytes, or one of them is wrong.
"""
import csv
import json
import sys

WET_TENTHS = 10  # a wet day has at least 1 mm, as meteorologists count
DRAWS = 20000    # a second or so per year: enough to see it work, and the range moves by no more than a tenth of a degree
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def say(line=""):
    print(line, flush=True)  # flushed, so that whoever watches the log sees each month when it is done


def tenths(text):
    return round(float(text) * 10)


def read_days(path, year):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    days = [
        {"date": row["date"], "rain": tenths(row["precipitation"]), "high": tenths(row["temp_max"]), "low": tenths(row["temp_min"])}
        for row in rows if row["date"].startswith(f"{year}-")
    ]
    if not days:
        present = sorted({row["date"][:4] for row in rows})
        sys.exit(f"error: {path} has no days of {year}; it has {', '.join(present)}")
    return sorted(days, key=lambda day: day["date"])


def rounded_mean(total, count):
    """The mean of whole numbers, as a whole number, halves upwards."""
    return (2 * total + count) // (2 * count)


def resampled_range(values, seed):
    """Draws as many days as there are, with repetition, again and again: nine in ten of those means lie in this range.

    The generator is Park and Miller's (x * 16807 mod 2^31 - 1): four lines in any language, so that others can check the result.
    """
    count = len(values)
    state = seed
    sums = []
    for _ in range(DRAWS):
        total = 0
        for _ in range(count):
            state = state * 16807 % 2147483647
            total += values[state % count]
        sums.append(total)
    sums.sort()
    return [rounded_mean(sums[DRAWS // 20], count), rounded_mean(sums[DRAWS - DRAWS // 20 - 1], count)]


def longest_dry_spell(days):
    best, begin = (0, 0), None
    for index, day in enumerate(days + [{"rain": WET_TENTHS}]):  # one wet day more, to end a spell that reaches the last day
        if day["rain"] < WET_TENTHS:
            begin = index if begin is None else begin
        elif begin is not None:
            if index - begin > best[1] - best[0]:
                best = (begin, index)
            begin = None
    first, after = best
    if after == first:
        return {"days": 0}
    return {"days": after - first, "from": days[first]["date"], "to": days[after - 1]["date"]}


def month_of(days, year, number):
    highs = [day["high"] for day in days]
    low, high = resampled_range(highs, year * 100 + number)
    return {
        "month": number,
        "meanMaxC": rounded_mean(sum(highs), len(highs)) / 10,
        "meanMaxRangeC": [low / 10, high / 10],
        "precipitationMm": sum(day["rain"] for day in days) / 10,
        "wetDays": sum(day["rain"] >= WET_TENTHS for day in days),
    }


def main():
    if len(sys.argv) not in (3, 4) or not sys.argv[2].isdigit():
        sys.exit("usage: python3 analyse.py FILE YEAR [RESULT]")
    path, year = sys.argv[1], int(sys.argv[2])
    days = read_days(path, year)
    say(f"{year}: {len(days)} days")
    say("month  mean max  nine in ten     rain  wet days")
    months = []
    for number, name in enumerate(MONTHS, 1):
        of_month = [day for day in days if int(day["date"][5:7]) == number]
        if not of_month:
            continue
        month = month_of(of_month, year, number)
        months.append(month)
        low, high = month["meanMaxRangeC"]
        bar = "#" * round(month["precipitationMm"] / 10)
        say(f"{name}     {month['meanMaxC']:5.1f} C  {low:4.1f} to {high:4.1f}  {month['precipitationMm']:5.1f} mm  {month['wetDays']:8d}  {bar}".rstrip())

    hottest = max(days, key=lambda day: day["high"])  # the first of several
    coldest = min(days, key=lambda day: day["low"])
    wettest = max(days, key=lambda day: day["rain"])
    result = {
        "year": year,
        "days": len(days),
        "meanMaxC": rounded_mean(sum(day["high"] for day in days), len(days)) / 10,
        "precipitationMm": sum(day["rain"] for day in days) / 10,
        "wetDays": sum(day["rain"] >= WET_TENTHS for day in days),
        "hottest": {"date": hottest["date"], "maxC": hottest["high"] / 10},
        "coldest": {"date": coldest["date"], "minC": coldest["low"] / 10},
        "wettest": {"date": wettest["date"], "mm": wettest["rain"] / 10},
        "longestDrySpell": longest_dry_spell(days),
        "months": months,
    }
    say()
    say(f"hottest {result['hottest']['maxC']} C on {hottest['date']}, coldest {result['coldest']['minC']} C on {coldest['date']}")
    say(f"wettest {result['wettest']['mm']} mm on {wettest['date']}, longest dry spell {result['longestDrySpell']['days']} days")
    name = sys.argv[3] if len(sys.argv) == 4 else f"result-{year}.json"
    with open(name, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    say(f"wrote {name}")


if __name__ == "__main__":
    main()
