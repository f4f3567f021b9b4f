"""Features with targets as BluePyOpt's JSON has them: protocol, location, name of eFEL, mean and standard deviation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpcsim.errors import Problem, ResultsError, StudyError, nearest
from hpcsim.evaluation.efel_features import available
from hpcsim.evaluation.objective import Objective, checked
from hpcsim.files import regular

_LARGEST = 2**24


def read(path: str | Path, checksum: str = "") -> tuple[Objective, ...]:
    """Objectives of a file such as BluePyOpt's ``examples/l5pc/config/features.json``, as it is.

    ``{"Step1": {"soma.v": {"AP_height": [25.0, 5.0]}, "dend1.v": {...}}}``; the locations ``dend1`` and ``dend2`` are the first
    and second site. Each protocol is a group.

    Raises
    ------
    ResultsError
        If the file cannot be read, or is another one.
    StudyError
        With every mistake in it: an unknown feature or location, a missing mean or standard deviation.
    """
    path = Path(path)
    binary = _content(path)
    found = _checksum(binary)
    if checksum and found != checksum:
        raise ResultsError(f"{path} is another file: found {found}, expected {checksum}")
    try:
        content = json.loads(binary.decode("utf-8-sig"))
    except ValueError as error:
        raise ResultsError(f"{path} is no JSON: {error}; expected protocols with locations and features") from error
    problems: list[Problem] = []
    objectives = list(_objectives(content, problems))
    if problems:
        raise StudyError(problems, str(path))
    return checked(objectives, str(path))


def checksum_of(path: str | Path) -> str:
    """``sha256:...`` of a file.

    Raises
    ------
    ResultsError
        If it cannot be read.
    """
    return _checksum(_content(Path(path)))


def _checksum(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _content(path: Path) -> bytes:
    try:
        return regular(path, _LARGEST).read_bytes()
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}; expected a JSON file of features") from error


def _objectives(content: Any, problems: list[Problem]) -> Iterator[Objective]:
    for protocol, locations in _items(content, "", problems):
        for location, features in _items(locations, protocol, problems):
            key = f"{protocol}.{location}"
            place = _place(location)
            if not place:
                problems.append(Problem(key, "there is no such location", "expected soma.v, dend1.v, dend2.v, ..."))
                continue
            for feature, target in _items(features, key, problems):
                where = f"{key}.{feature}"
                if feature not in available():
                    problems.append(Problem(where, f'eFEL has no feature "{feature}"', nearest(feature, available())))
                    continue
                if not isinstance(target, list) or len(target) < 2:
                    problems.append(Problem(where, f"found {target!r}, expected [mean, standard deviation]"))
                    continue
                name = f"{protocol}.{location.removesuffix('.v')}.{feature}"
                yield Objective(name, protocol, feature, target[0], target[1], protocol, place, "efel")


def _items(value: Any, key: str, problems: list[Problem]) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    problems.append(Problem(key or "file", f"found {type(value).__name__}, expected a table"))
    return []


def _place(location: str) -> str:
    """``soma`` or ``site_N``; empty where it is neither."""
    name = location.removesuffix(".v")
    if name in ("soma", ""):
        return name
    number = name.removeprefix("dend")
    return f"site_{number}" if number.isdigit() and number != name and int(number) > 0 else ""
