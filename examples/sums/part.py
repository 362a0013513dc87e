"""Rain and wet days by month of a piece of the weather table: python3 part.py FILE. Whole tenths, so that sums do not depend on how the work was cut."""
import csv
import sys

sums = {}
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        tenths = round(float(row["precipitation"]) * 10)
        rain, wet = sums.get(row["date"][:7], (0, 0))
        sums[row["date"][:7]] = (rain + tenths, wet + (tenths >= 10))
print("month,rain,wet")
for month, (rain, wet) in sorted(sums.items()):
    print(f"{month},{rain},{wet}")
