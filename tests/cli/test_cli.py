"""The command, as a user types it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import psutil
import pytest
from call_count import count_calls
from faulty_disk import full_disk

from hpcsim.collector.format.table import Table

STUDY = """
[study]
name = "toy"
model = "toys:single"
[space]
x = { linspace = [0, 9, 10], unit = "mV" }
[outputs]
keep = ["square"]
"""


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(STUDY)
    return path


def test_help_answers_at_once():
    """What it costs is imports: 150 modules and 89 000 function calls, a tenth of a second."""
    calls, modules = count_calls("--help")
    assert modules < 250
    assert calls < 150_000


def test_importing_hpcsim_is_light():
    code = "import hpcsim, sys; print({'numpy', 'h5py', 'dask', 'torch', 'nest', 'xarray', 'pint'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_a_sweep_without_its_inference(toy, command, tmp_path):
    toy.write_text(f'{STUDY}[[inference]]\nuse = "inference.regression"\nof = ["square"]\nsplits = 3\n')
    done = command("run", toy, "--no-infer", "--on", "inline")
    assert done.returncode == 0 and "10 points (10 ok)" in done.stdout and "regression" not in done.stdout
    assert not (tmp_path / "runs" / "toy" / "report.html").exists()
    done = command("run", toy, "--on", "inline")
    assert done.returncode == 0 and "It stands on 10 of 10 points" in " ".join(done.stdout.split())
    toy.write_text(toy.read_text().replace("splits = 3", 'targets = ["seconds"]'))
    for line in ("plan", "run"):
        assert 'inference[0].targets: "seconds" has one value in all points' in command(line, toy).stderr


def test_run_status_collect_and_run_again(toy, command, tmp_path):
    done = command("run", toy)
    assert done.returncode == 0, done.stderr
    assert "10 points (10 ok)" in done.stdout
    assert "no report of a sweep this short: `hpcsim report runs/toy` draws one" in done.stdout
    with Table(tmp_path / "runs" / "toy" / "results.h5") as table:
        assert sorted(table.array("square")) == [x**2 for x in range(10)]
    assert "10 of 10 points finished, 0 to run" in command("status", toy).stdout
    # a study is also addressed by its directory
    assert "10 of 10 points finished" in command("status", "runs/toy").stdout
    assert command("collect", toy).returncode == 0
    again = command("run", toy)
    assert again.returncode == 0
    assert "dashboard" not in again.stdout and "report" not in again.stdout
    assert "report: runs/toy/report.html" in command("report", "runs/toy").stdout
    assert "points of the design" in Path("runs/toy/report.html").read_text()
    assert "report: own.html" in command("report", toy, "--out", "own.html").stdout and Path("own/figures/coverage.csv").exists()


def test_plan_runs_nothing(toy, command, tmp_path):
    done = command("plan", toy)
    assert done.returncode == 0, done.stderr
    assert "10, 0 finished, 10 to run" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_plan_says_what_bounds_cut_off_and_the_directory_keeps_it(toy, command, tmp_path):
    toy.write_text(STUDY.replace("{ linspace = [0, 9, 10]", "{ normal = [-990, 20]") + '[design]\nmethod = "random"\nn = 30\n')
    plan = " ".join(command("plan", toy).stdout.split())
    assert "x: Normal(mu=-990.0, sigma=20.0), drawn again outside -1000 to 1000000000 mV: 0.31 of it is cut off" in plan
    assert "30 points (30 ok)" in command("run", toy, "--on", "inline").stdout
    tables = tomllib.loads((tmp_path / "runs" / "toy" / "study.toml").read_text())
    assert tables["bounds"]["x"][0] == -1000.0
    # finished points within the bounds are those of a recipe that knew no bounds
    assert tables["recipe"]["sampling"]["space"] == {"x": "Normal(mu=-990.0, sigma=20.0)"}
    with Table(tmp_path / "runs" / "toy" / "results.h5") as table:
        assert table.array("x").min() >= -1000.0
    assert "30, 30 finished, 0 to run" in command("plan", "runs/toy").stdout


def test_failed_points_are_told_and_tried_again_when_asked(tmp_path, command):
    marker = tmp_path / "marker"
    (tmp_path / "f.toml").write_text(
        f'[study]\nname = "f"\nmodel = "toys:single"\n[space]\nx = [1, 2, 3]\n[fixed]\nguilty = 2\nmarker = "{marker}"\n'
    )
    assert "3 points (2 ok, 1 failed)" in command("run", "f.toml", "--on", "inline").stdout
    status = command("status", "f.toml").stdout
    assert "1       failed  ValueError: this point cannot be simulated" in status
    assert len(marker.read_text().splitlines()) == 3
    command("run", "f.toml", "--on", "inline")
    assert len(marker.read_text().splitlines()) == 3
    assert "3 points (2 ok, 1 failed)" in command("run", "f.toml", "--on", "inline", "--retry-failed").stdout
    assert len(marker.read_text().splitlines()) == 4


def _lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path, command):
    (tmp_path / "slow.toml").write_text(
        '[study]\nname = "slow"\nmodel = "toys:single"\n[space]\nx = { linspace = [0, 39, 40] }\n'
        f'[fixed]\nseconds = 0.2\nmarker = "{tmp_path / "begun"}"\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "hpcsim", "run", "slow.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # as in a terminal: jobs in the background of a shell script ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and len(_lines(tmp_path / "begun")) < 6:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    with Table("runs/slow/results.h5") as table:
        first = len(table)
    assert 0 < first < 40
    done = command("run", "slow.toml")
    assert done.returncode == 0, done.stderr
    with Table("runs/slow/results.h5") as table:
        assert sorted(table.array("x")) == list(range(40))


def test_a_killed_run_leaves_nothing_running_and_goes_on(tmp_path, command):
    (tmp_path / "slow.toml").write_text(
        '[study]\nname = "slow"\nmodel = "toys:single"\n[space]\nx = { linspace = [0, 29, 30] }\n'
        f'[fixed]\nseconds = 0.2\nmarker = "{tmp_path / "begun"}"\n'
    )
    process = subprocess.Popen([sys.executable, "-m", "hpcsim", "run", "slow.toml"], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and len(_lines(tmp_path / "begun")) < 4:
        time.sleep(0.05)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and _processes(tmp_path):
        time.sleep(0.1)
    assert not _processes(tmp_path)
    done = command("run", "slow.toml")
    assert done.returncode == 0, done.stderr
    with Table("runs/slow/results.h5") as table:
        assert sorted(table.array("x")) == list(range(30))


def _processes(folder):
    """Processes of hpcsim that work in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = " ".join(process.info["cmdline"] or ())
        if "hpcsim" in line and ("task" in line or "worker" in line) and process.info["cwd"] == str(folder):
            found.append(process.pid)
    return found


