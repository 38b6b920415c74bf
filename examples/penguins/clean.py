"""Keep the penguins that were measured whole, and drop those that weigh too little.

usage: clean.py PENGUINS.csv CLEAN.csv --min-mass GRAMS
"""

import argparse
import csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--min-mass", type=float, required=True)
    args = parser.parse_args()
    with open(args.source, newline="", encoding="utf-8") as table:
        reader = csv.DictReader(table)
        columns = list(reader.fieldnames or [])
        rows = list(reader)
    measured = [row for row in rows if "NA" not in row.values()]
    kept = [row for row in measured if float(row["body_mass_g"]) >= args.min_mass]
    with open(args.target, "w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    print(f"{len(rows)} penguins, {len(measured)} measured whole, {len(kept)} kept")


if __name__ == "__main__":
    main()
