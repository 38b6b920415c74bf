"""Write a report: a page of text with a table, and a scatter plot with the fitted lines.

usage: report.py CLEAN.csv FITS.csv --out FOLDER --x COLUMN --y COLUMN
"""

import argparse
import csv
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 420, 48
COLOURS = ["#d1495b", "#00798c", "#edae49", "#30638e", "#003d5b"]


def read(path: str) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def scale(values: list[float], low: float, high: float):
    """Return a function that maps the range of values to low..high."""
    least, most = min(values), max(values)
    return lambda value: low + (value - least) / (most - least) * (high - low)


def plot(rows: list[dict[str, str]], fits: list[dict[str, str]], x: str, y: str) -> str:
    to_x = scale([float(row[x]) for row in rows], MARGIN, WIDTH - MARGIN)
    to_y = scale([float(row[y]) for row in rows], HEIGHT - MARGIN, MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{x}</text>',
        f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle"'
        f' transform="rotate(-90 16 {HEIGHT / 2})">{y}</text>',
    ]
    for fit, colour in zip(fits, COLOURS):
        own = [row for row in rows if row["species"] == fit["species"]]
        for row in own:
            at = f'cx="{to_x(float(row[x])):.1f}" cy="{to_y(float(row[y])):.1f}"'
            parts.append(f'<circle {at} r="2.5" fill="{colour}" fill-opacity="0.6"/>')
        ends = [min(float(row[x]) for row in own), max(float(row[x]) for row in own)]
        line = [float(fit["intercept"]) + float(fit["slope"]) * end for end in ends]
        (x1, x2), (y1, y2) = map(to_x, ends), map(to_y, line)
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
        )
    return "\n".join([*parts, "</svg>", ""])


def page(rows: list[dict[str, str]], fits: list[dict[str, str]], x: str, y: str) -> str:
    lines = [
        "# Penguins of the Palmer Archipelago",
        "",
        f"{len(rows)} penguins; `{y}` as a line of `{x}`:",
        "",
        "| species | n | slope | intercept | r² |",
        "| --- | --: | --: | --: | --: |",
    ]
    for fit in fits:
        slope, intercept, r2 = (float(fit[name]) for name in ("slope", "intercept", "r_squared"))
        lines.append(f"| {fit['species']} | {fit['n']} | {slope:.2f} | {intercept:.0f} | {r2:.3f} |")
    return "\n".join([*lines, "", f"![{y} and {x}](scatter.svg)", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures")
    parser.add_argument("fits")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--x", required=True)
    parser.add_argument("--y", required=True)
    args = parser.parse_args()
    rows, fits = read(args.measures), read(args.fits)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "scatter.svg").write_text(plot(rows, fits, args.x, args.y), encoding="utf-8")
    (args.out / "report.md").write_text(page(rows, fits, args.x, args.y), encoding="utf-8")
    print(f"{len(rows)} penguins of {len(fits)} species -> {args.out}")


if __name__ == "__main__":
    main()
