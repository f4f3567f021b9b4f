"""Code of the user's own: found beside the study, part of the recipe, stored with the results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import DirectoryError, PluginError, StudyError
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

MODEL = '''"""A model in a file."""
from hpcsim import Output, Parameter, model

FACTOR = 2.0


@model("own.line", parameters=[Parameter("k", 0.0)], outputs=[Output("y")])
def line(point, context):
    """A line."""
    return {"y": FACTOR * point["k"]}
'''
STUDY = 'study = {{ name = "own", model = "{model}" }}\nspace = {{ k = {k} }}\n'


def write(folder: Path, k: list[int], model: str = "line:line", code: str = MODEL, more: str = "") -> Path:
    """A study with a model beside it; no code in any file of that name stays as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{model.partition(':')[0]}.py").write_text(code)
    (folder / "own.toml").write_text(STUDY.format(model=model, k=k) + more)
    return folder / "own.toml"


def run(path: Path, directory: Path, on: str = "inline", **options) -> list[str]:
    """Run a study; returns what was said."""
    said: list[str] = []
    study = hpcsim.Study.load(path, changed=options.get("accept_changes", False))
    sweep(study, study.directory(directory), Target(on), listener=Listener(notify=said.append), **options)
    return said


def values(directory: Path) -> dict[float, float]:
    """Of y, by k."""
    with Table(directory / "results.h5") as table:
        return dict(zip(table.array("k").tolist(), table.array("y").tolist(), strict=True))


