"""How results look in a notebook: small tables, and texts as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def preformatted(text: str) -> str:
    """Returns a text as HTML."""
    import html

    return f"<pre>{html.escape(text)}</pre>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], below: str = "") -> str:
    """Returns a table as HTML, with a line below it."""
    import html

    def line(cells: Sequence[str], tag: str) -> str:
        inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inner}</tr>"

    body = "".join(line(row, "td") for row in rows)
    note = f"<div>{html.escape(below)}</div>" if below else ""
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>{note}"


def seconds(nanos: int | None) -> str:
    """Returns a duration for people."""
    if nanos is None:
        return ""
    if nanos < 1_000_000_000:
        return f"{nanos / 1e6:.0f} ms"
    if nanos < 60_000_000_000:
        return f"{nanos / 1e9:.1f} s"
    minutes, rest = divmod(nanos // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
