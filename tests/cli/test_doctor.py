"""`hpcsim doctor` in other environments than this one: what it says fits together, and can be done."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from hpcsim.cli import doctor, start_cost
from hpcsim.cli.start_cost import StartCost, file_system, start_costs

MOUNTS = r"""/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/ram tmpfs rw 0 0
server:/b /my\040disk lustre rw 0 0
"""


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """An environment without any extra, program, compiler and site; returns the folder of its programs."""

    def nothing(name):
        raise PackageNotFoundError(name)

    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("CXX", "MPI_LIB_NRN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(doctor, "version", nothing)
    monkeypatch.setattr(start_cost, "start_costs", lambda: iter([StartCost("a task", 200, 10**7)]))
    return programs


def checks():
    return {check.name: check for check in doctor.examine()}


def program(folder, name, text, code=0):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
    path.chmod(0o755)


def test_of_a_bare_environment_everything_that_is_missing_can_be_had(bare):
    found = checks()
    missing = [check for check in found.values() if check.state == "missing"]
    assert {"nest-simulator", "optuna", "MPI", "C++ compiler", "sbatch", "docker"} <= {check.name for check in missing}
    assert all(check.remedy and check.detail for check in missing)
    assert not [check for check in found.values() if check.state == "wrong"]
    # nothing about the MPI of a simulator that is not there
    assert "NEURON's MPI" not in found
    assert "a task 200 (10 MB); they are on a disk of this machine" in found["task start"].detail


def test_lines_that_would_contradict_each_other(bare, monkeypatch):
    program(bare, "mpiexec", "HYDRA build details:\n    Version:     4.2")
    program(bare, "sbatch", "sbatch: error: no configuration", 1)
    program(bare, "docker", "cannot connect", 1)
    found = checks()
    # an mpiexec without mpi4py starts no ranks
    assert found["MPI"].state == "missing" and "but no mpi4py" in found["MPI"].detail and found["MPI"].remedy
    assert found["sbatch"].state == "missing" and "finds no cluster: sbatch: error: no conf" in found["sbatch"].detail
    assert "SLURM_CONF" in found["sbatch"].remedy and found["docker"].state == "wrong" and found["docker"].remedy
    monkeypatch.setattr(doctor, "version", lambda name: "1.0")
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    library.parent.mkdir()
    library.touch()
    monkeypatch.setenv("MPI_LIB_NRN_PATH", "/usr/lib/other.so")
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = checks()
    assert found["MPI"].state == "ok" and found["MPI"].detail.endswith("HYDRA build details: Version: 4.2")
    assert found["NEURON's MPI"].state == "wrong" and found["NEURON's MPI"].remedy == "unset MPI_LIB_NRN_PATH"
    assert found["C++ compiler"].state == "wrong" and "no-such-compiler" in found["C++ compiler"].detail


def test_a_cache_that_cannot_be(bare, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "file" / "cache"))
    assert checks()["cache"].state == "wrong" and "set HPCSIM_CACHE" in checks()["cache"].remedy


def test_own_sites_are_read(bare, tmp_path):
    folder = tmp_path / "hpcsim" / "sites"
    folder.mkdir(parents=True)
    (folder / "good.toml").write_text('partition = "long"\n')
    (folder / "bad.toml").write_text("[limts]\nthrottle = 3\n")
    found = checks()
    assert found["site good"].state == "ok" and "hpcsim doctor --site good" in found["site good"].detail
    assert found["site bad"].state == "wrong" and 'did you mean "limits"' in found["site bad"].detail


def test_the_command_fails_where_something_is_wrong_and_not_where_something_is_missing(bare, typed, capsys, monkeypatch):
    assert "missing" in typed("doctor")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SystemExit) as ended:
        typed("doctor")
    assert ended.value.code == 1
    assert capsys.readouterr().out.rstrip().endswith("wrong: C++ compiler")


def test_a_simulator_that_is_broken_and_a_disk_that_is_shared(bare, monkeypatch):
    costs = [StartCost("a task", 200, 10**7), StartCost("a task with nest", 0, 0, "ImportError: libgsl.so is not there")]
    monkeypatch.setattr(start_cost, "start_costs", lambda: iter(costs))
    monkeypatch.setattr(start_cost, "file_system", lambda path: ("lustre", True))
    found = checks()
    assert found["nest"].state == "wrong" and "libgsl.so is not there" in found["nest"].detail and found["nest"].remedy
    assert "on lustre, which all nodes ask" in found["task start"].detail and "Many tasks at once" in found["task start"].remedy
    assert "## Many tasks at once" in (Path(__file__).parents[2] / "docs/how-to/clusters.md").read_text()


def test_files_that_a_process_opens(tmp_path, monkeypatch):
    monkeypatch.setattr(start_cost, "_TASK", ("json",))
    monkeypatch.setattr(start_cost, "_ENGINES", (("numpy", "wide"), ("not-there-at-all", "none"), ("numpy", "broken")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "wide.py").write_text("".join(f"import wide{i}\n" for i in range(30)))
    for i in range(30):
        (tmp_path / f"wide{i}.py").write_text("x = 1\n" * 1000)
    (tmp_path / "broken.py").write_text("print('hello')\nimport not_there_at_all\n")
    plain, wide, broken = start_costs()
    assert 0 < plain.files < 100 and 31 <= wide.files - plain.files <= 70 and wide.size - plain.size > 30 * 6000
    assert wide.what == "a task with wide" and "No module named 'not_there_at_all'" in broken.error


def test_the_file_system_of_a_path(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    for path, kind in {
        "/opt/x": ("ext4", False),
        "/home/me/venv": ("nfs4", True),
        "/home/me/ram/venv": ("tmpfs", False),
        "/my disk/venv": ("lustre", True),
    }.items():
        assert file_system(Path(path), mounts) == kind
    assert file_system(Path("/"), tmp_path / "none") == ("", False)
