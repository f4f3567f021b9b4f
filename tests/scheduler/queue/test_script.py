"""Job scripts: pure functions from values to text, held by files; what a user typed never becomes shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hpcsim.errors import HpcsimError
from hpcsim.scheduler.queue.paths import ArraySpec, SubmissionPaths
from hpcsim.scheduler.queue.script import array_script, collect_script, dependency_script, probe_script, wall_time
from hpcsim.scheduler.site.site import Overrides, Settings, Site, resolve
from hpcsim.study.file import ResourcesSection

GOLDEN = Path(__file__).parent / "golden"
PLACE = SubmissionPaths("drive", Path("/data/runs/drive"), 1, Path("/data"), "/opt/hpcsim/bin/python")
ODD = SubmissionPaths(
    "drive", Path("/data/it's 100% $HOME/runs/drive"), 3, Path("/data/it's 100% $HOME"), "/opt/my python/bin/python"
)
FULL = Site(
    name="full",
    partition="compute,long",
    account="my-project",
    qos="normal",
    constraint="[rack1|rack2]&ib",
    modules=("gcc/13", "python 3"),
    setup=("source ~/venv/bin/activate",),
    environment={"GREETING": "it's $HOME\n`date`", "HPCSIM_CACHE": "/data/cache"},
    scratch="/scratch/a b",
    python="/opt/simulators/bin/python",
)
IMAGE = {"image": "/data/my images/hpcsim.sif", "binds": ["/scratch"], "environment": {"A": "it's"}}
CASES = {
    "dependency": lambda: dependency_script(
        PLACE, resolve(FULL, ResourcesSection()), Path("/data/my site.toml"), ["base", "kernels"], ["--with", "memory=2 GB"]
    ),
    "image": lambda: array_script(PLACE, ArraySpec(0, 8), Settings(Site.check({"container": IMAGE}, "image"))),
    "ranks": lambda: array_script(
        PLACE,
        ArraySpec(0, 8, memory=1000),
        resolve(Site.check({"launcher": {"mpi": "pmi2", "options": ["--label"]}}, "ranks"), ResourcesSection(ranks=2, threads=4)),
    ),
    "ranks-image": lambda: array_script(
        PLACE,
        ArraySpec(0, 8),
        resolve(
            Site.check({"launcher": {"use": "mpiexec", "path": "/opt/mpi/mpiexec"}, "container": IMAGE}, "ranks"),
            ResourcesSection(ranks=2),
        ),
    ),
    "plain": lambda: array_script(PLACE, ArraySpec(0, 8, budget=60.0), Settings(Site(name="plain"))),
    "full": lambda: array_script(
        PLACE,
        ArraySpec(1001, 20, memory=4096, seconds=5400.0, tries=2, memory_tries=2, last=True),
        resolve(FULL, ResourcesSection(threads=4)),
        throttle=5,
        retry_failed=True,
    ),
    "odd": lambda: array_script(ODD, ArraySpec(0, 1), Settings(Site(name="plain"))),
    "collect": lambda: collect_script(PLACE, resolve(FULL, ResourcesSection())),
    "probe": lambda: probe_script(
        PLACE, resolve(FULL, ResourcesSection(), overrides=Overrides(memory="1 GB")), Path("/data/answer")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_scripts_are_as_in_the_files(name):
    expected = GOLDEN / f"{name}.job"
    text = CASES[name]()
    if os.environ.get("HPCSIM_WRITE_GOLDEN"):
        expected.write_text(text)
    assert text == expected.read_text()
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0


NASTY = [
    "a b",
    "it's",
    'say "x"',
    "$(touch oops)",
    "`touch oops`",
    "; touch oops",
    "a\\",
    "100%",
    "é",
    "-n",
    "*",
    "#",
    "a & b | c > d",
]


@pytest.mark.parametrize("word", NASTY)
def test_words_reach_the_command_as_they_are(tmp_path, word):
    python, said = tmp_path / "python", tmp_path / "said"
    python.write_text(f'#!/bin/bash\nprintf "%s\\0" "$@" "$VALUE" > "{said}"\n')
    python.chmod(0o755)
    place = SubmissionPaths("s", tmp_path / word / "runs", 1, tmp_path, str(python))
    site = Site(name="s", environment={"VALUE": f"{word}\n{word}"})
    text = array_script(place, ArraySpec(7, 2), Settings(site))
    environment = {"PATH": os.environ["PATH"], "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "12"}
    subprocess.run(["bash"], input=text, text=True, check=True, cwd=tmp_path, env=environment)
    found = said.read_text().split("\0")
    folder = str(tmp_path / word / "runs")
    tasks, log = f"{folder}/jobs/0001/tasks", f"{folder}/logs/12_1.log"
    assert found[:-1] == ["-m", "hpcsim", "task", folder, "8", "--tasks", tasks, "--log", log, "--defer-oom", f"{word}\n{word}"]
    assert not list(tmp_path.glob("oops"))


@pytest.mark.parametrize("break_", ["\n", "\r", "\0", "\x1b", "\u2028"])
def test_line_breaks_and_control_characters_are_refused(break_):
    place = SubmissionPaths("s", Path(f"/data/a{break_}#SBATCH --uid=0"), 1, Path("/data"))
    with pytest.raises(HpcsimError, match="no line breaks and control characters"):
        array_script(place, ArraySpec(0, 1), Settings(Site(name="s")))


def test_the_array_starts_at_zero_and_carries_an_offset():
    text = array_script(PLACE, ArraySpec(1001, 1001), Settings(Site(name="s")), throttle=7)
    assert "#SBATCH --array=0-1000%7\n" in text
    assert '"$((SLURM_ARRAY_TASK_ID + 1001))"' in text


def test_time_and_memory_stay_within_what_the_site_allows():
    settings = resolve(Site.check({"limits": {"time": "1 h"}}, "s"), ResourcesSection())
    assert "--time=0-01:00:00" in array_script(PLACE, ArraySpec(0, 1, seconds=90_000.0), settings)
    assert "--mem" not in array_script(PLACE, ArraySpec(0, 1), settings)
    assert wall_time(86_399) == "1-00:00:00"


def test_memory_of_a_point_is_shared_out_to_the_cores_of_its_ranks():
    settings = resolve(Site(name="s"), ResourcesSection(ranks=4, threads=8, memory="4 GB"))
    text = array_script(PLACE, ArraySpec(0, 1, memory=settings.memory), settings)
    assert "#SBATCH --ntasks=4\n#SBATCH --cpus-per-task=2\n#SBATCH --mem-per-cpu=477M\n" in text
    assert "--mem=" not in text


def test_without_ranks_there_is_no_launcher():
    assert "--launcher" not in CASES["plain"]() and "--inside" not in CASES["image"]()
