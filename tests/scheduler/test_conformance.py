"""What every executor must do. A new executor is added to the list and passes, or is not one."""

from __future__ import annotations

import pytest
from absent import needed

from hpcsim.scheduler.executors import EXECUTORS
from hpcsim.scheduler.target import Target
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study
from hpcsim.testing import ExecutorSuite

ON_SLURM = "dask on slurm"
#: Few and short points of the cortical cell, in a first round and then all of them.
SHORT = {"duration": 4.0, "step_start": 1.0, "step_stop": 3.0}
CURRENTS = ([300.0, 800.0], [0.0, 100.0, 300.0, 500.0, 800.0])


@pytest.mark.parametrize(
    "executor", [pytest.param(name, marks=pytest.mark.slurm) if "slurm" in name else name for name in (*EXECUTORS, ON_SLURM)]
)
class TestEveryExecutor(ExecutorSuite):
    @pytest.fixture
    def target(self, executor, request, tmp_path) -> Target:
        """The executor and what it needs."""
        if "slurm" in executor:
            request.getfixturevalue("slurm")
        if executor != ON_SLURM:
            return Target(executor)
        site = tmp_path / "few.toml"
        site.write_text('partition = "debug"\n[limits]\nthrottle = 2\n')
        return Target("dask", site=site)

    def test_a_simulator_that_computes_many_points_in_one_call(self, target, tmp_path):
        needed("brian2")
        directory = StudyDirectory(tmp_path / "run")
        for currents in CURRENTS:
            study = Study("cells", "brian2.cortical_hh", space={"I": currents}, fixed=SHORT, seed=3)
            self.run(study, directory, target)
        self.check_values(study, directory)
