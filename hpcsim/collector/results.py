"""The results of a study as an analysis wants them: tables by name, in an order that never depends on arrival."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hpcsim.collector.collect import RESULTS, SHARDS
from hpcsim.collector.columns import frame_of, index_of, records_of, rows_of
from hpcsim.collector.format.guard import reading
from hpcsim.collector.format.inspection import inspect
from hpcsim.collector.format.ragged import Ragged
from hpcsim.collector.format.schema import OK, PROVENANCE, STATUSES
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.text import is_text
from hpcsim.collector.labelled import open_labelled
from hpcsim.collector.shard import shard_files
from hpcsim.errors import PluginError, ResultsError, nearest
from hpcsim.outputs import Columns
from hpcsim.plugin import not_installed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from hpcsim.collector.stream import Stream


class Results:
    """What a study gave. Use it in a ``with`` statement, or close it.

    Rows stand in the order of the file everywhere, which is that of the design once a command has come to its end, whatever
    the order of arrival; points that the design no longer has come after it. `features`, `theta` and `torch` leave out
    those that did not succeed.

    Parameters
    ----------
    path : Path
        Results, a shard, or the directory of a study.

    Raises
    ------
    ResultsError
        If there are no results, or they cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = _find(Path(path))
        try:
            self.table = inspect(Table(self.path))
        except FileNotFoundError as error:
            raise ResultsError(f"{self.path}: cannot be read: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        dataset = self.__dict__.pop("dataset", None)
        if dataset is not None:
            dataset.close()
        self.table.close()

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        if not self.table.file:
            return f"<Results {self.path}: closed>"
        counts = ", ".join(f"{n} {word}" for word, n in self.counts.items() if n)
        outputs = ", ".join(self.table.names("output"))
        return f"<Results {self.table.attrs.get('study', self.path)}: {len(self)} points ({counts}); {outputs}>"

    def _repr_html_(self) -> str:
        from hpcsim.collector.notebook import results_html

        return results_html(self)

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Everything as an xarray Dataset whose coordinates are the parameters; values are read when they are used."""
        opened = open_labelled(self.path)
        # older files do not say it themselves
        return opened.set_coords(["id", "replicate", *self.table.names("parameter")])

    @property
    def outputs(self) -> xr.Dataset:
        """The outputs, with the coordinates of their dimensions."""
        return self.dataset[[*self.table.names("count"), *self.table.names("output")]]

    @property
    def parameters(self) -> pd.DataFrame:
        """The parameters of all points, by id."""
        return frame_of(self.table, self.table.names("parameter"), np.arange(len(self)))

    @property
    def records(self) -> pd.DataFrame:
        """Replicate, seed, status, error, attempts, times, memory and host of all points, by id."""
        return records_of(self.table, np.arange(len(self)))

    @property
    def failures(self) -> pd.DataFrame:
        """Every point that did not succeed: parameters, status, error, attempts, host."""
        rows = np.flatnonzero(self._status != OK)
        records = records_of(self.table, rows)[["status", "error", "attempts", "host"]]
        return frame_of(self.table, self.table.names("parameter"), rows).join(records)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many points ended how: ok, failed, crashed, timeout."""
        found = sum((np.bincount(part, minlength=256) for _, part in self.table.scan("status")), np.zeros(256, np.int64))
        return {word: int(found[code]) for code, word in enumerate(STATUSES)}

    @cached_property
    def units(self) -> dict[str, str]:
        """Unit of everything that has a name; empty for a pure number."""
        roles = ("record", "parameter", "output", "coordinate")
        return {name: self.table.unit(name) for role in roles for name in self.table.names(role)}

    @cached_property
    def provenance(self) -> dict[str, str]:
        """What the results say about where they come from."""
        with reading(self.path, PROVENANCE):
            group = self.table.file.get(PROVENANCE, {})
            return {name: group[name].asstr()[()] for name in group}

    @property
    def study(self) -> dict[str, Any]:
        """The study as it was run."""
        with reading(self.path, f"{PROVENANCE}/study"):
            return tomllib.loads(self.provenance.get("study", ""))

    @property
    def versions(self) -> dict[str, Any]:
        """Versions of all packages and simulators."""
        with reading(self.path, f"{PROVENANCE}/versions"):
            return dict(json.loads(self.provenance.get("versions", "{}")))

    @property
    def recipes(self) -> list[dict[str, Any]]:
        """Recipes that made the rows, with the source of the user's own code, by the numbers in ``records["recipe"]``.

        Where all rows come from one recipe there is no such column, and this holds that one.
        """
        if "recipes" in self.provenance:
            several: list[dict[str, Any]] = json.loads(self.provenance["recipes"])
            return several
        source = json.loads(self.provenance.get("source", "{}"))
        recipe = self.study.get("recipe", {})
        return [{"fingerprint": str(self.table.attrs.get("fingerprint", "")), "recipe": recipe, "source": source}]

    def ragged(self, name: str) -> Ragged:
        """A ragged output: ``[i]`` is the array of point `i`.

        Raises
        ------
        ResultsError
            If there is no such ragged output.
        """
        return Ragged(self.table, self._known("output", name))

    def features(self, outputs: Sequence[str] | None = None) -> pd.DataFrame:
        """Outputs as named columns: a row for each point that succeeded, in the order of the file.

        Parameters
        ----------
        outputs : sequence of str, optional
            A scalar output gives a column of its name; an output with one dimension gives a column for each
            coordinate, such as ``catch22.DN_HistogramMode_5``, which may be named by itself (see
            :meth:`hpcsim.outputs.Layout.columns`). Without it, all outputs of these two kinds.

        Raises
        ------
        ResultsError
            If an output or column does not exist, or has more dimensions or a ragged one.
        """
        import pandas as pd

        columns: dict[str, np.ndarray] = {}
        read: dict[str, np.ndarray] = {}
        for name in self.table.layout.tabular if outputs is None else outputs:
            found = self._columns(name)
            if found.output not in read:
                values = self.rows(found.output, self._ok)
                read[found.output] = values.reshape(len(values), math.prod(values.shape[1:]))
            columns.update({column: read[found.output][:, place] for column, place in found.places.items()})
        return pd.DataFrame(columns, index=index_of(self.table, self._ok))

    def grid(self, outputs: Sequence[str] | None = None) -> xr.Dataset:
        """Outputs of a grid as labelled arrays: ``results.grid().rate.sel(g=3).plot()``.

        There is one dimension a parameter, and one of the replicates, before those of the output.
        Parameters that go together (``zip``) share the dimension of the first of them; where values of this one repeat, the
        dimension is numbered and has ``zip_`` before its name. Points that did not succeed or were not simulated yet are NaN;
        `status` says which is which (``missing``), and `id` names the points.

        Parameters
        ----------
        outputs : sequence of str, optional
            All that are not ragged without it.

        Raises
        ------
        ResultsError
            If the design is no grid, or an output was not kept or is ragged.
        """
        from hpcsim.collector.grid import gridded

        layout = self.table.layout
        names = [name for name, output in layout.outputs.items() if not output.ragged] if outputs is None else list(outputs)
        for name in names:
            if layout[self._known("output", name)].ragged:
                raise ResultsError(f'the output "{name}" is ragged: it has no shape; use results.ragged("{name}")')
        return gridded(self, names)

    def point(self, point: int | str) -> xr.Dataset:
        """Everything of one point: parameters as coordinates, and its outputs, ragged ones with their own lengths.

        Parameters
        ----------
        point : int or str
            Row, or id; the first digits of an id do.

        Raises
        ------
        ResultsError
            If there is no such point, or it did not succeed.
        """
        from hpcsim.collector.signals import find_row

        row = find_row(self, point)
        place: dict[str, int | slice] = {"point": row}
        for dim in {*self.table.ragged_dims.values()}:
            place[dim] = slice(*self.table.extent(dim, row, row + 1))
        with reading(self.path):
            return self.dataset.isel(place).load()

    def to_pandas(self, outputs: Sequence[str] | None = None) -> pd.DataFrame:
        """A row a point, failed ones included: parameters, replicate, status, and outputs with names as columns.

        Parameters
        ----------
        outputs : sequence of str, optional
            As of :meth:`features`, in whose columns failed points are NaN.

        Raises
        ------
        ResultsError
            As of :meth:`features`.
        """
        records = self.records[["replicate", "status"]]
        return self.parameters.join(records).join(self.features(outputs))

    def theta(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Parameters of the points that succeeded, as rows that fit those of `features`.

        Parameters
        ----------
        names : sequence of str, optional
            All parameters without it.

        Raises
        ------
        ResultsError
            If there is no such parameter.
        """
        names = self.table.names("parameter") if names is None else names
        return frame_of(self.table, [self._known("parameter", name) for name in names], self._ok)

    def torch(self, parameters: Sequence[str], outputs: Sequence[str]) -> Stream:
        """Pairs of parameters and outputs as float32, read from the file batch by batch.

        Parameters
        ----------
        parameters, outputs : sequence of str
            Numbers; outputs may be single columns, as of :meth:`features`. One output keeps its shape; several are made flat
            and follow one another.

        Returns
        -------
        torch.utils.data.Dataset
            Of the points that succeeded, in the order of the file.

        Raises
        ------
        ResultsError
            If a name does not exist, or an output is ragged.
        """
        try:
            from hpcsim.collector.stream import Chosen, Stream
        except ModuleNotFoundError:
            raise PluginError(not_installed("results.torch", "torch", "sbi")) from None

        layout = self.table.layout
        chosen: list[Chosen] = []
        for name in outputs:
            if name not in layout:
                found = self._columns(name)
                chosen.append((found.output, tuple(found.places.values())))
                continue
            if layout[name].ragged:
                raise ResultsError(f'the output "{name}" is ragged: it has no shape; make features of it with a stage')
            chosen.append((name, None))
        for name in parameters:
            if is_text(self.table.dataset(self._known("parameter", name))):
                raise ResultsError(f'the parameter "{name}" is text, not a number')
        return Stream(self.path, self._ok, tuple(parameters), tuple(chosen))

    def to_neo(self, point: int | str) -> Any:
        """What a point recorded over time, as Neo has it: for Elephant, NIX files and viewers.

        Parameters
        ----------
        point : int or str
            Row, or id; the first digits of an id do.

        Returns
        -------
        neo.Block
            With one segment: an AnalogSignal an output over time, a SpikeTrain a cell, and the epochs.

        Raises
        ------
        ResultsError
            If there is no such point, it did not succeed, or nothing was recorded over time.
        PluginError
            If Neo is not installed.
        """
        from hpcsim.collector.neo_block import neo_block

        return neo_block(self, point)

    def _known(self, role: str, name: str) -> str:
        if name not in self.table.names(role):
            raise ResultsError(f'{self.path}: there is no {role} "{name}"; {nearest(name, self.table.names(role))}')
        return name

    def _columns(self, name: str) -> Columns:
        try:
            return self.table.layout.columns(name)
        except ResultsError as error:
            raise ResultsError(f"{self.path}: {error}") from None

    @cached_property
    def _status(self) -> np.ndarray:
        return self.table.array("status")

    @cached_property
    def _ok(self) -> np.ndarray:
        """Rows of the points that succeeded."""
        return np.flatnonzero(self._status == OK)

    def rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Some rows of a column, in the order of `rows`; no more is held than is asked for.

        Parameters
        ----------
        name : str
            A record, a parameter, or an output that is not ragged.
        rows : ndarray of int
        """
        return rows_of(self.table, name, rows)


def open_results(path: Path | str) -> Results:
    """Open the results of a study.

    Parameters
    ----------
    path : Path
        ``results.h5``, or the directory of a study.

    Raises
    ------
    ResultsError
        If there are none, or they cannot be read.
    """
    return Results(path)


def _find(path: Path) -> Path:
    found = path / RESULTS if path.is_dir() else path
    if found.exists():
        return found
    waiting = len(shard_files(found.parent / SHARDS))
    advice = (
        f"{waiting} shards wait beside it: collect them first (hpcsim.collector.collect)"
        if waiting
        else "run the study first, or check the path"
    )
    raise ResultsError(f"{found}: there are no results; {advice}")
