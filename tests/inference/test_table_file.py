"""Tables of observations as spreadsheets write them, and as they should not be."""

from __future__ import annotations

import pytest

from hpcsim.errors import ResultsError
from hpcsim.inference.observations import read_observations
from hpcsim.inference.table_file import read_table

FEATURES = ("x.one", "x.two")
EXPECTED = {"x.one": {"A": 0.5, "B": 3.0}, "x.two": {"A": 2e3, "B": -4.25}}


@pytest.mark.parametrize(
    "text",
    [
        "cell,one,two\nA,0.5,2e3\nB,3,-4.25\n",
        "\ufeffcell,one,two\r\nA,0.5,2e3\r\nB,3,-4.25\r\n",
        "cell;one;two\nA;0.5;2e3\nB;3;-4.25\n",
        "cell;one;two\nA;0,5;2e3\nB;3;-4,25\n",
        "cell\tone\ttwo\nA\t0,5\t2e3\nB\t3\t-4,25\n",
        '"cell";"a, b";"one";"two"\n"A";"x, y";"0.5";"2e3"\n"B";"z";"3";"-4.25"\n',
        "cell,one,two,,\nA,0.5,2e3,,\nB,3,-4.25,,\n",
    ],
    ids=["plain", "byte order mark", "semicolons", "decimal comma", "tabs", "quotes", "empty columns"],
)
def test_however_a_spreadsheet_writes_it(tmp_path, text):
    (tmp_path / "o.csv").write_text(text, encoding="utf-8", newline="")
    assert read_observations(tmp_path / "o.csv", FEATURES).to_dict() == EXPECTED


def test_cells_are_known_by_the_text_that_names_them(tmp_path):
    (tmp_path / "o.csv").write_text("cell,one,two\n007,1,2\n7,3,4\nNA,5,6\n")
    assert read_observations(tmp_path / "o.csv", FEATURES).index.tolist() == ["007", "7", "NA"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell,one,two\nA,1,2\nB,1,2\nA,3,4\n", r"1 cell \(A\) there more than once: A in lines 2, 4"),
        ("cell,one,two\n", "there is no observation"),
        ("cell,one,two\nA,high,2\n", r'column "one": expected numbers, found .high. in row "A"'),
        ('cell,one,two\nA,"0,5",2\n', r"found .0,5. in row .A.; use a decimal point"),
        ("cell,one (uV),two\nA,high,2\n", r'column "one \(uV\)": expected numbers, found .high. in row "A"'),
        ("cell,one,one,two\nA,1,2,3\n", r'"x\.one" is in more than one column'),
        ("cell,one,two\nA,1,2,3\n", r"a row has more values than the header has names \(3\)"),
        ("cell,one,two\nA,1\n", r"A: x\.two is nan"),
        ("cell,one,two\nA,1e999,1\n", r"A: x\.one is inf"),
        ("cell,one,tow\nA,1,2\n", r"the features x\.two are missing"),
        ("", "no observations can be read"),
    ],
)
def test_what_makes_no_table_is_told_in_one_line(tmp_path, text, message):
    (tmp_path / "o.csv").write_text(text)
    with pytest.raises(ResultsError, match=message) as caught:
        read_observations(tmp_path / "o.csv", FEATURES, {"x": "mV"})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_huge_header_does_not_fill_the_screen(tmp_path):
    names = ",".join(f"quantity_{k}" for k in range(20_000))
    (tmp_path / "o.csv").write_text(f"cell,{names}\nA{',1' * 20_000}\n")
    with pytest.raises(ResultsError, match=r"x\.one, x\.two are missing") as caught:
        read_observations(tmp_path / "o.csv", FEATURES)
    assert len(str(caught.value)) < 5000


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "o.csv").write_bytes("cell,one (µV),two\nA,1,2\n".encode("latin-1"))
    with pytest.raises(ResultsError, match=r"no observations can be read here .*utf-8"):
        read_observations(tmp_path / "o.csv", FEATURES)


def test_rows_of_one_name_are_fine_where_a_condition_tells_them_apart(tmp_path):
    (tmp_path / "o.csv").write_text("cell,day,one,two\nA,1,1,2\nA,2,3,4\n")
    assert read_observations(tmp_path / "o.csv", FEATURES, where="day == 2").loc["A", "x.one"] == 3
    with pytest.raises(ResultsError, match="A in lines 2, 3"):
        read_observations(tmp_path / "o.csv", FEATURES)


def test_rows_of_one_name_are_observations_of_their_own_where_what_is_known_differs(tmp_path):
    file = tmp_path / "o.csv"
    file.write_text("cell,one,two\nA,1,0\nA,1,2.5\nB,1,0\n")
    found = read_observations(file, FEATURES, given=["x.two"])
    assert found.index.tolist() == ["A (x.two 0)", "A (x.two 2.5)", "B"]
    file.write_text("cell,one,two\nA,1,0\nA,3,0\n")
    with pytest.raises(ResultsError, match=r"A \(x\.two 0\) in lines 2, 3"):
        read_observations(file, FEATURES, given=["x.two"])


def test_a_table_of_cells_understands_the_same(tmp_path):
    (tmp_path / "t.csv").write_text("cell;Pvalb;Sst\na;1,5;2\n")
    assert read_table(tmp_path / "t.csv").loc["a"].tolist() == [1.5, 2]


def test_a_table_whose_first_line_is_empty(tmp_path):
    (tmp_path / "t.csv").write_text("\none,1\ntwo,2\n")
    with pytest.raises(ResultsError, match="its first line names no columns"):
        read_table(tmp_path / "t.csv")