def test_a_finished_study_of_10000_points_is_recognised_at_once(tmp_path, command):
    calls = {}
    for name, n in (("small", 10), ("big", 100)):
        (tmp_path / f"{name}.toml").write_text(
            f'[study]\nname = "{name}"\nmodel = "toys:noop"\n[space]\n'
            f"a = {{ linspace = [0, 1, {n}] }}\nb = {{ linspace = [0, 1, {n}] }}\n"
        )
        assert command("run", f"{name}.toml", "--on", "inline").returncode == 0
        calls[name], _ = count_calls("run", f"{name}.toml")
        with Table(f"runs/{name}/results.h5") as table:
            assert len(table) == n**2
    # a handful of calls for each thousand points, and otherwise what a start costs
    assert calls["big"] - calls["small"] < 1000
    assert calls["small"] < 1_000_000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "quikstart"], 2, 'did you mean "quickstart"?'),
        (["run", "toy.toml", "--on", "slrum"], 2, 'did you mean "slurm"?'),
        (["frobnicate"], 2, "No such command"),
        (["run"], 2, "Missing argument"),
        (["show", "nest.hagen"], 2, 'did you mean "nest.hagen_lif"?'),
        (["task", ".", "0"], 2, "study.toml"),
        (["infer", "toy.toml"], 1, "results"),
    ],
)
def test_mistakes_are_one_line_without_a_traceback(toy, command, arguments, code, words):
    done = command(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(command):
    assert "Traceback" in command("--debug", "run", "quikstart").stderr


def test_models_and_show(command):
    listed = command("models").stdout
    assert "nest.hagen_lif" in listed and "neuron.kernel" in listed and "quickstart" in listed
    shown = command("show", "nest.hagen_lif").stdout
    assert "J_ext" in shown and "29.89" in shown and "pA" in shown and "hagen2022" in shown and "10.1371" in shown
    assert "kernel" in command("show", "signals.dipole").stdout


def test_doctor_names_what_is_there(command):
    done = command("doctor")
    assert done.returncode == 0
    assert "Python" in done.stdout and "C++ compiler" in done.stdout and "nest-simulator" in done.stdout


def test_a_full_disk_is_said_with_what_to_do(tmp_path, command, monkeypatch):
    (tmp_path / "wide.toml").write_text(
        '[study]\nname = "wide"\nmodel = "toys:single"\n[space]\nx = { linspace = [0, 29999, 30000] }\n'
    )
    for name, value in full_disk(tmp_path, tmp_path / "small", 400_000).items():
        monkeypatch.setenv(name, value)
    done = command("run", "wide.toml", "--dir", tmp_path / "small" / "run", "--workers", 1)
    assert done.returncode == 3
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_plan_and_status_load_no_large_library(tmp_path):
    """Each of these takes longer to load than the rest of the command; those of hpcsim are of no use to a study without jobs."""
    large = {"pint", "sklearn", "scipy", "pandas", "xarray", "dask", "torch"}
    large |= {"hpcsim.scheduler.slurm.prepared", "hpcsim.scheduler.task.supervisor"}
    for command in ("plan", "status"):
        code = (
            "import atexit, sys\n"
            f"atexit.register(lambda: print('loaded:', sorted({large} & set(sys.modules))))\n"
            f"sys.argv = ['hpcsim', '{command}', 'quickstart']\n"
            "from hpcsim.cli.entry import main\n"
            "main()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout.splitlines()[-1] == "loaded: []", (command, done.stdout, done.stderr)
