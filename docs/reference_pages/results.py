"""What is in a results file, read from one that is made here: three points of a toy model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py

from reference_pages.markdown import code, page, prose, table

#: What a variable is for, by the attribute that hpcsim writes to it.
_ROLES = {
    "record": "Records: of every point, in every study",
    "parameter": "Parameters: here those of the toy model",
    "output": "Outputs: one a point, over time, ragged, whole numbers",
    "count": "Counts: how many values of a ragged output each point has",
    "coordinate": "Coordinates",
}


def results() -> str:
    """The page of the results format."""
    with tempfile.TemporaryDirectory() as folder, h5py.File(_made(Path(folder)), "r") as file:
        held = {name: item for name, item in file.items() if _text(item, _ROLE) in _ROLES}
        parts = [
            f"## {title}\n\n" + table(_HEAD, [_row(name, item) for name, item in held.items() if _text(item, _ROLE) == role])
            for role, title in _ROLES.items()
        ]
        origin = ", ".join(code(name) for name in file["provenance"])
        attributes = ", ".join(code(name) for name in sorted(file.attrs) if not name.startswith("_"))
    about = (
        '`results.h5` is HDF5 as netCDF-4 writes it, with CF conventions: `xarray.open_dataset(PATH, engine="h5netcdf")`, '
        "h5py, h5dump and "
        "MATLAB open it without hpcsim. The first axis of every variable is the point. The tables below are read from a file "
        "with three "
        "points that was written when this page was made. `hpcsim.open` reads it [in Python](python.md#results)."
    )
    others = (
        "## Words, dimensions, origin\n\n"
        "Texts are HDF5 strings of a fixed length: ids ASCII of 32 digits, others UTF-8 that ends with a zero. With h5py, "
        '`file["id"].asstr()[:]` gives them. Files of the formats `hpcsim-shard/1` and `hpcsim-results/1` have an array of '
        "characters in place of each text; they are read, too. Ragged outputs are CF contiguous ragged "
        f"arrays: all values in a row, and a count for each point. The group `provenance` holds {origin}. Attributes of the "
        f"file: {attributes}."
    )
    return page("Results format", about, *parts, others)


_ROLE = "hpcsim_role"
_HEAD = ("variable", "type", "dimensions", "unit", "what it is")


def _made(folder: Path) -> Path:
    """The results of a study of three points."""
    import hpcsim

    study = hpcsim.Study("toy", "hpcsim.testing.toys:single", space={"x": [1.0, 2.0, 3.0]})
    study.run("inline", folder / "toy").close()
    return folder / "toy" / "results.h5"


def _row(name: str, item: h5py.Dataset) -> tuple[str, ...]:
    about = _text(item, "long_name") or _text(item, "description")
    return (
        code(name),
        "text" if item.dtype.kind == "S" else code(item.dtype),
        _dimensions(item),
        code(_text(item, "units")),
        prose(about),
    )


def _dimensions(item: h5py.Dataset) -> str:
    names = [scale[0].name.lstrip("/") if len(scale) else "" for scale in item.dims]
    return ", ".join(name for name in names if name)


def _text(item: h5py.Dataset | h5py.Group, name: str) -> str:
    value = item.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)
