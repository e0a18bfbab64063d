"""Tables of rows, a line for each."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console

from agent.cli.columns import Cell, Column, print_rows

COLUMNS = (Column("#", right=True), Column("who", fold=True, least=10), Column("sound", fold=True))


def printed(rows: list[list[Cell]], width: int, color: bool = False) -> list[str]:
    console = Console(
        width=width, force_terminal=color, color_system="standard" if color else None, emoji=False
    )
    with console.capture() as capture:
        print_rows(console, COLUMNS, rows, width)
    return capture.get().splitlines()


def test_very_many_rows_are_each_a_line_in_their_order() -> None:
    rows: list[list[Cell]] = [[str(n), f"Ada {n}", ("SILENT", "bold red")] for n in range(1001)]
    head, *lines = printed(rows, 60)
    assert head.split() == ["#", "who", "sound"]
    assert [line.split() for line in lines] == [
        [str(n), "Ada", str(n), "SILENT"] for n in range(1001)
    ]
    assert {line.index("SILENT") for line in lines} == {head.index("sound")}
    colored = printed(rows, 60, color=True)
    assert len(colored) == 1002
    assert all("\x1b[1;31mSILENT\x1b[0m" in line for line in colored[1:])


def test_what_does_not_fit_is_folded_and_lost_nowhere() -> None:
    name = "Ada Augusta King Countess of Lovelace [red]x[/red] " + "漢字" * 12
    lines = printed([["1", name, "-3 dB"], ["22", "Bob", "downlink SILENT"]], 40)
    assert all(cell_len(line) <= 40 for line in lines)
    told = "".join(line[4:].replace("-3 dB", "") for line in lines[1:])
    assert "".join(told.split()).startswith("".join(name.split()))
    assert [line.split()[:2] for line in lines if line.strip().startswith("22")] == [["22", "Bob"]]


def test_where_nothing_can_be_folded_a_line_is_longer_than_the_terminal() -> None:
    _, line = printed([["123456789", "Ada", "-3 dB"]], 12)
    assert line.split() == ["123456789", "Ada", "-3", "dB"]


def test_a_terminal_that_is_a_little_too_narrow_does_not_break_each_line() -> None:
    name = "Ada Augusta King Countess of Lovelace"
    lines = printed([[str(number), name, "not measured"] for number in (1, 123456)], 22)
    assert max(cell_len(line) for line in lines) <= 22
