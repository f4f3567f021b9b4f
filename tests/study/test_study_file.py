"""Study files as hands, editors and other programs write them: read, or refused with what was found and expected."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import hpcsim
from hpcsim.errors import StudyError

HEAD = '[study]\nname = "s"\nmodel = "toys:single"\n'
DRAWN = HEAD + "[space]\nx = { uniform = [0, 1] }\n[design]\nmethod = 'random'\nn = 4\n"
LONG = "1" * 5000


def refused(content: str | bytes, folder: Path) -> dict[str, str]:
    """Every mistake of a study file by its key."""
    path = folder / "s.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StudyError) as caught:
        hpcsim.Study.load(path)
    assert len(str(caught.value)) < 20_000
    return {problem.key: str(problem) for problem in caught.value.problems}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + (HEAD + "[space]\nx = [1]\n").encode(), id="byte order mark"),
        pytest.param((HEAD + "[space]\nx = [1]\n").replace("\n", "\r\n").encode(), id="CRLF"),
    ],
)
def test_what_editors_add_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.toml").write_bytes(content)
    assert hpcsim.Study.load(tmp_path / "s.toml").design.point(0)["x"] == 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(HEAD.encode("utf-16"), "is not UTF-8 text; save it as UTF-8", id="UTF-16"),
        pytest.param(b"# \xe9\n" + HEAD.encode(), "is not UTF-8 text", id="Latin-1"),
        pytest.param(bytes(100), "is not TOML", id="NUL bytes"),
        pytest.param(HEAD + "name = 'again'\n", "is not TOML: Cannot overwrite a value (at line", id="a key twice"),
        pytest.param(HEAD + f"[space]\nx = [{LONG}]\n", "thousands of digits in line 5, expected one", id="5000 digits"),
        pytest.param(HEAD + "[space]\nx = " + "[" * 3000 + "]" * 3000, "nested too deep, expected at most 32", id="3000 lists"),
    ],
)
def test_what_is_no_study_file(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in refused(content, tmp_path)["file"]


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        pytest.param("[" + ".".join("a" * 90) + "]", "a", "nested too deep", id="a header of 90 parts"),
        pytest.param("[space]\nx = " + "[" * 60 + "]" * 60, "space", "nested too deep, expected at most 32", id="60 lists"),
        pytest.param("[space]\nx = " + "{a=" * 60 + "1" + "}" * 60, "space", "is nested too deep", id="60 tables"),
        pytest.param("[[stages]]\nof = " + "[" * 60 + "]" * 60, "stages", "is nested too deep", id="60 lists in a stage"),
        ("[space]\nx = [2020-01-01]", "space.x", "found 2020-01-01, expected a number in mV"),
        ("[fixed]\nx = 07:32:00", "fixed.x", "found 07:32:00, expected a number in mV"),
        ("[fixed]\nx = inf", "fixed.x", "found inf, expected a finite number"),
        ("[fixed]\nx = -nan", "fixed.x", "found nan, expected a finite number"),
        ("[space]\nx = [0, -0.0]", "space.x", "x = 0.0 stands twice"),
        ("[space]\nx = [1, 'a', true, [1], 2020-01-01]", "space.x", 'found "a", expected a number in mV'),
        ("[space]\nx = { linspace = [0, 1, 1e18] }", "space.x", "found n = 1e+18, expected a whole number"),
        ("[space]\nx = { linspace = [0, 1, -3] }", "space.x", "found n = -3, expected a whole number of values, at least 1"),
        ("[space]\nx = { linspace = [0, 1, 2.5] }", "space.x", "found n = 2.5, expected a whole number"),
        ("[space]\nx = { linspace = [0, 1, 9007199254740993] }", "space.x", "at most 2**53"),
        pytest.param(f"[fixed]\nx = {LONG[:400]}", "fixed.x", "(400 characters), expected a number that", id="400 digits"),
        pytest.param(f"[fixed]\nx = 0x{LONG}", "fixed.x", "found int that is too long to show", id="5000 hexadecimal digits"),
        pytest.param(f"[space]\n{'y' * 9000} = 1", f"space.{'y' * 9000}", "(9006 characters): there is no", id="long name"),
        ('[space]\n"\\u001b[31mx" = 1', "space.\x1b[31mx", 'space.\\x1b[31mx: there is no parameter "\\x1b[31mx"'),
        ("[resources]\ntime = '10 m/s**2'", "resources.time", '"10 m/s**2" is an acceleration (m/s**2); expected a time'),
        ("[resources]\nmemory = '3 mV'", "resources.memory", '"3 mV" is a voltage (mV); expected an amount of memory'),
        ("[resources]\nmemory = '50 %'", "resources.memory", "expected an amount of memory"),
        ("[resources]\nmemory = '--5 GB'", "resources.memory", '"--5" is no quantity'),
        ("[space]\nx = { values = [1], unit = 'S/cm' }", "space.x", "(S/cm); expected a voltage, such as"),
        ("[space]\nx = { uniform = [0, '1 mV**2'] }", "space.x", "(mV**2); expected a voltage"),
        ("[space]\nx = { normal = [0, '1 mV/ms'] }", "space.x", "is a voltage per time (mV/ms); expected a voltage"),
        ("[space.zip]\nx = ['1 mV s', 2]", "space.zip.x", "(mV s); expected a voltage"),
        ("[fixed]\nseconds = '3 1/s'", "fixed.seconds", '"3 1/s" is a frequency (1/s); expected a time, such as "3 s"'),
    ],
)
def test_what_a_study_cannot_mean(tmp_path: Path, content: str, key: str, message: str) -> None:
    assert message in refused(HEAD + content + "\n", tmp_path)[key]


def test_units_in_python_are_told_as_in_a_file() -> None:
    with pytest.raises(StudyError) as caught:
        hpcsim.Study("s", "toys:single", space={"x": ["5 mV/ms"]}, fixed={"seconds": "3 m s"}, resources={"time": "1 s**2"})
    found = {problem.key: str(problem) for problem in caught.value.problems}
    assert '"5 mV/ms" is a voltage per time (mV/ms); expected a voltage, such as "5 mV"' in found["space.x"]
    assert "(m s); expected a time" in found["fixed.seconds"] and "(s**2); expected a time" in found["resources.time"]


def test_units_of_options_of_stages_and_methods(tmp_path: Path) -> None:
    stage = "[[stages]]\nuse = 'features.ephys'\nof = 'noise'\ncutoff = '3 rad/s'\nlowest_peak = '3 mV/ms'\n"
    found = refused(HEAD + stage, tmp_path)
    assert '"3 rad/s" is an angular frequency (rad/s); expected a frequency' in found["stages[0].cutoff"]
    assert "is a voltage per time (mV/ms); expected a voltage" in found["stages[0].lowest_peak"]


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("replicates = 0", "study.replicates", "found 0"),
        ("replicates = true", "study.replicates", "found true, expected a number"),
        ("replicates = 1_000_000_000_000_000_000_000", "design", "expected at most 2**62"),
        pytest.param(f"replicates = 0x{LONG}", "design", "int that is too long to show points", id="replicates of 5000 digits"),
        ("seed = 2.5", "study.seed", "found 2.5"),
        ("seed = 9223372036854775808", "study.seed", "found 9223372036854775808"),
        pytest.param(f"seed = {LONG[:4000]}", "study.seed", "(4000 characters)", id="seed of 4000 digits"),
    ],
)
def test_counts(tmp_path: Path, line: str, key: str, message: str) -> None:
    assert message in refused(HEAD + line + "\n[space]\nx = [1]\n", tmp_path)[key]


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".", "a\\n", "a\\u001b[31m", "\\u00e9", "e\\u0301", "", "a b", "-a", "a" * 101, "$(id)"]
)
def test_names_are_those_of_folders_everywhere(tmp_path: Path, name: str) -> None:
    found = refused(HEAD.replace('"s"', f'"{name}"'), tmp_path)
    assert "a name starts with a letter or digit and has letters, digits, dots, dashes and underscores" in found["study.name"]


@pytest.mark.parametrize("replicates", [10**15, 10**18])
def test_more_points_than_anyone_lists_are_checked_without_listing_them(tmp_path: Path, replicates: int) -> None:
    (tmp_path / "s.toml").write_text(HEAD + f"replicates = {replicates}\n[space]\nx = [1, 2]\n")
    assert len(hpcsim.Study.load(tmp_path / "s.toml").design) == 2 * replicates


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        pytest.param(" and ".join(["x < 1"] * 50_000), "is no condition: expected at most 4000", id="50 000 terms"),
        pytest.param("+".join(["x"] * 500) + " < 1", "is nested more than 100 levels deep", id="a sum of 500"),
        pytest.param("-" * 3000 + "x < 1", "is n", id="3000 signs"),
        pytest.param("(" * 900 + "x < 1" + ")" * 900, "is no condition: too many nested parentheses", id="900 parentheses"),
        pytest.param("x < 1" + "0" * 400, "is not allowed", id="400 digits"),
        ("x < 1\\u0000", "is no condition"),
        ("x.real < 1", '"x.real" is not allowed'),
    ],
)
def test_conditions_have_bounds(tmp_path: Path, constraint: str, message: str) -> None:
    assert message in refused(DRAWN + f'constraint = "{constraint}"\n', tmp_path)["design"]


def test_powers_of_powers_are_infinite_at_once(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(DRAWN + 'constraint = "x < 9**9**9**9**9"\n')
    assert len(hpcsim.Study.load(tmp_path / "s.toml").design.block(0, 4)) == 4


def test_of_many_mistakes_the_first_are_shown(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(HEAD + "[space]\n" + "".join(f"k{i} = 1\n" for i in range(3000)))
    with pytest.raises(StudyError, match="and 2900 more mistakes") as caught:
        hpcsim.Study.load(tmp_path / "s.toml")
    assert len(caught.value.problems) == 3000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,guilty\n1,2,3\n", "has 3 values in line 2, expected 2, as in its header"),
        ("x,guilty\n1,2\n3\n", "has 1 values in line 3, expected 2"),
        ("x,x\n1,2\n", 'has the column "x" more than once'),
        ("x\n", "has no rows"),
        ("", "has no rows"),
        ("x\n1\n".encode("utf-16"), "expected a CSV file in UTF-8"),
    ],
)
def test_tables_that_are_no_lists(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refused(HEAD + "[space]\nzip = { file = 't.csv' }\n", tmp_path)["space.zip.file"]


@pytest.mark.parametrize(
    ("content", "message"), [("x\n1_000\n", "is no unit"), ("x\nnan\n", "found nan"), ("x,guilty\n,2\n", 'found ""')]
)
def test_values_of_a_table_are_those_of_a_study(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert message in refused(HEAD + "[space]\nzip = { file = 't.csv' }\n", tmp_path)["space.zip.x"]


def test_a_table_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfx,guilty\n1,2\n\n3,4\n")
    (tmp_path / "s.toml").write_text(HEAD + "[space]\nzip = { file = 't.csv' }\n")
    assert hpcsim.Study.load(tmp_path / "s.toml").design.block(0, 2).columns["x"].tolist() == [1.0, 3.0]


@pytest.mark.parametrize("columns", ["3", "'x'", "[3, 'x']"])
def test_columns_are_a_list_of_names(tmp_path: Path, columns: str) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    found = refused(HEAD + f"[space]\nzip = {{ file = 't.csv', columns = {columns} }}\n", tmp_path)
    assert "expected a list of names" in found["space.zip.columns"]


def test_pipes_devices_and_folders_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("pipe", "a pipe"), ("/dev/zero", "a device"), (".", "a folder")):
        found = refused(HEAD + f"[space]\nzip = {{ file = '{name}' }}\n", tmp_path)["space.zip.file"]
        assert f'"{name}" cannot be read: it is {kind}, expected a file' in found
    for where in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(StudyError, match=r"cannot be read: it is a .*, expected a file"):
            hpcsim.Study.load(where)
    with pytest.raises(StudyError, match="cannot be read: File name too long"):
        hpcsim.Study.load(tmp_path / ("a" * 5000))


def test_a_study_file_has_a_bound(tmp_path: Path) -> None:
    with (tmp_path / "s.toml").open("wb") as file:
        file.truncate(2**40)  # a hole: it takes no room on the disk
    with pytest.raises(StudyError, match="it has 1099511627776 bytes, expected at most"):
        hpcsim.Study.load(tmp_path / "s.toml")
