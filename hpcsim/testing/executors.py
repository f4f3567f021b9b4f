"""What every executor must do, as a class of tests that its author subclasses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcsim.collector.format.schema import FAILED, OK
from hpcsim.collector.format.table import Table
from hpcsim.models.model import Context
from hpcsim.paths import cache_directory
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import Plan
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study
from hpcsim.testing.models import simulate_alone
from hpcsim.testing.toys import FAILURE

SINGLE, BATCH = "hpcsim.testing.toys:single", "hpcsim.testing.toys:batch"
GRID = {"x": {"linspace": [0, 20, 21]}}

#: A model of the user's own, of which one part is imported with it and another while it simulates.
OWN = """from hpcsim import Output, Parameter, model
from beside import FACTOR


@model("own.line", parameters=[Parameter("x", 0.0)], outputs=[Output("y")])
def line(point, context):
    from later import SHIFT

    return {"y": FACTOR * point["x"] + SHIFT}
"""


class ExecutorSuite:
    """What every executor must do; whoever writes one subclasses this in a file of tests.

    Results must be those of a model that is called point by point without any executor, to the bit: ids, seeds, parameters and
    outputs of every kind, whatever the size of a batch, its company and its order.

    Attributes
    ----------
    executor : str
        The name of its entry point in the group ``hpcsim.executors``, or ``package.module:name``. One that needs
        more than a name overrides the fixture `target`.

    Examples
    --------
    In ``test_mine.py``, which pytest runs::

        from hpcsim.testing import ExecutorSuite

        class TestMine(ExecutorSuite):
            executor = "mypackage.executors:mine"
    """

    executor: str = ""

    @pytest.fixture
    def target(self) -> Target:
        """Where the tasks of a test run."""
        return Target(self.executor)

    # -- what tests are made of -----------------------------------------------------------------

    def run(self, study: Study, directory: StudyDirectory, target: Target) -> None:
        """Run what is missing, in one go.

        A sweep mends much: it runs again what an executor left out. Here, that is a mistake.
        """
        started: list[Plan] = []
        said: list[str] = []
        listener = Listener(started=lambda of, plan: started.append(plan) if of is study else None, notify=said.append)
        sweep(study, directory, target, listener=listener)
        assert len(started) == 1, f"the executor left points out: {said}"

    def check_values(self, study: Study, directory: StudyDirectory) -> None:
        """The results hold the points of the design in its order, with the values that the model gives to each alone."""
        points = study.design.block(0, len(study.design))
        context = Context(cache=cache_directory(), layout=study.all_outputs)
        expected: dict[str, Any] = {
            "id": np.array(points.ids),
            "replicate": points.replicates,
            "seed": points.seeds,
            "status": [OK] * len(points),
            "attempts": [1] * len(points),
            **{name: points.columns[name] for axis in study.space.axes for name in axis.names},
            **simulate_alone(study.model, points, context),
        }
        with Table(directory.results) as table:
            assert len(table) == len(points)
            for name, values in expected.items():
                for i, value in enumerate(values):
                    found = table.ragged(name, i) if name in table.ragged_dims else table.array(name, slice(i, i + 1))[0]
                    assert name not in study.layout or found.dtype == study.layout[name].dtype, name
                    np.testing.assert_array_equal(found, value, f"{name} of point {i}")
                    # 0.0 is no -0.0
                    assert found.tobytes() == np.asarray(value, found.dtype).tobytes(), f"{name} of point {i}"
        assert not list(directory.shards.iterdir()), "shards are left after the collection"

    # -- what must be true ----------------------------------------------------------------------

    @pytest.mark.parametrize("model", [SINGLE, BATCH])
    def test_values_are_equal_to_the_bit(self, target: Target, model: str, tmp_path: Path) -> None:
        """Ids, seeds, parameters, and outputs of every kind: numbers, series, ragged series, small integers."""
        study = Study("conform", model, space=GRID, seed=5, replicates=2)
        directory = StudyDirectory(tmp_path / "run")
        self.run(study, directory, target)
        self.check_values(study, directory)

    @pytest.mark.parametrize("model", [SINGLE, BATCH])
    def test_company_and_order_change_nothing(self, target: Target, model: str, tmp_path: Path) -> None:
        """Small tasks; and points whose neighbours were finished before, so that other points share their batch."""
        directory = StudyDirectory(tmp_path / "run")
        for values in ([3, 4, 11, 19], range(21)):
            space = {"x": list(values)}
            study = Study("conform", model, space=space, seed=5, replicates=2, resources={"task_size": 5})
            self.run(study, directory, target)
            self.check_values(study, directory)

    @pytest.mark.parametrize("model", [SINGLE, BATCH])
    def test_a_failed_point_is_a_row_and_not_an_end(self, target: Target, model: str, tmp_path: Path) -> None:
        """Its reason is told, its outputs are NaN, and the points beside it stand."""
        study = Study("conform", model, space=GRID, fixed={"failing": 7}, seed=5, replicates=2)
        directory = StudyDirectory(tmp_path / "run")
        self.run(study, directory, target)
        with Table(directory.results) as table:
            assert len(table) == 42
            failed = table.array("status") == FAILED
            assert failed.sum() == 2
            assert set(table.array("x")[failed]) == {7.0}
            assert set(table.array("error")[failed]) == {f"ValueError: {FAILURE}"}
            assert np.isnan(table.array("square")[failed]).all()
            assert np.isnan(table.array("noise")[failed]).all()
            assert not np.isnan(table.array("noise")[~failed]).any()
            assert (table.array("square")[~failed] == table.array("x")[~failed] ** 2).all()

    @pytest.mark.parametrize("model", [SINGLE, BATCH])
    def test_the_same_study_again_does_nothing(self, target: Target, model: str, tmp_path: Path) -> None:
        """No point is simulated twice, neither in a sweep nor in the next."""
        marker = tmp_path / "simulated"
        study = Study("conform", model, space=GRID, fixed={"marker": str(marker)}, seed=5, replicates=2)
        directory = StudyDirectory(tmp_path / "run")
        self.run(study, directory, target)
        before, lines = directory.results.stat().st_mtime_ns, marker.read_text().splitlines()
        assert len(lines) == len(set(lines)) == 42
        self.run(study, directory, target)
        assert directory.results.stat().st_mtime_ns == before
        assert marker.read_text().splitlines() == lines

    @pytest.mark.parametrize("model", [SINGLE, BATCH])
    def test_a_longer_grid_simulates_only_what_is_new(self, target: Target, model: str, tmp_path: Path) -> None:
        """Points that are finished are used again."""
        marker = tmp_path / "simulated"
        directory = StudyDirectory(tmp_path / "run")
        for values, simulated in (([1, 2, 3], 3), ([0, 1, 2, 3, 4], 5)):
            study = Study("grow", model, space={"x": values}, fixed={"marker": str(marker)})
            self.run(study, directory, target)
            lines = marker.read_text().splitlines()
            assert len(lines) == len(set(lines)) == simulated
        with Table(directory.results) as table:
            assert table.array("x").tolist() == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("model", [SINGLE, BATCH])
    def test_stages_and_the_results_of_another_study(self, target: Target, model: str, tmp_path: Path) -> None:
        """What a study needs runs before it, in a directory beside its own, by the same executor."""
        (tmp_path / "base.toml").write_text(f'[study]\nname = "base"\nmodel = "{model}"\n[space]\nx = [3.0]\n')
        (tmp_path / "top.toml").write_text(
            f'[study]\nname = "top"\nmodel = "{model}"\n[space]\nx = [1, 2]\n'
            '[[stages]]\nuse = "hpcsim.testing.toys:total"\n'
            '[[stages]]\nuse = "hpcsim.testing.toys:shifted"\nby = "study:base"\n'
            '[outputs]\nkeep = ["total", "shifted", "noise"]\n'
        )
        study = Study.load(tmp_path / "top.toml")
        directory = StudyDirectory(tmp_path / "runs" / "top")
        self.run(study, directory, target)
        with Table(directory.results) as table, Table(directory.beside("base").results) as base:
            np.testing.assert_allclose(table.array("total"), table.array("noise").sum(axis=1))
            np.testing.assert_array_equal(table.array("shifted"), table.array("noise") + base.array("noise")[0])
            assert "square" not in table.names("output")

    def test_a_model_beside_the_study_called_from_elsewhere(
        self, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Tasks find the user's own files wherever they run, and a directory goes on with the code that it stores."""
        project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
        for folder in (project, elsewhere):
            folder.mkdir()
        # a name of Python's own, which the workers import as well
        (project / "random.py").write_text(OWN)
        (project / "beside.py").write_text("FACTOR = 2.0\n")
        (project / "later.py").write_text("SHIFT = 0.5\n")
        (project / "own.toml").write_text('study = { name = "own", model = "random:line" }\nspace = { x = [1, 2, 3] }\n')
        monkeypatch.chdir(elsewhere)
        directory = StudyDirectory(Path("runs") / "own")
        self.run(Study.load("../project/own.toml"), directory, target)
        # an edit does not reach what goes on in the directory
        (project / "later.py").write_text("SHIFT = 7\n")
        directory.results.unlink()
        self.run(Study.load(directory.path), directory, target)
        with Table(directory.results) as table:
            assert dict(zip(table.array("x").tolist(), table.array("y").tolist(), strict=True)) == {1: 2.5, 2: 4.5, 3: 6.5}