class TestChangedCode:
    def test_is_refused_with_what_changed_and_how_to_go_on(self, tmp_path):
        place = tmp_path / "run"
        run(write(tmp_path, [1, 2]), place)
        changed = write(tmp_path, [1, 2, 3], code=MODEL.replace("2.0", "5.0"))
        with pytest.raises(DirectoryError) as caught:
            run(changed, place)
        words = str(caught.value)
        for expected in ("line.py changed in FACTOR", "-FACTOR = 2.0", "+FACTOR = 5.0", "--dir", "--accept-changes"):
            assert expected in words
        assert values(place) == {1: 2, 2: 4}
        # in a new directory all points are simulated by the new code
        run(changed, tmp_path / "new")
        assert values(tmp_path / "new") == {1: 5, 2: 10, 3: 15}

    def test_goes_on_when_accepted_and_rows_say_which_code_made_them(self, tmp_path):
        place = tmp_path / "run"
        run(write(tmp_path, [1, 2]), place)
        run(write(tmp_path, [1, 2, 3], code=MODEL.replace("2.0", "5.0")), place, accept_changes=True)
        run(write(tmp_path, [1, 2, 3, 4], code=MODEL.replace("2.0", "7.0")), place, accept_changes=True)
        assert values(place) == {1: 2, 2: 4, 3: 15, 4: 28}
        with hpcsim.open(place) as results:
            made = dict(zip(results.parameters["k"], results.records["recipe"], strict=True))
            assert made == {1: 0, 2: 0, 3: 1, 4: 2}
            factors = [recipe["source"]["line.py"].split("FACTOR = ")[1].split("\n")[0] for recipe in results.recipes]
            assert factors == ["2.0", "5.0", "7.0"]
            assert [recipe["fingerprint"] for recipe in results.recipes][-1] == hpcsim.Study.load(place).fingerprint
        # what was accepted is the study's own from now on
        run(tmp_path / "own.toml", place)
        assert values(place) == {1: 2, 2: 4, 3: 15, 4: 28}

    def test_code_that_comes_back_has_its_old_number(self, tmp_path):
        place = tmp_path / "run"
        run(write(tmp_path, [1]), place)
        run(write(tmp_path, [1, 2], code=MODEL.replace("2.0", "5.0")), place, accept_changes=True)
        run(write(tmp_path, [1, 2, 3]), place, accept_changes=True)
        assert values(place) == {1: 2, 2: 10, 3: 6}
        with hpcsim.open(place) as results:
            assert dict(zip(results.parameters["k"], results.records["recipe"], strict=True)) == {1: 0, 2: 1, 3: 0}

    def test_shards_of_both_are_collected(self, tmp_path):
        place = tmp_path / "run"
        study = hpcsim.Study.load(write(tmp_path, [1, 2]))
        directory = study.directory(place)
        # its shards are not collected yet when the code changes
        from hpcsim.scheduler.task.runner import Runner
        from hpcsim.study.history import open_directory

        open_directory(study, directory)
        Runner(study, directory, 0, 2).run()
        changed = hpcsim.Study.load(write(tmp_path, [1, 2, 3, 4], code=MODEL.replace("2.0", "5.0")))
        assert open_directory(changed, directory, accept_changes=True)
        assert plan(changed, directory).pending == ((2, 4),)
        Runner(changed, directory, 2, 4).run()
        gather(changed, directory)
        assert values(place) == {1: 2, 2: 4, 3: 15, 4: 20}
        with hpcsim.open(place) as results:
            assert dict(zip(results.parameters["k"], results.records["recipe"], strict=True)) == {1: 0, 2: 0, 3: 1, 4: 1}

    def test_failed_rows_that_run_again_are_of_the_new_code(self, tmp_path):
        place = tmp_path / "run"
        faulty = MODEL.replace('    return {"y"', '    if point["k"] == 2:\n        raise ValueError("no")\n    return {"y"')
        run(write(tmp_path, [1, 2, 3], code=faulty), place)
        run(write(tmp_path, [1, 2, 3]), place, accept_changes=True, retry_failed=True)
        assert values(place) == {1: 2, 2: 4, 3: 6}
        with hpcsim.open(place) as results:
            assert dict(zip(results.parameters["k"], results.records["recipe"], strict=True)) == {1: 0, 2: 1, 3: 0}

    def test_many_rows_of_both_are_moved_as_whole_blocks(self, tmp_path):
        place = tmp_path / "run"
        first, second = list(range(2500)), list(range(6000))
        run(write(tmp_path, first), place)
        run(write(tmp_path, second, code=MODEL.replace("2.0", "5.0")), place, accept_changes=True)
        with hpcsim.open(place) as results:
            k, made = results.parameters["k"].to_numpy(), results.records["recipe"].to_numpy()
            assert np.array_equal(made, (k >= 2500).astype(int))
            assert np.array_equal(results.outputs["y"].values, np.where(k < 2500, 2 * k, 5 * k))

    @pytest.mark.parametrize(
        "code",
        [
            MODEL.replace('"""A line."""', '"""Another word for it."""'),
            MODEL.replace("FACTOR = 2.0", "# twice\nFACTOR   =   2.0"),
            MODEL.replace('"y"', "'y'"),
            MODEL + '\nif __name__ == "__main__":\n    print("tried by hand")\n',
        ],
    )
    def test_comments_layout_and_docstrings_are_no_change(self, tmp_path, code):
        run(write(tmp_path, [1]), tmp_path / "run")
        assert run(write(tmp_path, [1, 2], code=code), tmp_path / "run") == []
        assert values(tmp_path / "run") == {1: 2, 2: 4}

    def test_other_seeds_and_other_outputs_cannot_be_accepted(self, tmp_path):
        place = tmp_path / "run"
        run(write(tmp_path, [1]), place)
        path = write(tmp_path, [1, 2])
        path.write_text(path.read_text().replace('name = "own"', 'name = "own", seed = 4'))
        with pytest.raises(DirectoryError, match="seed: there 0, now 4"):
            run(path, place, accept_changes=True)
        other = MODEL.replace('Output("y")', 'Output("y", unit="mV")')
        with pytest.raises(DirectoryError, match="outputs have other names, shapes, types or coordinates"):
            run(write(tmp_path, [1, 2], code=other), place, accept_changes=True)
        assert values(place) == {1: 2}

    def test_another_version_of_a_package_can_be_accepted(self, tmp_path, monkeypatch):
        place = tmp_path / "run"
        code = MODEL.replace('outputs=[Output("y")]', 'outputs=[Output("y")], requires=("numpy",)')
        run(write(tmp_path, [1], code=code), place)
        monkeypatch.setattr("hpcsim.study.recipe._version", lambda name: "9.9")
        with pytest.raises(DirectoryError, match=r'versions\.numpy: there ".*", now "9\.9"\n.*--accept-changes'):
            run(write(tmp_path, [1, 2], code=code), place)
        run(tmp_path / "own.toml", place, accept_changes=True)
        assert values(place) == {1: 2, 2: 4}

    def test_in_python(self, tmp_path):
        run(write(tmp_path, [1]), tmp_path / "run")
        study = hpcsim.Study.load(write(tmp_path, [1, 2], code=MODEL.replace("2.0", "5.0")))
        with pytest.raises(DirectoryError, match="accept_changes=True"):
            study.run("inline", tmp_path / "run")
        assert len(study.run("inline", tmp_path / "run", accept_changes=True)) == 2


