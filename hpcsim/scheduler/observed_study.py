"""Observations from another study: what this study's own stages make of the other one's points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError, UnitError
from hpcsim.files import write_text
from hpcsim.inference.observations import EXTRACTOR
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Layout
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

if TYPE_CHECKING:
    from hpcsim.collector.format.table import Table


def observe(study: Study, directory: StudyDirectory, name: str, path: Path) -> Path:
    """Write the points of another study as observations, a row a point that succeeded.

    The study's stages are applied to the other study's outputs, with the options that they have in this study. Columns
    are the features (kept outputs that are numbers with names), and the other study's parameters to choose rows by.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Where it runs; the other one runs beside it.
    name : str
        Of the other study.
    path : Path
        The CSV file to write, as :func:`hpcsim.inference.observations.read_observations` reads it, and beside it a JSON
        file that tells the stages, their versions and what made the points.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    ResultsError
        If the other study has no results or no point that succeeded, does not keep what a stage needs, or gives a
        feature at other frequencies (or other positions) than this study.
    """
    import pandas

    from hpcsim.scheduler.task.runner import with_stages

    context = Context(inputs={needed: directory.results_of(needed) for needed in study.inputs})
    with directory.results_of(name) as table:
        order = np.argsort(table.ids())
        rows = order[table.good[order]]
        if not len(rows):
            raise ResultsError(f"the study {name} has no point that succeeded to observe; see `hpcsim status {name}`")
        held, layout = _layouts(study, name, table)
        context.layout = layout
        features = _features(study, name, layout)
        parts = []
        for row in rows.tolist():
            data = {output: table.batch(output, row, row + 1) for output in held.outputs}
            parts.append(_numbers(features, layout, with_stages(study.stages, layout, data, 1, context)))
        parameters = _parameters(table, rows)
        written = pandas.DataFrame(parts).join(pandas.DataFrame(parameters))
        written.index = pandas.Index(_labels(name, table, rows), name="point")
        made = {"study": name, "fingerprint": str(table.attrs.get("fingerprint", ""))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, written.to_csv())
    versions = {bound.stage.name: bound.stage.version for bound in study.stages}
    write_text(path.with_suffix(".json"), json.dumps({EXTRACTOR: versions, **made}, indent=2) + "\n")
    return path


def _layouts(study: Study, name: str, table: Table) -> tuple[Layout, Layout]:
    """Outputs of the other study that go into the stages, and those with what the stages make of them."""
    own = [output for output in study.all_outputs.outputs if output not in study.model_layout]
    # what the other study computed under the same name may have had other options
    held = table.layout.select(output for output in table.layout.outputs if output not in own)
    layout = held
    for bound in study.stages:
        try:
            layout = layout.union(bound.stage.declare(bound.options, layout))
        except (ResultsError, UnitError) as error:
            raise ResultsError(
                f"observations from the study {name}: {bound.stage.name} cannot be applied to it: {error}; "
                f"{name} keeps {', '.join(table.layout.outputs)}"
            ) from error
    return held, layout


def _features(study: Study, name: str, layout: Layout) -> list[str]:
    """Outputs of this study that have columns, and that the other one has at the same positions."""
    features = []
    for output in study.layout.outputs.values():
        if output.ragged or len(output.dims) > 1 or output.name not in layout:
            continue
        if output.dims:
            here, there = study.layout.coordinate(output.name), layout.coordinate(output.name)
            if not here.same(there):
                raise ResultsError(
                    f"observations from the study {name}: {output.name} has {len(there)} values there, {_ends(there)}, and "
                    f"{len(here)} here, {_ends(here)}; simulate both with time steps and durations that give the same"
                )
        features.append(output.name)
    return features


def _ends(coordinate: Any) -> str:
    """First and last position."""
    values = coordinate.values.tolist()
    return f"{values[0]} to {values[-1]} {coordinate.unit}".rstrip() if values else "none"


def _numbers(features: list[str], layout: Layout, outputs: Mapping[str, Batch]) -> dict[str, float]:
    """Features of one point by column, with units."""
    columns: dict[str, float] = {}
    for name in features:
        values, unit = np.ravel(outputs[name][0]).tolist(), layout[name].unit
        labels = [f"{name}.{label}" for label in layout.coordinate(name).values.tolist()] if layout[name].dims else [name]
        columns |= {_column(label, unit): value for label, value in zip(labels, values, strict=True)}
    return columns


def _parameters(table: Table, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Parameters that are one number, by column, with units."""
    columns = {name: table.array(name)[rows] for name in table.names("parameter")}
    return {_column(name, table.unit(name)): values for name, values in columns.items() if _numeric(values)}


def _labels(name: str, table: Table, rows: np.ndarray) -> list[str]:
    """The study's name with what varies, for each point."""
    columns = {column: table.array(column)[rows] for column in (*table.names("parameter"), "replicate")}
    varying = {column: values.tolist() for column, values in columns.items() if _numeric(values) and len(np.unique(values)) > 1}
    return [", ".join([name, *(f"{column} = {values[i]:g}" for column, values in varying.items())]) for i in range(len(rows))]


def _numeric(values: np.ndarray) -> bool:
    return values.ndim == 1 and values.dtype.kind in "iuf"


def _column(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
