"""The results of a study as an analysis wants them: tables by name, in an order that never depends on arrival."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hpcsim.collector.collect import RESULTS, SHARDS
from hpcsim.collector.ragged import Ragged
from hpcsim.collector.schema import OK, PROVENANCE, STATUSES
from hpcsim.collector.shard import shard_files
from hpcsim.collector.table import Table
from hpcsim.errors import ResultsError, nearest

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from hpcsim.collector.stream import Stream


class Results:
    """What a study gave. Use it in a ``with`` statement, or close it.

    Rows stand in the order of the file in all but `features`, `theta` and `torch`, which hold the points that
    succeeded, sorted by id.

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
            self.table = Table(self.path)
        except OSError as error:
            raise ResultsError(f"{self.path}: cannot be read: {error}; is it a file of hpcsim, and whole?") from error

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

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Everything as an xarray Dataset; values are read when they are used."""
        import xarray as xr

        try:
            return xr.open_dataset(self.path, engine="h5netcdf")
        except FileNotFoundError:
            raise
        except OSError:  # as in Table: where files cannot be locked
            return xr.open_dataset(self.path, engine="h5netcdf", driver_kwds={"locking": False})

    @property
    def outputs(self) -> xr.Dataset:
        """The outputs, with the coordinates of their dimensions."""
        return self.dataset[[*self.table.names("count"), *self.table.names("output")]]

    @property
    def parameters(self) -> pd.DataFrame:
        """The parameters of all points, by id."""
        return self._frame(self.table.names("parameter"), np.arange(len(self)))

    @property
    def records(self) -> pd.DataFrame:
        """Replicate, seed, status, error, attempts, times, memory and host of all points, by id."""
        return self._records(np.arange(len(self)))

    @property
    def failures(self) -> pd.DataFrame:
        """Every point that did not succeed: parameters, status, error, attempts, host."""
        rows = np.flatnonzero(self._status != OK)
        records = self._records(rows)[["status", "error", "attempts", "host"]]
        return self._frame(self.table.names("parameter"), rows).join(records)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many points ended how: ok, failed, crashed, timeout."""
        numbers = np.bincount(self._status, minlength=len(STATUSES))
        return {word: int(n) for word, n in zip(STATUSES, numbers, strict=True)}

    @cached_property
    def units(self) -> dict[str, str]:
        """Unit of everything that has a name; empty for a pure number."""
        roles = ("record", "parameter", "output", "coordinate")
        return {name: self.table.unit(name) for role in roles for name in self.table.names(role)}

    @cached_property
    def provenance(self) -> dict[str, str]:
        """What the results say about where they come from."""
        group = self.table.file.get(PROVENANCE, {})
        return {name: group[name].asstr()[()] for name in group}

    @property
    def study(self) -> dict[str, Any]:
        """The study as it was run."""
        return tomllib.loads(self.provenance.get("study", ""))

    @property
    def versions(self) -> dict[str, Any]:
        """Versions of all packages and simulators."""
        versions: dict[str, Any] = json.loads(self.provenance.get("versions", "{}"))
        return versions

    def ragged(self, name: str) -> Ragged:
        """A ragged output: ``[i]`` is the array of point `i`.

        Raises
        ------
        ResultsError
            If there is no such ragged output.
        """
        return Ragged(self.table, self._known("output", name))

    def features(self, outputs: Sequence[str] | None = None) -> pd.DataFrame:
        """Outputs as named columns: a row for each point that succeeded, sorted by id.

        Parameters
        ----------
        outputs : sequence of str, optional
            A scalar output gives a column of its name; an output with one dimension gives a column for each
            coordinate, such as ``catch22.DN_HistogramMode_5``. Without it, all outputs of these two kinds.

        Raises
        ------
        ResultsError
            If an output does not exist, or has more dimensions or a ragged one.
        """
        import pandas as pd

        columns: dict[str, np.ndarray] = {}
        for name in self._tabular() if outputs is None else outputs:
            output = self.table.layout[self._known("output", name)]
            if output.ragged or len(output.dims) > 1:
                what = "is ragged" if output.ragged else f"has the dimensions {', '.join(output.dims)}"
                raise ResultsError(
                    f'the output "{name}" {what}: it has no columns; make features of it with a stage, '
                    f"or use one of: {', '.join(self._tabular()) or 'none'}"
                )
            values = self._rows(name, self._ok)
            if output.dims:
                labels = self.table.coordinate(output.dims[0]).values.tolist()
                columns.update({f"{name}.{label}": values[:, i] for i, label in enumerate(labels)})
            else:
                columns[name] = values
        return pd.DataFrame(columns, index=self._index(self._ok))

    def theta(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Parameters of the points that succeeded, sorted by id, as rows that fit those of `features`.

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
        return self._frame([self._known("parameter", name) for name in names], self._ok)

    def torch(self, parameters: Sequence[str], outputs: Sequence[str]) -> Stream:
        """Pairs of parameters and outputs as float32, read from the file batch by batch.

        Parameters
        ----------
        parameters, outputs : sequence of str
            Numbers. One output keeps its shape; several are made flat and follow one another.

        Returns
        -------
        torch.utils.data.Dataset
            Of the points that succeeded, sorted by id.

        Raises
        ------
        ResultsError
            If a name does not exist, or an output is ragged.
        """
        from hpcsim.collector.stream import Stream

        for name in outputs:
            if self.table.layout[self._known("output", name)].ragged:
                raise ResultsError(f'the output "{name}" is ragged: it has no shape; make features of it with a stage')
        for name in parameters:
            if self.table.dataset(self._known("parameter", name)).dtype == "S1":
                raise ResultsError(f'the parameter "{name}" is text, not a number')
        return Stream(self.path, self._ok, tuple(parameters), tuple(outputs))

    def _known(self, role: str, name: str) -> str:
        if name not in self.table.names(role):
            raise ResultsError(f'{self.path}: there is no {role} "{name}"; {nearest(name, self.table.names(role))}')
        return name

    def _tabular(self) -> list[str]:
        layout = self.table.layout
        return [name for name, output in layout.outputs.items() if not output.ragged and len(output.dims) < 2]

    @cached_property
    def _status(self) -> np.ndarray:
        return self.table.array("status")

    @cached_property
    def _ok(self) -> np.ndarray:
        """Rows of the points that succeeded, sorted by id."""
        rows = np.flatnonzero(self._status == OK)
        return rows[np.argsort(self.table.ids()[rows])]

    def _index(self, rows: np.ndarray) -> pd.Index:
        import pandas as pd

        return pd.Index(self.table.ids()[rows].astype(str), name="id")

    def _rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Some rows of a column, in the order of `rows`; no more is held than is asked for."""
        parts: list[np.ndarray] = []
        ascending = np.sort(rows)
        step = self.table.piece(name)
        for start in range(0, len(self), step):
            wanted = ascending[slice(*np.searchsorted(ascending, (start, start + step)))]
            if len(wanted):
                parts.append(self.table.array(name, slice(start, start + step))[wanted - start])
        values = np.concatenate(parts) if parts else self.table.array(name, slice(0, 0))
        return values[np.searchsorted(ascending, rows)]

    def _frame(self, names: Iterable[str], rows: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        columns: dict[str, np.ndarray] = {}
        for name in names:
            values = self._rows(name, rows)
            if values.ndim == 1:
                columns[name] = values
            else:
                columns.update({f"{name}.{i}": values[:, i] for i in range(values.shape[1])})
        return pd.DataFrame(columns, index=self._index(rows))

    def _records(self, rows: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        frame = self._frame([name for name in self.table.names("record") if name != "id"], rows)
        frame["status"] = pd.Categorical.from_codes(frame["status"], categories=list(STATUSES))
        return frame


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
