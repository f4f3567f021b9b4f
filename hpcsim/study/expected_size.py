"""How many bytes a study's outputs will take, and whether the disk has room for them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study


def point_bytes(study: Study) -> dict[str, int]:
    """Bytes that a point takes before compression, for each output that is kept; 0 where its length is not known before."""
    from hpcsim.collector.format.schema import Schema

    schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
    return {column.name: column.row_bytes for column in schema.columns if column.role == "output"}


def describe_size(study: Study, points: int) -> str:
    """Bytes of so many points for people: ``at least`` so many where outputs are ragged."""
    size = human_bytes(sum(point_bytes(study).values()) * points)
    return f"at least {size}" if _ragged(study) else size


def disk_warning(study: Study, directory: StudyDirectory, points: int) -> str:
    """A sentence where points that are still to be simulated will not fit on the disk; an empty text where they will.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        It need not be there yet.
    points : int
    """
    expected, free = sum(point_bytes(study).values()) * points, free_bytes(directory.path)
    if expected <= free:
        return ""
    unknown = _ragged(study)
    lengths = f"; how long {', '.join(unknown)} will be is not known before" if unknown else ""
    smaller = "" if study.file.outputs.precision == "float32" else ' or precision = "float32"'
    return (
        f"warning: {describe_size(study, points)} of outputs are expected before compression{lengths}, and the disk of "
        f"{directory.path} has {human_bytes(free)} free: [outputs] keep = [...]{smaller} makes them smaller, and --dir names a "
        "directory on another disk"
    )


def _ragged(study: Study) -> list[str]:
    return [name for name, output in study.layout.outputs.items() if output.ragged]


def free_bytes(path: Path) -> int:
    """Bytes that are free where a folder is, or will be."""
    path = path.absolute()
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    return shutil.disk_usage(there).free


def human_bytes(size: float) -> str:
    """A size for people.

    Examples
    --------
    >>> human_bytes(2_160_000_000)
    '2.16 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if size < 100 else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2g} TB" if size < 100 else f"{size:,.0f} TB"
