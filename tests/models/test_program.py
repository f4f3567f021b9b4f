"""Programs that nobody may change as models."""

from __future__ import annotations

import json
import sys
import time
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

import hpcsim
from hpcsim.errors import Interrupted, SimulationError
from hpcsim.models.model import Context
from hpcsim.models.program import run_program
from hpcsim.models.program_files import read_output, write_parameters
from hpcsim.space.points import Point

VALUES = {"tau": 10.0, "n": 3, "who": "E", "weights": (1.0, 2.0), "fast": True}
POINT = Point(VALUES, "0" * 32, 0, 2**63 + 5)


def shell(text, **more):
    return run_program(POINT, Context(), ["sh", "-c", text], **more)


def test_parameters_as_json_toml_and_template(tmp_path):
    write_parameters(tmp_path / "p.json", VALUES, 5)
    write_parameters(tmp_path / "p.toml", VALUES, 5)
    expected = {"seed": 5, **VALUES, "weights": [1.0, 2.0]}
    assert json.loads((tmp_path / "p.json").read_text()) == tomllib.loads((tmp_path / "p.toml").read_text()) == expected
    write_parameters(tmp_path / "own.json", {"seed": 9}, 5)
    assert json.loads((tmp_path / "own.json").read_text()) == {"seed": 9}
    (tmp_path / "in.tpl").write_text("tau = ${tau}ms costs $$ and $n of $who, $seed\n")
    write_parameters(tmp_path / "in.txt", VALUES, 5, tmp_path / "in.tpl")
    assert (tmp_path / "in.txt").read_text() == "tau = 10.0ms costs $ and 3 of E, 5\n"
    (tmp_path / "in.tpl").write_text("$taw")
    with pytest.raises(SimulationError, match=r'there is no parameter \$taw; did you mean "tau"'):
        write_parameters(tmp_path / "in.txt", VALUES, 5, tmp_path / "in.tpl")
    with pytest.raises(SimulationError, match=r'as .json or .toml, or with a template; found "in.txt"'):
        write_parameters(tmp_path / "in.txt", VALUES, 5)


def test_columns_of_text(tmp_path):
    path = tmp_path / "out.csv"
    for text in ("t,v\n0,1.5\n1,nan\n2,\n", "# t;v\n0;1.5\n# more\n1;nan\n2;\n", "t\tv\r\n0\t1.5\r\n1\tnan\r\n2\t\r\n"):
        path.write_text(text)
        columns = read_output(path)
        assert columns["t"].tolist() == [0, 1, 2] and np.array_equal(columns["v"], [1.5, np.nan], equal_nan=True)
    # pandas leaves a cell blank where a number is missing: what comes after it stays in its line
    path.write_text("t,v,w\n0,1,\n1,,\n2,3,\n3\n")
    blank = read_output(path)
    assert np.array_equal(blank["v"], [1, np.nan, 3], equal_nan=True) and len(blank["t"]) == 4 and not len(blank["w"])
    path.write_text("  1e3 2\n 3   4\n")
    assert {name: values.tolist() for name, values in read_output(path).items()} == {"0": [1000.0, 3.0], "1": [2.0, 4.0]}
    for text, words in (
        ("t,v\n0,1\n1,x1\n", 'out.csv, line 3: "x1" in the column v is no number'),
        ("t,v\n0,1,2\n", "out.csv, line 2: 3 values; expected 2"),
        ("\n", "out.csv is empty"),
    ):
        path.write_text(text)
        with pytest.raises(SimulationError, match=words):
            read_output(path)


def test_arrays(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "lfp.npy", values)
    np.savez(tmp_path / "all.npz", a=values)
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["pop/E/rate"] = values
    assert np.array_equal(read_output(tmp_path / "lfp.npy")["lfp"], values)
    assert np.array_equal(read_output(tmp_path / "all.npz")["a"], values)
    assert np.array_equal(read_output(tmp_path / "all.h5")["pop/E/rate"], values)
    for name in ("bad.npy", "bad.npz", "bad.h5"):
        (tmp_path / name).write_text("this is text")
        with pytest.raises(SimulationError, match=f"{name} cannot be read"):
            read_output(tmp_path / name)


