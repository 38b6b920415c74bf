"""A line through points by least squares."""

import statistics


def fit_line(xs: list[float], ys: list[float]) -> dict[str, float]:
    """Return slope, intercept and r² of the line, and how many points it rests on."""
    line = statistics.linear_regression(xs, ys)
    correlation = statistics.correlation(xs, ys)
    return {
        "n": len(xs),
        "slope": round(line.slope, 6),
        "intercept": round(line.intercept, 4),
        "r_squared": round(correlation**2, 6),
    }
