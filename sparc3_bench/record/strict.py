"""Strict: files that others wrote, read within bounds and refused in one sentence."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sparc3_bench.errors import RecordError
from sparc3_bench.printable import abridged

_Model = TypeVar("_Model", bound=BaseModel)

_MOST_INTEGER = 2**63
"""Counts of anything are below it, and a larger integer is no float of a sum either."""

_MOST_DIGITS = 24

_LARGE = re.compile(rb"[0-9]{19}|[eE]\+?[0-9]{3}|NaN|Infinity")
"""Where a number may not be finite, or too large; only then each is looked at."""

_GZIP = 31
"""zlib's `wbits` of a gzip file."""


def content_of(path: Path, most: int) -> bytes:
    """Return what is in a plain file of so many bytes at most; links and devices are refused."""
    try:
        with open(path, "rb", opener=_plainly) as file:  # `Path` has no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RecordError(f"{path} is a pipe or a device; a result is a plain file.")
            content = file.read(most + 1)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RecordError(f"{path} is a link, which is not followed; give the file.") from None
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > most:
        raise RecordError(f"{path} is larger than {most:,} bytes; it is not a result.")
    return content


def unpacked(path: Path, most: int) -> bytes:
    """Return what is in a gzip file, read as by `content_of`, never more than `most` bytes."""
    packed, machine = content_of(path, most), zlib.decompressobj(wbits=_GZIP)
    try:
        content = machine.decompress(packed, most + 1)
    except zlib.error as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None
    if len(content) > most:
        raise RecordError(f"{path} unpacks to more than {most:,} bytes; it is not of a result.")
    if not machine.eof:
        raise RecordError(f"{path} cannot be read: it is cut short.")
    if machine.unused_data:
        raise RecordError(f"{path} cannot be read: something follows what was packed.")
    return content


def parsed(content: bytes, path: Path) -> Any:
    """Return the value of JSON in which every number is finite and every name is there once."""
    wrong: list[_Wrong] = []

    def refused(text: str, reason: str) -> _Wrong:
        wrong.append(_Wrong(f"the number {text[:40]} {reason}; use null with a reason"))
        return wrong[-1]

    def finite(text: str) -> float | _Wrong:
        return number if math.isfinite(number := float(text)) else refused(text, "is not finite")

    def bounded(text: str) -> int | _Wrong:
        fits = len(text) < _MOST_DIGITS and abs(int(text)) < _MOST_INTEGER
        return int(text) if fits else refused(text, "does not fit into 64 bits")

    told: dict[str, Any] = {}
    if _LARGE.search(content):
        told = {"parse_float": finite, "parse_int": bounded}
        told["parse_constant"] = lambda name: refused(name, "is not allowed")
    try:
        found = json.loads(content.decode(), object_pairs_hook=_distinct, **told)
        places = dict(_wrong_numbers("", found)) if wrong else {}
    except RecursionError:
        raise RecordError(f"{path} is not valid JSON: it is nested too deeply.") from None
    except ValueError as error:
        raise RecordError(f"{path} is not valid JSON: {error}.") from None
    for place, number in places.items():
        raise RecordError(f"{path}: `{abridged(place, 200) or 'the record'}`: {number.reason}.")
    return found


def validated(kind: type[_Model], data: Any, path: Path) -> _Model:
    """Return what was parsed as a model, or say which field is wrong."""
    try:
        return kind.model_validate(data)
    except RecursionError:
        raise RecordError(f"{path} is nested too deeply; it is not a result.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = abridged(".".join(map(str, first["loc"])), 200) or "the record"
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RecordError(f"{path}: `{field}`: {first['msg']}.{more}") from None


def _plainly(path: str, flags: int) -> int:
    """Open without following a link, and without waiting for whoever writes into a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


@dataclass(frozen=True)
class _Wrong:
    """Stands where a number is that no result may have."""

    reason: str


def _wrong_numbers(place: str, value: Any) -> Iterator[tuple[str, _Wrong]]:
    """Yield where such numbers are."""
    if isinstance(value, _Wrong):
        yield place.removesuffix("."), value
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from _wrong_numbers(f"{place}{name}.", inner)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name '{twice[:80]}' is there twice")
    return found
