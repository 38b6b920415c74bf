"""Gather fits in one table, on standard output.

usage: table.py FIT.json...
"""

import csv
import json
import sys
from pathlib import Path


def main() -> None:
    fits = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    writer = csv.DictWriter(sys.stdout, list(fits[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(fits, key=lambda fit: fit["species"]))


if __name__ == "__main__":
    main()
