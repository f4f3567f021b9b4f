"""What a user installs: the wheel, and the words of the README."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import hpcsim
from hpcsim.paths import folder, shipped_studies
from hpcsim.testing import check_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of the README."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_wheel_holds_studies_job_scripts_and_mechanisms(tmp_path):
    # a copy, since building leaves its own folders behind
    source = tmp_path / "source"
    for name in ("hpcsim", "jobs", "params", "mod"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    line = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path), str(source)]
    subprocess.run(line, check=True, capture_output=True)
    [wheel] = tmp_path.glob("hpcsim-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    shipped = (
        "params/quickstart.toml",
        "jobs/array.job.j2",
        "jobs/sites/slurm.toml",
        "mod/Exp2SynI.mod",
        "py.typed",
        "cli/skeletons/numpy.py.in",
    )
    assert {f"hpcsim/{name}" for name in shipped} <= names
    assert {f"hpcsim/dashboard/assets/{name}" for name in ("page.html", "sections.html", "page.css", "page.js")} <= names
    assert {f"hpcsim/report/explore/assets/explore.{form}" for form in ("html", "css", "js")} <= names
    code = "import hpcsim.paths as a; print(sorted(a.shipped_studies()), a.folder('mod'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}
    )
    assert "quickstart" in done.stdout and str(tmp_path / "site") in done.stdout, done.stderr


def test_shipped_folders_are_found():
    assert "quickstart" in shipped_studies()
    assert (folder("mod") / "Exp2SynI.mod").exists()


def test_the_readme_has_exactly_two_commands():
    first, second = blocks("sh")
    assert first.strip().endswith("hpcsim run quickstart")
    assert "pytest" in second
    assert all("-c constraints.txt" in block and len(block.strip().splitlines()) == 1 for block in (first, second))


def test_the_study_of_the_readme_is_right(tmp_path):
    path = tmp_path / "drive.toml"
    path.write_text(blocks("toml")[0])
    study = hpcsim.Study.load(path)
    assert len(study.design) == 50
    assert list(study.layout.outputs) == ["rate", "catch22"]


def test_the_python_of_the_readme_runs(tmp_path):
    study, model = blocks("python")
    space: dict = {}
    exec(compile(study.split("results =")[0], "README", "exec"), space)
    assert len(space["study"].design) == 50
    (tmp_path / "decay.py").write_text(model)
    sys.path.insert(0, str(tmp_path))
    import decay

    assert check_model(decay.decay)["v"].shape == (3, 1000)


def test_the_model_of_the_readme_runs_by_the_installed_command(tmp_path):
    (tmp_path / "decay.py").write_text(blocks("python")[1])
    (tmp_path / "d.toml").write_text('[study]\nname = "d"\nmodel = "decay:decay"\n[space]\ntau = [5, 10]\n')
    line = [str(Path(sys.executable).parent / "hpcsim"), "run", "d.toml"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 points (2 ok)" in done.stdout


def test_extras_are_there_and_those_that_clash_say_so():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"nest", "neuron", "brian2", "inference", "slurm", "glm", "all", "test"} <= set(extras)
    assert "numpy<2.4; python_version < '3.12'" in extras["brian2"]


def test_the_first_command_brings_no_torch():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [wanted] = re.findall(r"'\.\[(.*?)\]'", blocks("sh")[0])
    names = {re.split(r"[<>=]", requirement)[0] for extra in wanted.split(",") for requirement in extras[extra]}
    assert {"scikit-learn", "pycatch22"} <= names
    assert not names & {"torch", "sbi", "hpcsim[sbi]", "safetensors"}