class TestWhatBelongsToTheCode:
    def changed(self, tmp_path: Path, edit) -> str:
        """What is said after an edit of a finished study's files."""
        run(tmp_path / "own.toml", tmp_path / "run")
        edit()
        with pytest.raises(DirectoryError) as caught:
            run(tmp_path / "own.toml", tmp_path / "run")
        return str(caught.value)

    def test_modules_beside_it_however_they_are_imported(self, tmp_path):
        code = MODEL.replace("FACTOR = 2.0", "from pack.inner import FACTOR\nimport plain\n")
        code = code.replace("return", "import late\n    return")
        write(tmp_path, [1], code=code)
        (tmp_path / "pack").mkdir()
        files = {
            "pack/__init__.py": "EDGE = 1\n",
            "pack/inner.py": "from . import other\nfrom .deep.lowest import LOW\nFACTOR = 2.0\n",
            "pack/other.py": "A = 1\n",
            "pack/deep/lowest.py": "LOW = 1\n",
            "plain.py": "import importlib\nimportlib.import_module('named') if False else None\n",
            "named.py": "N = 1\n",
            "late.py": "L = 1\n",
        }
        (tmp_path / "pack" / "deep").mkdir()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "unrelated.py").write_text("U = 1\n")
        study = hpcsim.Study.load(tmp_path / "own.toml")
        assert set(study.recipe["source"]) == {"line.py", *files}
        words = self.changed(tmp_path, lambda: (tmp_path / "pack" / "deep" / "lowest.py").write_text("LOW = 2\n"))
        assert "pack/deep/lowest.py changed in LOW" in words
        assert values(tmp_path / "run") == {1: 2}

    def test_declared_data_and_mechanisms_that_are_named(self, tmp_path):
        (tmp_path / "mod").mkdir()
        (tmp_path / "mod" / "kdr.mod").write_text("NEURON { SUFFIX kdr }\n")
        (tmp_path / "weights.csv").write_text("1,2\n")
        code = MODEL.replace('outputs=[Output("y")]', 'outputs=[Output("y")], files=["weights.csv"]')
        code = code.replace("FACTOR = 2.0", 'FACTOR = 2.0\nMECHANISM = "mod/kdr.mod"')
        write(tmp_path, [1], code=code)
        assert set(hpcsim.Study.load(tmp_path / "own.toml").recipe["source"]) == {"line.py", "mod/kdr.mod", "weights.csv"}
        words = self.changed(tmp_path, lambda: (tmp_path / "weights.csv").write_text("1,3\n"))
        assert "weights.csv changed" in words and "+1,3" in words
        (tmp_path / "weights.csv").unlink()
        with pytest.raises(StudyError, match=r'declares the file "weights\.csv", but .* cannot be read'):
            hpcsim.Study.load(tmp_path / "own.toml")

    def test_mechanisms_beside_a_model_of_neuron(self, tmp_path):
        (tmp_path / "ih.mod").write_text("NEURON { SUFFIX ih }\n")
        write(tmp_path, [1], code=MODEL.replace('    """A line."""', "    if False:\n        from neuron import h\n"))
        assert set(hpcsim.Study.load(tmp_path / "own.toml").recipe["source"]) == {"line.py", "ih.mod"}
        (tmp_path / "units.inc").write_text("")
        used = MODEL.replace('    """A line."""', "    if False:\n        from hpcsim.models.neuron.nmodl import mechanisms\n")
        write(tmp_path, [1], code=used)
        assert set(hpcsim.Study.load(tmp_path / "own.toml").recipe["source"]) == {"line.py", "ih.mod", "units.inc"}

    def test_mechanisms_outside_of_the_folder_are_known_by_their_digest(self, tmp_path):
        study = tmp_path / "study"
        study.mkdir()
        for number, name in enumerate((str(tmp_path / "ih.mod"), "../ih.mod")):
            (tmp_path / "ih.mod").write_text("NEURON { SUFFIX ih }\n")
            write(study, [1], code=MODEL.replace("FACTOR = 2.0", f"FACTOR = 2.0\nMECHANISM = {name!r}"))
            run = tmp_path / f"run{number}"
            hpcsim.Study.load(study / "own.toml").run("inline", run).close()
            assert {path.name for path in (run / "source").rglob("*.*")} == {"line.py", ".origin.json"}
            (tmp_path / "ih.mod").write_text("NEURON { SUFFIX ih RANGE g }\n")
            with pytest.raises(DirectoryError, match=r"ih\.mod: its content changed"):
                hpcsim.Study.load(study / "own.toml").run("inline", run)

    def test_stages_of_the_users_own(self, tmp_path):
        (tmp_path / "stages.py").write_text(
            "from hpcsim import Layout, Output, stage\n\n\n"
            "def declare(options, layout):\n    return Layout.of([Output('z')])\n\n\n"
            "@stage('own.z', options=[], declare=declare)\ndef shifted(data, options, context):\n"
            "    return {'z': data['y'] + 1}\n"
        )
        write(tmp_path, [1], more='stages = [{ use = "stages:shifted" }]\n')
        words = self.changed(
            tmp_path, lambda: (tmp_path / "stages.py").write_text((tmp_path / "stages.py").read_text().replace("+ 1", "+ 2"))
        )
        assert "stages.py changed in shifted" in words

    def test_built_in_models_have_the_recipe_that_they_had(self):
        study = hpcsim.Study.load("quickstart")
        assert "source" not in study.recipe
        assert study.recipe == study.earlier_recipe


