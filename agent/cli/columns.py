"""Tables that may have very many rows, as of ten years of calls: rich's own takes 2 ms for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from agent.cli.rows import AT_ONCE

_GAP = "  "
_LEAST = 4  # cells of a column that is folded because nothing else helps


@dataclass(frozen=True)
class Column:
    """A column: its head, on which side its text is, and whether it may be folded to lines of
    ``least`` cells where a terminal is narrow, and of fewer where nothing else helps."""

    name: str
    right: bool = False
    fold: bool = False
    least: int = 8


#: What stands in a row: text, or that and a style of rich's. It has no line ends.
Cell = str | tuple[str, str]


def print_rows(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
) -> None:
    """Print rows of as many cells as there are columns, with their heads, in so many columns of
    text; as the lines are made, so that the first come at once."""
    widths = _widths(columns, rows, width)
    heads: Sequence[Cell] = [(column.name, "bold") for column in columns]
    whole = [heads, *rows]
    for at in range(0, len(whole), AT_ONCE):
        some = whole[at : at + AT_ONCE]
        lines = [line for row in some for line in _lines(console, columns, widths, row)]
        if console.color_system is None:
            text = "\n".join("".join(text for text, _ in pieces) for pieces in lines)
            console.out(text, highlight=False)
        else:
            console.print(_joined(lines), soft_wrap=True)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> list[int]:
    """How many cells each column gets: what it needs, or less where it may be folded."""
    widths = [_cells(column.name) for column in columns]
    for row in rows:
        for number, cell in enumerate(row):
            if (needed := _cells(_text(cell))) > widths[number]:
                widths[number] = needed
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for least in ([one.least for one in columns], [_LEAST] * len(columns)):
        while over > 0:
            wide = [
                number
                for number, column in enumerate(columns)
                if column.fold and widths[number] > max(least[number], _cells(column.name))
            ]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
            over -= 1
    return widths


def _lines(
    console: Console, columns: Sequence[Column], widths: Sequence[int], row: Sequence[Cell]
) -> Iterator[list[tuple[str, str]]]:
    """A row's lines, as pieces with their styles."""
    styles = ["" if isinstance(cell, str) else cell[1] for cell in row]
    texts = [_text(cell) for cell in row]
    folded = [
        [text] if _cells(text) <= wide else _folded(console, text, wide)
        for text, wide in zip(texts, widths, strict=True)
    ]
    for line in zip_longest(*folded, fillvalue=""):
        pieces = []
        for column, text, style, wide in zip(columns, line, styles, widths, strict=True):
            gap = " " * (wide - _cells(text))
            pieces += [(gap, ""), (text, style)] if column.right else [(text, style), (gap, "")]
            pieces.append((_GAP, ""))
        while pieces and not pieces[-1][0].strip():
            pieces.pop()
        yield pieces


def _folded(console: Console, text: str, wide: int) -> list[str]:
    return [line.plain.rstrip() for line in Text(text).wrap(console, wide)]


def _joined(lines: Sequence[Sequence[tuple[str, str]]]) -> Text:
    """Lines as one text; what has no style is put together first, which is most."""
    whole, plain = Text(), []
    for number, pieces in enumerate(lines):
        if number:
            plain.append("\n")
        for text, style in pieces:
            if not style:
                plain.append(text)
                continue
            whole.append("".join(plain))
            plain.clear()
            whole.append(text, style)
    return whole.append("".join(plain))


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
