"""Rows of a collection's table as arrays: PostgreSQL's binary COPY, read by numpy.

A message of COPY is a row: the number of fields, then each with its length before it. All but the array of terms have
a fixed length, and the terms stand last, so that everything has its place at a row's beginning and nothing is read one
by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from civitas.infra.search.shape import Order, Shape
from civitas.kit.errors import Unavailable

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
HEADER: Final = 19
TRAILER: Final = b"\xff\xff"
# Of 32 or 64 bits, as the order has it.
Keys = NDArray[Any]
# An array's own head: dimensions, NULLs, type, length, first index. An empty one has the first three only.
ARRAY_HEAD: Final = 20
WIDTHS: Final = {"int": 4, "long": 8, "moment": 8, "float": 8}
# Adding nothing makes one zero of two.
CASTS: Final = {"int": "::int", "long": "::bigint", "moment": "::timestamptz", "float": "::float8 + 0"}


@dataclass
class Rows:
    """Documents: numbers, keys by order, terms behind one another (`starts` has one more than rows), prints of these."""

    ids: NDArray[np.int64]
    keys: list[Keys]
    terms: NDArray[np.int64]
    starts: NDArray[np.int64]
    prints: NDArray[np.uint64]

    @classmethod
    def none(cls, shape: Shape) -> Rows:
        """No documents."""
        keys: list[Keys] = [np.zeros(0, dtype_of(order)) for order in shape.orders]
        return cls(
            np.zeros(0, np.int64), keys, np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.uint64)
        )


def dtype_of(order: Order) -> type[np.int32] | type[np.int64]:
    """What its keys are kept as."""
    return np.int32 if order.kind == "int" else np.int64


def statement(shape: Shape, ids: Sequence[int] | None = None) -> bytes:
    """COPY of all documents, or of those with these numbers."""
    columns = [f"{shape.id}::bigint"]
    columns += [f"{order.column}{CASTS[order.kind]}" for order in shape.orders]
    columns += [f"{column}::bigint" for column, _ in shape.owners]
    columns += [f"{shape.terms}::{'bigint' if shape.wide else 'int'}[]"]
    # Names are of shapes, which are literals of the program; numbers are numbers.
    where = (
        "" if ids is None else f" WHERE {shape.id} = ANY('{{{','.join(map(str, map(int, ids)))}}}'::bigint[])"
    )
    query = f"SELECT {', '.join(columns)} FROM {shape.table}{where}"  # noqa: S608
    return f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()


def messages(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The rows among the messages of a COPY: without its head and its end."""
    for at, part in enumerate(parts):
        if at == 0:
            if not part.startswith(SIGNATURE):
                raise Unavailable("The database's COPY does not begin as a binary one does.")
            part = part[HEADER:]
        if part and part != TRAILER:
            yield part


def read(shape: Shape, messages_: list[bytes]) -> Rows:
    """Rows from their messages. Raises Unavailable when they are not of this shape."""
    if not messages_:
        return Rows.none(shape)
    fields = [
        ("id", 8),
        *((o.column, WIDTHS[o.kind]) for o in shape.orders),
        *((c, 8) for c, _ in shape.owners),
    ]
    layout: list[tuple[str, str] | tuple[str, str, int]] = [("n", ">i2")]
    for name, width in fields:
        layout += [(f"{name}.size", ">i4"), (name, f">i{width}")]
    layout.append(("terms.size", ">i4"))
    dtype = np.dtype(layout)
    data = np.frombuffer(b"".join(messages_), np.uint8)
    sizes = np.fromiter(map(len, messages_), np.int64, len(messages_))
    starts = np.cumsum(sizes) - sizes
    if int(sizes.min()) < dtype.itemsize:
        raise Unavailable(
            f"A row of {shape.table} is not as this program knows it; is the schema up to date?"
        )
    heads = np.lib.stride_tricks.sliding_window_view(data, dtype.itemsize)[starts]
    heads = np.ascontiguousarray(heads).view(dtype)[:, 0]
    expected = all(bool((heads[f"{name}.size"] == width).all()) for name, width in fields)
    if not expected or not bool((heads["n"] == len(fields) + 1).all()):
        raise Unavailable(f"A row of {shape.table} has a NULL, or is not as this program knows it.")
    sizes_of_terms = heads["terms.size"].astype(np.int64)
    terms, ends = _terms(data, starts + dtype.itemsize, sizes_of_terms, 8 if shape.wide else 4)
    owned = [(heads[column].astype(np.int64) + base) for column, base in shape.owners]
    terms, ends = _with_owners(terms, ends, owned)
    keys: list[Keys] = [_keys(order, heads[order.column]) for order in shape.orders]
    return Rows(heads["id"].astype(np.int64), keys, terms, ends, _prints(terms, ends))


def _keys(order: Order, column: NDArray[Any]) -> Keys:
    if order.kind != "float":
        return column.astype(dtype_of(order))
    bits: NDArray[np.int64] = column.astype(np.int64)
    # Those of negative numbers go the other way.
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


def _terms(
    data: NDArray[np.uint8], places: NDArray[np.int64], sizes: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    step = 4 + width
    counts = np.maximum(sizes - ARRAY_HEAD, 0) // step
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    at = np.repeat(places + ARRAY_HEAD - step * ends[:-1], counts) + step * np.arange(int(ends[-1]))
    there = len(data) >= step
    window = np.lib.stride_tricks.sliding_window_view(data, step) if there else np.zeros((0, step), np.uint8)
    layout = np.dtype([("size", ">i4"), ("term", f">i{width}")])
    pairs = np.ascontiguousarray(window[at]).view(layout)[:, 0]
    if not bool((pairs["size"] == width).all()):
        raise Unavailable(f"Terms are not whole numbers of {width} bytes, or one of them is NULL.")
    return pairs["term"].astype(np.int64), ends


def _with_owners(
    terms: NDArray[np.int64], ends: NDArray[np.int64], owned: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each document's owners behind its terms."""
    for column in owned:
        terms = np.insert(terms, ends[1:], column)
        ends = ends + np.arange(len(ends))
    return terms, ends


def _prints(terms: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number of 64 bits for each set of terms, whatever their order: the sum of each term well mixed (splitmix64)."""
    mixed = terms.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    found: NDArray[np.uint64] = sums[ends[1:]] - sums[ends[:-1]]
    return found
