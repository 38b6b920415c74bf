"""Summarise the penguins per species: counts and means, as CSV.

usage: summary.py PENGUINS.csv SUMMARY.csv
"""

import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path

MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def main() -> None:
    source, target = sys.argv[1:]
    values = defaultdict(lambda: defaultdict(list))
    counts = defaultdict(int)
    with open(source, newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            counts[row["species"]] += 1
            for measure in MEASURES:
                if row[measure] != "NA":
                    values[row["species"]][measure].append(float(row[measure]))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    with open(target, "w", newline="", encoding="utf-8") as table:
        out = csv.writer(table, lineterminator="\n")
        out.writerow(["species", "penguins", *(f"mean_{measure}" for measure in MEASURES)])
        for species in sorted(counts):
            means = (f"{statistics.fmean(values[species][measure]):.2f}" for measure in MEASURES)
            out.writerow([species, counts[species], *means])
    print(f"{sum(counts.values())} penguins of {len(counts)} species -> {target}")


if __name__ == "__main__":
    main()