def test_a_program_runs_in_a_folder_of_its_own():
    given = shell("pwd > where; echo y,x > output.csv; echo $(wc -l < parameters.json),{seed} >> {output}; ls > /dev/null")
    assert given["y"] == 11 and given["x"] == 5
    assert shell("echo 4 5", output="-", names={"y": "1"}).keys() == {"0", "y"}
    given = shell("echo a > a.txt; echo 1 >> a.txt; echo b > b.txt; echo 2 >> b.txt", output=["a.txt", "b.txt"])
    assert given["a"] == 1 and given["b"] == 2
    with pytest.raises(SimulationError, match=r'holds no "z", which the output "y" is; allowed: a'):
        shell("echo a; echo 1", output="-", names={"y": "z"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo of no use > a.log", r"sh: wrote no output.csv; it wrote a.log"),
        (":", r"sh: wrote no output.csv; it wrote nothing"),
        ("echo bad weight >&2; exit 3", r"sh ended with exit code 3"),
        ("kill -SEGV $$", r"sh died of SIGSEGV"),
    ],
)
def test_a_program_that_fails(text, words):
    with pytest.raises(SimulationError, match=words):
        shell(text)


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(SimulationError, match="decay cannot be started: No such file"):
        run_program(POINT, Context(), [tmp_path / "decay"])


def test_a_stop_ends_it(tmp_path):
    def progress(fraction):
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run_program(POINT, Context(progress=progress), ["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 600"])
    deadline = time.monotonic() + 60
    while Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_stop_ends_what_it_has_started_too(tmp_path):
    def progress(fraction):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run_program(POINT, Context(progress=progress), ["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; wait"])
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(pid)


def _alive(pid):
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


MODEL = """
from pathlib import Path
import numpy as np
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.models.program import run_program

HERE = Path(__file__).parent

@model(
    "decay.decay",
    parameters=[Parameter("tau", 10.0, "ms", (0.1, None))],
    outputs=[Output("v", ("time",), "mV"), Output("peak", (), "mV")],
    coordinates=lambda values: {"time": Coordinate(np.arange(3.0), "ms")},
    files=["decay.sh"],
)
def decay(point, context):
    return run_program(point, context, [HERE / "decay.sh", "{parameters}", "{output}"], output="out.csv")
"""
SCRIPT = """#!/bin/sh
tau=$(grep tau $1 | tr -dc 0-9.)
if [ $tau = 4.0 ]; then echo "tau 4.0 is not allowed here" >&2; exit 2; fi
if [ $tau = 5.0 ]; then echo "nothing to say" >&2; exit 0; fi
printf "t,v,peak\\n0,$tau,9\\n1,2,\\n2,1,\\n" > $2
"""


def test_a_study_of_a_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay.py").write_text(MODEL)
    # not executable, as what is stored with a study
    (tmp_path / "decay.sh").write_text(SCRIPT)
    study = hpcsim.Study("decay", "decay:decay", space={"tau": [3, 4, 5]})
    assert "decay.sh" in study.recipe["source"]
    with study.run(on="inline") as results:
        assert results.outputs["v"][0].values.tolist() == [3, 2, 1] and results.outputs["peak"][0] == 9
        [exit_code, no_file] = results.failures["error"]
    assert exit_code == "decay.sh ended with exit code 2: tau 4.0 is not allowed here"
    assert no_file == "decay.sh: wrote no out.csv; it wrote nothing: nothing to say"
    assert "tau 4.0 is not allowed here" in (tmp_path / "runs" / "decay" / "logs" / "inline.log").read_text()


def test_outputs_that_nobody_expects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay.py").write_text(MODEL.replace('"decay.sh", "{parameters}"', '"decay.sh", "-c"'))
    (tmp_path / "decay.sh").write_text("#!/bin/sh\necho t,w > $2\n")
    study = hpcsim.Study("decay", "decay:decay", space={"tau": [3]})
    with pytest.raises(hpcsim.HpcsimError):
        study.run(on="inline")
    with hpcsim.open("runs/decay") as results:
        assert results.failures["error"].iloc[0] == "decay.sh: out.csv holds t, w; expected outputs: v, peak"


def test_the_interpreter_of_a_script_is_named_by_the_script(tmp_path):
    (tmp_path / "a.py").write_text("raise ValueError('no')")
    with pytest.raises(SimulationError, match=r"a.py ended with exit code 1"):
        run_program(POINT, Context(), [sys.executable, tmp_path / "a.py"])