class TestStoredSource:
    def moved(self, tmp_path: Path) -> Path:
        """A finished study's directory in another place, without the files that it was made of."""
        home = tmp_path / "home"
        code = MODEL.replace("FACTOR = 2.0", "from helper import FACTOR")
        write(home, [1, 2, 3], code=code)
        (home / "helper.py").write_text("FACTOR = 2.0\n")
        run(home / "own.toml", home / "runs" / "own")
        target = tmp_path / "elsewhere" / "own"
        target.parent.mkdir()
        shutil.move(home / "runs" / "own", target)
        shutil.rmtree(home)
        return target

    def test_a_moved_directory_is_all_that_is_needed(self, tmp_path, command):
        place = self.moved(tmp_path)
        assert (place / "source" / "line.py").exists() and (place / "source" / "helper.py").exists()
        done = command("status", place)
        assert "3 of 3 points finished" in done.stdout, done.stderr
        # three points are lost, and come back by the stored code on worker processes
        (place / "results.h5").unlink()
        done = command("run", place)
        assert done.returncode == 0, done.stderr
        assert values(place) == {1: 2, 2: 4, 3: 6}

    def test_results_hold_the_source_and_run_nothing(self, tmp_path):
        place = self.moved(tmp_path)
        with hpcsim.open(place) as results:
            assert json.loads(results.provenance["source"])["helper.py"] == "FACTOR = 2.0\n"
            [recipe] = results.recipes
            assert set(recipe["source"]) == {"line.py", "helper.py"}
            assert "recipe" not in results.records

    def test_a_directory_goes_on_with_its_own_code_when_the_file_was_edited(self, tmp_path):
        place = tmp_path / "runs" / "own"
        run(write(tmp_path, [1, 2]), place)
        write(tmp_path, [1, 2], code=MODEL.replace("2.0", "5.0"))
        (place / "results.h5").unlink()
        [said] = run(place, place)
        assert "the code that it stores" in said and "line.py" in said
        assert values(place) == {1: 2, 2: 4}

    def test_the_present_code_is_taken_when_changes_are_accepted(self, tmp_path):
        place = tmp_path / "runs" / "own"
        run(write(tmp_path, [1, 2]), place)
        write(tmp_path, [1, 2], code=MODEL.replace("2.0", "5.0"))
        (place / "results.h5").unlink()
        run(place, place, accept_changes=True)
        assert values(place) == {1: 5, 2: 10}

    def test_data_that_is_declared_comes_along(self, tmp_path):
        home = tmp_path / "home"
        reading = 'from pathlib import Path\nFACTOR = float(Path(__file__).with_name("f.txt").read_text())'
        code = MODEL.replace("FACTOR = 2.0", reading)
        write(home, [1], code=code.replace('outputs=[Output("y")]', 'outputs=[Output("y")], files=("f.txt",)'))
        (home / "f.txt").write_text("3.0")
        run(home / "own.toml", tmp_path / "run")
        shutil.rmtree(home)
        (tmp_path / "run" / "results.h5").unlink()
        run(tmp_path / "run", tmp_path / "run", on="local")
        assert values(tmp_path / "run") == {1: 3}


