"""Adds up tables that part.py printed, or that this program printed: python3 sum.py FILE..."""
import csv
import sys

sums = {}
for name in sys.argv[1:]:
    with open(name, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rain, wet = sums.get(row["month"], (0, 0))
            sums[row["month"]] = (rain + int(row["rain"]), wet + int(row["wet"]))
print("month,rain,wet")
for month, (rain, wet) in sorted(sums.items()):
    print(f"{month},{rain},{wet}")
