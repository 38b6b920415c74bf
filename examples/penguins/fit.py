"""Fit a line to two measures of one species.

usage: fit.py CLEAN.csv FIT.json --species NAME --x COLUMN --y COLUMN
"""

import argparse
import csv
import json

from least_squares import fit_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--species", required=True)
    parser.add_argument("--x", required=True)
    parser.add_argument("--y", required=True)
    args = parser.parse_args()
    with open(args.source, newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["species"] == args.species]
    fit = fit_line([float(row[args.x]) for row in rows], [float(row[args.y]) for row in rows])
    with open(args.target, "w", encoding="utf-8") as out:
        json.dump({"species": args.species, "x": args.x, "y": args.y, **fit}, out, indent=2)
        out.write("\n")
    print(f"{args.species}: {fit['slope']:.1f} per unit of {args.x}, r² {fit['r_squared']:.2f}")


if __name__ == "__main__":
    main()