class TestDirectoriesFromBefore:
    """Recipes of the user's own models had no source."""

    def earlier(self, tmp_path: Path) -> Path:
        """A study's directory as it was made then."""
        place = tmp_path / "runs" / "own"
        run(write(tmp_path, [1, 2]), place)
        study = hpcsim.Study.load(tmp_path / "own.toml")
        import h5py
        import tomli_w

        from hpcsim.study.file import read
        from hpcsim.study.recipe import digest

        tables = read(place / "study.toml")
        tables["recipe"] = study.earlier_recipe
        (place / "study.toml").write_text(tomli_w.dumps(tables))
        shutil.rmtree(place / "source")
        with h5py.File(place / "results.h5", "r+") as file:
            file.attrs["fingerprint"] = digest(study.earlier_recipe)
            file.attrs["complete"] = study.earlier_completeness
            del file["provenance/source"]
        return place

    def test_are_read_and_gone_on_with(self, tmp_path, monkeypatch):
        place = self.earlier(tmp_path)
        monkeypatch.chdir("/")
        assert plan(hpcsim.Study.load(place), hpcsim.Study.load(place).directory(place)).left == 0
        [said] = run(write(tmp_path, [1, 2, 3]), place)
        assert "before hpcsim kept the source" in said
        assert values(place) == {1: 2, 2: 4, 3: 6}
        assert (place / "source" / "line.py").exists()
        assert run(tmp_path / "own.toml", place) == []
        with pytest.raises(DirectoryError, match="FACTOR"):
            run(write(tmp_path, [1, 2, 3], code=MODEL.replace("2.0", "5.0")), place)

    def test_old_results_are_collected_and_told_when_the_code_has_changed(self, tmp_path, command):
        place = tmp_path / "runs" / "own"
        run(write(tmp_path, [1, 2]), place)
        write(tmp_path, [1, 2], code=MODEL.replace("2.0", "5.0"))
        assert command("collect", "own.toml").returncode == 0
        assert values(place) == {1: 2, 2: 4}
        assert "made in another way (line.py changed in FACTOR, ...)" in command("status", "own.toml").stdout

    def test_tasks_that_waited_while_hpcsim_was_renewed_go_on(self, tmp_path):
        place = self.earlier(tmp_path)
        (place / "results.h5").unlink()
        study = hpcsim.Study.load(place)
        directory = study.directory(place)
        study.verify(directory)
        from hpcsim.scheduler.task.runner import Runner

        Runner(study, directory, 0, 2).run()
        gather(study, directory)
        assert values(place) == {1: 2, 2: 4}


