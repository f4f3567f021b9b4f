"""Study files, site files and `[scales]`, changed by somebody who means harm or has a bad day."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from fuzz_changes import changed_bytes, changed_tables, changed_text
from fuzz_oracle import fuzzed, judged
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.paths import folder
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.site.files import load_site
from hpcsim.study.study import Study

#: Shipped studies whose check is cheap: grids, priors, stages, inference, searches.
SHIPPED = ("quickstart", "bernaerts_m1", "bernaerts_tsnpe", "hh_fit", "hagen_kernel", "hagen2022_ps0")
TEXTS = {name: (folder("params") / f"{name}.toml").read_text() for name in SHIPPED}
SITES = {path.stem: path.read_text() for path in sorted((folder("jobs") / "sites").glob("*.toml"))}


def _studied(path: Path) -> None:
    """What `hpcsim plan` does; a study that loads is the same when it is written and read again."""
    study = Study.load(path)
    total = len(study.design)
    for number in {0, total - 1} if total else ():
        study.design.point(number)
    where = study.directory(path.parent / "runs" / study.name)
    assert where.path.resolve().is_relative_to(path.parent.resolve())
    assert plan(study, where).total == total
    text = study.to_toml()
    again = Study.of_tables(tomllib.loads(text), "again", path.parent)
    assert again.design.digest == study.design.digest and again.name == study.name


@pytest.fixture(autouse=True, scope="module")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a first use imports and compiles is no doing of the input."""
    place = tmp_path_factory.mktemp("warm")
    for name, text in TEXTS.items():
        (place / f"{name}.toml").write_text(text)
        _studied(place / f"{name}.toml")


def _table(tables: Any) -> str:
    return tomli_w.dumps(tables if isinstance(tables, dict) else {"study": tables})


@fuzzed(60)
@given(data=st.data())
def test_tables_of_a_study(tmp_path: Path, data: st.DataObject) -> None:
    tables = data.draw(changed_tables(tomllib.loads(TEXTS[data.draw(st.sampled_from(SHIPPED))])))
    path = tmp_path / "study_of_somebody.toml"
    try:
        path.write_text(_table(tables))
    except (TypeError, UnicodeError, ValueError, RecursionError):
        return
    judged("tables of studies", _studied, path, inside=tmp_path)


@fuzzed(40)
@given(data=st.data())
def test_text_of_a_study(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "study_of_somebody.toml"
    path.write_bytes(data.draw(changed_text(TEXTS[data.draw(st.sampled_from(SHIPPED))])))
    judged("text of studies", _studied, path, inside=tmp_path)


@fuzzed(40)
@given(data=st.data())
def test_a_site_file(tmp_path: Path, data: st.DataObject) -> None:
    text, path = SITES[data.draw(st.sampled_from(sorted(SITES)))], tmp_path / "site.toml"
    try:
        changed = data.draw(changed_tables(tomllib.loads(text)))
        path.write_bytes(
            data.draw(st.sampled_from([_table(changed).encode()]) | changed_text(text) | changed_bytes(text.encode()))
        )
    except (TypeError, UnicodeError, ValueError, RecursionError):
        return
    judged("site files", load_site, path, inside=tmp_path)


@fuzzed(60)
@given(name=st.text(max_size=30) | st.sampled_from(["../../x", "/etc/passwd", "a\0b", "~root", "a" * 300, "..", ".", ""]))
def test_a_name_in_place_of_a_file(tmp_path: Path, name: str) -> None:
    judged("names", Study.load, name, inside=tmp_path)
    judged("names", load_site, name, inside=tmp_path)
