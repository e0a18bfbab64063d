"""``content query``: a provider's rows, though the command escapes nothing.

It prints ``Row: N a=1, b=2`` and a newline after each row; a text that holds a comma, an equals
sign or a newline stands there as it is. So columns that can hold none of these are asked for
together, in an order that is known; each text that can hold anything is asked for alone, behind
the row's ``_id``. Errors go to stderr, with exit code 0. Source: AOSP Content.java.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.adb import shell
from agent.adb.link import Link
from agent.errors import RemoteError
from agent.text import shown

_HEAD = re.compile(r"^Row: (\d+) ", re.MULTILINE)
_LONGEST_WORDS = 200


def query(
    link: Link, uri: str, columns: Sequence[str] = (), *, where: str = "", sort: str = ""
) -> str:
    """What the command prints for these columns, or for all that the provider has.

    RemoteError when the provider refuses, in its own words without what it was asked.
    """
    words = ["content", "query", "--uri", uri]
    if columns:
        words += ["--projection", ":".join(columns)]
    if where:
        words += ["--where", where]
    if sort:
        words += ["--sort", sort]
    done = shell.run(link, words, timeout=60)
    said = done.stdout.decode("utf-8", "replace")
    if not said.strip():
        stderr = done.stderr.decode("utf-8", "replace")
        raise RemoteError(
            f"the phone's {uri.removeprefix('content://')} can't be read: {_first_cause(stderr)}",
            code=done.code,
            stderr=stderr,
        )
    return said


def rows(text: str, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], str]]:
    """Each row's values, and its own text; ``columns`` are those asked for, in that order.

    Only the last may hold a comma. A row that begins otherwise is none; where no row begins as
    it should, the provider has its own mind about columns, and they are looked for by name.
    """
    first, second = columns[0], columns[1]
    head = re.compile(rf"^Row: \d+ (?={first}=-?\d+, {second}=)", re.MULTILINE)
    starts = [match.start() for match in head.finditer(text)]
    if not starts:
        yield from _by_name(text, columns)
        return
    for start, end in zip(starts, [*starts, len(text)][1:], strict=True):
        raw = text[start:end].removesuffix("\n")
        values = _in_order(raw.split(" ", 2)[2], columns)
        if values is not None:
            yield values, raw


def texts(text: str, column: str, ids: Sequence[int]) -> dict[int, str] | None:
    """The texts of one column by ``_id``, out of a query for ``_id`` and it.

    ``ids`` are the rows' in order. A text may hold anything, also what looks like a row: only
    the head of the row that comes next ends it, so that no row can be made up, and none lost.
    None when the rows are not those of ``ids``: they have changed meanwhile.
    """
    found: dict[int, str] = {}
    heads = [f"Row: {number} _id={row_id}, {column}=" for number, row_id in enumerate(ids)]
    if not heads:
        return found
    if not text.startswith(heads[0]):
        return None
    at = len(heads[0])
    for row_id, following in zip(ids, [*heads[1:], None], strict=True):
        if following is not None:
            end = text.find("\n" + following, at)
            if end < 0:
                return None
        else:
            another = re.search(rf"\nRow: {len(ids)} _id=\d+, {column}=", text[at:])
            end = at + another.start() if another else len(text.removesuffix("\n"))
        value = text_of(text[at:end])
        if value is not None:
            found[row_id] = value
        at = end + 1 + len(following or "")
    return found


def pieces(text: str) -> list[str]:
    """Whole rows, as far as they can be told apart: row 0, 1, 2 and so on."""
    starts: list[int] = []
    for match in _HEAD.finditer(text):
        if match[1] == str(len(starts)):
            starts.append(match.start())
    ends = [*starts, len(text)][1:]
    return [text[start:end].removesuffix("\n") for start, end in zip(starts, ends, strict=True)]


def value_in(raw: str, column: str) -> str | None:
    """A column's value in a row whose order of columns is not known; None where it stands there
    twice, since one of them is then part of some text."""
    found = re.findall(rf"(?:^Row: \d+ |, ){column}=(.*?)(?=, [a-z_0-9]+=|\Z)", raw, re.DOTALL)
    return found[0] if len(found) == 1 else None


def text_of(value: str) -> str | None:
    """A text; None for what stands there when the column has none."""
    return None if value in ("", "NULL") else value


def integer_of(value: str) -> int | None:
    """What SQLite can keep as an integer, else None."""
    return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else None


def _in_order(rest: str, columns: Sequence[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for column, following in zip(columns, (*columns[1:], None), strict=True):
        if not rest.startswith(f"{column}="):
            return None
        rest = rest.removeprefix(f"{column}=")
        value, found, after = rest.partition(f", {following}=") if following else (rest, "", "")
        if following and not found:
            return None
        values[column], rest = value, f"{following}={after}"
    return values


def _by_name(text: str, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], str]]:
    for raw in pieces(text):
        found = {column: value_in(raw, column) for column in columns}
        values = {column: value for column, value in found.items() if value is not None}
        if len(values) == len(columns):
            yield values, raw


def _first_cause(stderr: str) -> str:
    """The line that names the exception, or the first one; a number in it is left out."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.$]+(Exception|Error)\b", line)]
    words = (named or lines or ["it says nothing"])[0][:_LONGEST_WORDS]
    return shown(re.sub(r"\d{4,}", "…", words))