class TestWhereModulesAreFound:
    def test_beside_the_study_wherever_the_command_is_called(self, tmp_path, command):
        write(tmp_path / "project", [1, 2])
        (tmp_path / "other").mkdir()
        done = command("run", "../project/own.toml", "--dir", "run", cwd=tmp_path / "other")
        assert done.returncode == 0, done.stderr
        assert values(tmp_path / "other" / "run") == {1: 2, 2: 4}
        assert "2 of 2" in command("status", tmp_path / "other" / "run", cwd="/").stdout

    def test_in_the_current_folder_as_well(self, tmp_path, command):
        path = write(tmp_path / "project", [1])
        (tmp_path / "studies").mkdir()
        shutil.move(path, tmp_path / "studies" / "own.toml")
        done = command("run", "../studies/own.toml", cwd=tmp_path / "project")
        assert done.returncode == 0, done.stderr

    def test_two_studies_with_modules_of_one_name(self, tmp_path):
        for folder, factor in (("a", "2.0"), ("b", "5.0")):
            code = MODEL.replace("FACTOR = 2.0", "").replace("return", "from helper import FACTOR\n    return")
            write(tmp_path / folder, [1], code=code)
            (tmp_path / folder / "helper.py").write_text(f"FACTOR = {factor}\n")
        studies = [hpcsim.Study.load(tmp_path / folder / "own.toml") for folder in ("a", "b")]
        found = [study.run("inline", tmp_path / study.folder.name / "run").outputs["y"].values.tolist() for study in studies]
        assert found == [[2], [5]]

    def test_an_edited_module_is_another_one_in_the_same_process(self, tmp_path):
        first = hpcsim.Study.load(write(tmp_path, [1]))
        second = hpcsim.Study.load(write(tmp_path, [1], code=MODEL.replace("2.0", "5.0")))
        assert first.fingerprint != second.fingerprint
        assert first.run("inline", tmp_path / "a").outputs["y"].values.tolist() == [2]
        assert second.run("inline", tmp_path / "b").outputs["y"].values.tolist() == [5]

    @pytest.mark.parametrize("name", ["random", "types", "numpy", "logging", "neuron", "socket"])
    def test_a_name_of_an_installed_module_breaks_nothing(self, tmp_path, command, name):
        # the file imports its namesake, which is the installed one
        write(tmp_path, [1, 2], model=f"{name}:line", code=f"import {name}\nimport numpy\n{MODEL}")
        (tmp_path / "json.py").write_text("raise RuntimeError('this is not the one of Python')\n")
        done = command("run", "own.toml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert values(tmp_path / "runs" / "own") == {1: 2, 2: 4}

    def test_nothing_is_left_on_the_path(self, tmp_path):
        import sys

        before = list(sys.path)
        hpcsim.Study.load(write(tmp_path, [1]))
        assert sys.path == before and "line" not in sys.modules

    def test_a_model_of_a_notebook_is_known_by_its_text(self, tmp_path, monkeypatch):
        import linecache
        import sys
        from types import ModuleType

        def cell(factor: str) -> hpcsim.Study:
            text = MODEL.replace("FACTOR = 2.0", f"from pathlib import Path\nMOD = Path('ih.mod')\nFACTOR = {factor}")
            text = text.replace("    return", "    assert MOD\n    return").replace(
                '[Output("y")]', '[Output("y")], files=["w.csv"]'
            )
            session = ModuleType("__main__")
            monkeypatch.setitem(sys.modules, "__main__", session)
            name = f"<cell {factor}>"
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            exec(compile(text, name, "exec"), vars(session))
            return hpcsim.Study("own", session.line, space={"k": [1, 2]})

        monkeypatch.chdir(tmp_path)
        Path("ih.mod").write_text("NEURON { SUFFIX ih }")
        Path("w.csv").write_text("1")
        cell("2.0").run("inline", tmp_path / "run")
        assert len(cell("2.0").run("inline", tmp_path / "run")) == 2
        with pytest.raises(DirectoryError, match="FACTOR"):
            cell("5.0").run("inline", tmp_path / "run")
        for file in ("ih.mod", "w.csv"):
            before = Path(file).read_text()
            Path(file).write_text("NEURON { SUFFIX ih RANGE g }")
            with pytest.raises(DirectoryError, match=f"{file} changed"):
                cell("2.0").run("inline", tmp_path / "run")
            Path(file).write_text(before)
        monkeypatch.undo()
        with pytest.raises(StudyError, match="notebook or a script"):
            hpcsim.Study.load(tmp_path / "run")


class TestMistakes:
    @pytest.mark.parametrize(
        ("model", "words"),
        [
            ("../a:b", ['found "../a:b"', 'expected "module:name"', 'write "a:b"']),
            ("line.py:line", ['there is no module "line.py"', 'did you mean "line"?']),
            ("/tmp/line.py:line", ['write "line:line"']),
            (":", ['found ":"', 'expected "module:name"']),
            ("line:", ['found "line:"', "is missing after"]),
            (":line", ['found ":line"', "the module is missing"]),
            ("a b:c", ['found "a b:c"']),
            ("line::line", ['found "line::line"']),
            ("lime:line", ['there is no module "lime"', 'did you mean "line"?']),
            ("a.b.c:d.e", ['there is no module "a.b.c"']),
            ("line:lime", ['"line" has no "lime"', 'did you mean "line"?']),
            ("line:FACTOR", ["is a float, not a model"]),
            ("line", ['there is no model "line"']),
        ],
    )
    def test_a_reference_that_leads_nowhere(self, tmp_path, model, words):
        path = write(tmp_path, [1])
        path.write_text(STUDY.format(model=model, k=[1]))
        with pytest.raises(StudyError) as caught:
            hpcsim.Study.load(path)
        assert "study.model" in str(caught.value)
        for word in words:
            assert word in str(caught.value)

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("x = (1,\n", ["line.py, line 1", "SyntaxError"]),
            ("import hpcsim\n\nx = undefined\n", ["line.py, line 3", "NameError: name 'undefined' is not defined"]),
            ("import sys\nsys.exit(3)\n", ["line.py, line 2", "sys.exit(3)"]),
            ("import not_there_at_all\n", ["line.py, line 1", "No module named 'not_there_at_all'"]),
            ("from helper import x\n", ["helper.py, line 2", "ZeroDivisionError"]),
            ("\0", ["null bytes", "in /"]),
        ],
    )
    def test_a_module_that_cannot_be_imported_names_the_line(self, tmp_path, command, code, words):
        (tmp_path / "helper.py").write_text("x = 1\ny = x / 0\n")
        write(tmp_path, [1], code=code)
        done = command("run", "own.toml")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        for word in (*words, "study.model"):
            assert word in done.stderr

    def test_a_stage_likewise(self, tmp_path):
        path = write(tmp_path, [1], more='stages = [{ use = "../a:b" }]\n')
        with pytest.raises(StudyError, match=r'stages\[0\]\.use: found "\.\./a:b", expected "module:name" for a stage'):
            hpcsim.Study.load(path)

    def test_by_the_registry(self):
        from hpcsim.models.registry import get_model

        with pytest.raises(PluginError, match="expected"):
            get_model(":")
