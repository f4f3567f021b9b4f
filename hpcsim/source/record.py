"""The source that is stored in a study's directory: with it, an own model goes on where its files are not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcsim.errors import StorageError
from hpcsim.files import publish, regular
from hpcsim.source.files import SourceFile, folder_prefix
from hpcsim.source.origin import Code

#: The folder in a study's directory, and the file in it that says where its files were read.
SOURCE, _ORIGIN = "source", ".origin.json"
#: The next one while it is written, and the last one until it is there.
_DRAFTS = (".source.new", ".source.old")
_NUMBERED = re.compile(r"_(\d+)/(.+)")


@dataclass(frozen=True)
class Stored:
    """Where the code of a study's directory is loaded from.

    Parameters
    ----------
    folders : tuple of Path
        The folder that it was read from, as long as its files are the same, or else the one in the directory.
    changed : tuple of Path
        Files that are others by now where they were read; the stored ones are used instead.
    """

    folders: tuple[Path, ...]
    changed: tuple[Path, ...] = ()


def store(directory: Path, code: Code) -> None:
    """Keep the files of a study in its directory; what is there already is not written again.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    place = directory / SOURCE
    contents = {name: file.content for name, file in code.files.items() if file.content is not None and ".." not in name}
    if not contents or (place.is_dir() and _contents(place) == contents):
        return
    before = _origins(directory)
    origins = [
        before[number] if root.is_relative_to(place.absolute()) and number < len(before) else str(root)
        for number, root in enumerate(code.roots)
    ]
    draft, old = (place.with_name(name) for name in _DRAFTS)
    try:
        for leftover in (draft, old):
            shutil.rmtree(leftover, ignore_errors=True)
        for name, content in contents.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (draft / _ORIGIN).write_text(json.dumps({"folders": origins}, indent=1) + "\n", encoding="utf-8")
        if place.exists():
            place.rename(old)
        publish(draft, place)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{place} cannot be written: {error.strerror}; give another directory with --dir") from error


def is_record(path: Path) -> bool:
    """Whether this is the code that :func:`store` stored, or was storing when it was killed."""
    return path.is_dir() and (path.name in _DRAFTS or (path.name == SOURCE and (path / _ORIGIN).is_file()))


def stored(directory: Path, recipe: Mapping[str, Any], *, changed: bool = False) -> Stored | None:
    """Where the code of a directory is; None where it stores none.

    Parameters
    ----------
    directory : Path
    recipe : mapping
        That of the directory.
    changed : bool
        Whether files count as they are now where they were read, if they are still there.
    """
    origins = _origins(directory)
    if not origins:
        return None
    groups: dict[int, dict[str, str]] = {number: {} for number in range(len(origins))}
    for name, digest in recipe.get("source", {}).items():
        numbered = _NUMBERED.fullmatch(name)
        number, inner = (int(numbered[1]), numbered[2]) if numbered else (0, name)
        groups.setdefault(number, {})[inner] = digest
    folders, others = list[Path](), list[Path]()
    for number, origin in enumerate(origins):
        root, kept = Path(origin), directory.absolute() / SOURCE / folder_prefix(number)
        present = [root / name for name in groups[number] if (root / name).is_file()]
        different = [path for path in present if _digest(path) != groups[number][path.relative_to(root).as_posix()]]
        same = len(present) == len(groups[number]) and not different
        folders.append(root if present and (same or changed) else kept)
        others += different if not changed else []
    return Stored(tuple(folders), tuple(others))


def stored_files(directory: Path) -> dict[str, bytes]:
    """The files that a study's directory stores, by name."""
    return _contents(directory / SOURCE)


def texts(files: Mapping[str, bytes]) -> dict[str, str]:
    """Those files that are text."""
    found = {}
    for name, content in files.items():
        try:
            found[name] = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return found


def _contents(place: Path) -> dict[str, bytes]:
    # a link may lead anywhere
    paths = sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    own = (path for path in paths if path.name != _ORIGIN and "__pycache__" not in path.parts)
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in own}


def _origins(directory: Path) -> list[str]:
    try:
        values = json.loads(regular(directory / SOURCE / _ORIGIN).read_text(encoding="utf-8"))
        return [str(folder) for folder in values["folders"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _digest(path: Path) -> str:
    try:
        return SourceFile.read(path).digest
    except OSError:
        return ""
