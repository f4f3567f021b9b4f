from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hpcsim.data import public as data
from hpcsim.data.public import DATASETS, Dataset, fetch
from hpcsim.errors import ResultsError, StorageError

CONTENT = b"cell,v_rest\na,-70\n"
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
#: The first digits of what ``git hash-object`` says of the content.
GIT_CHECKSUM = "git:f91d0f02"


@pytest.fixture
def server(tmp_path):
    """A web server with one file; counts requests."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "cells.csv").write_bytes(CONTENT)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(arguments)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/cells.csv", asked
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _places(tmp_path, monkeypatch):
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "_announced", set())
    monkeypatch.setattr(data, "_failed", {})


def know(monkeypatch, url="", checksum=CHECKSUM):
    monkeypatch.delenv("HPCSIM_DATA", raising=False)
    monkeypatch.setitem(DATASETS, "toy/cells.csv", Dataset("toy/cells.csv", "the source", "CC0", checksum, url))


def kept(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("checksum", [CHECKSUM, GIT_CHECKSUM])
def test_fetched_once_and_said_once(server, monkeypatch, capsys, tmp_path, checksum):
    url, asked = server
    know(monkeypatch, url, checksum)
    path = fetch("toy/cells.csv")
    assert path.read_bytes() == CONTENT and path.is_relative_to(tmp_path / "cache")
    said = capsys.readouterr().err
    assert "the source" in said and "CC0" in said and url in said
    assert fetch("toy/cells.csv") == path
    assert len(asked) == 1 and capsys.readouterr().err == ""
    assert kept(tmp_path) == [path]


@pytest.mark.parametrize("checksum", ["sha256:" + 64 * "0", "git:a2d2ce42"])
def test_another_file_at_the_address_is_refused(server, monkeypatch, tmp_path, checksum):
    know(monkeypatch, server[0], checksum)
    with pytest.raises(StorageError, match=rf"cannot be fetched.*another file is there, found .*, expected {checksum}"):
        fetch("toy/cells.csv")
    assert not kept(tmp_path)


@pytest.mark.parametrize("checksum", [CHECKSUM, GIT_CHECKSUM])
def test_a_damaged_file_of_the_cache_is_fetched_again(server, monkeypatch, tmp_path, checksum):
    url, asked = server
    know(monkeypatch, url, checksum)
    path = fetch("toy/cells.csv")
    path.write_bytes(CONTENT[:9])
    assert fetch("toy/cells.csv").read_bytes() == CONTENT and len(asked) == 2
    assert kept(tmp_path) == [path]


def test_a_file_that_is_not_at_the_address(server, monkeypatch, tmp_path):
    know(monkeypatch, server[0].replace("cells", "none/cells"))
    with pytest.raises(StorageError, match=r"cannot be fetched.*404"):
        fetch("toy/cells.csv")
    assert not kept(tmp_path)


def test_without_pooch_it_is_named(server, monkeypatch):
    know(monkeypatch, server[0])
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(StorageError, match="pip install pooch"):
        fetch("toy/cells.csv")


def test_no_network(monkeypatch, capsys):
    know(monkeypatch, "http://127.0.0.1:9/cells.csv")
    for _ in range(2):
        with pytest.raises(StorageError, match="set HPCSIM_DATA"):
            fetch("toy/cells.csv")
    assert capsys.readouterr().err.count("fetching toy/cells.csv") == 1


def test_the_users_folder_comes_first(server, monkeypatch, tmp_path):
    url, asked = server
    know(monkeypatch, url)
    own = tmp_path / "mine" / "toy" / "cells.csv"
    own.parent.mkdir(parents=True)
    own.write_bytes(CONTENT)
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path / "mine"))
    assert fetch("toy/cells.csv") == own and not asked
    own.write_bytes(CONTENT + b"b,-60\n")
    with pytest.raises(ResultsError, match="not the file that is known as toy/cells"):
        fetch("toy/cells.csv")


def test_a_conversion_says_what_to_do(monkeypatch, tmp_path):
    name = "bernaerts2025/m1_traces.npz"
    monkeypatch.delenv("HPCSIM_DATA", raising=False)
    with pytest.raises(ResultsError, match=r"HPCSIM_DATA is not set.*berenslab/hh_sbi: code/save_model_parameters \(GPL-3\.0\)"):
        fetch(name)
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    with pytest.raises(ResultsError, match=f"there is no {tmp_path}"):
        fetch(name)


@pytest.fixture
def modeldb(tmp_path, monkeypatch):
    """The known reconstruction, at an address where nobody answers; the user's folder of data."""
    known = DATASETS["hay2011/cell1.asc"]
    monkeypatch.setitem(DATASETS, known.name, replace(known, url="http://127.0.0.1:9/cell1.asc"))
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    return tmp_path


def test_a_file_without_a_licence_is_fetched_with_a_word_about_it(modeldb, capsys):
    """It is not shipped: where nobody answers it is not there."""
    with pytest.raises(StorageError, match=r"hay2011/cell1\.asc cannot be fetched"):
        fetch("hay2011/cell1.asc")
    said = capsys.readouterr().err
    assert "ModelDB accession 139653" in said and "no licence is stated: for your own use, not to be passed on" in said


def test_a_file_without_a_licence_comes_from_the_users_folder_first(modeldb):
    (modeldb / "hay2011").mkdir()
    (modeldb / "hay2011/cell1.asc").write_bytes(b"(another)")
    with pytest.raises(ResultsError, match=r"found git:[0-9a-f]{40}, expected git:a2d2ce42"):
        fetch("hay2011/cell1.asc")


def test_a_checksum_of_git_is_that_of_git(monkeypatch, tmp_path):
    """Its first digits are enough."""
    know(monkeypatch, checksum=GIT_CHECKSUM)
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/cells.csv").write_bytes(CONTENT)
    assert fetch("toy/cells.csv").read_bytes() == CONTENT


def test_an_address_ends_in_the_name_of_its_file():
    # OSF's addresses have no names in them
    addresses = {dataset.name: dataset.url for dataset in DATASETS.values() if dataset.url and "osf.io" not in dataset.url}
    assert "hay2011/cell1.asc" in addresses
    assert all(url.rsplit("/")[-1] == name.split("/")[-1] for name, url in addresses.items())


def test_unknown_name():
    with pytest.raises(ResultsError, match='did you mean "bernaerts2025/m1_map'):
        fetch("bernaerts2025/m1_maps.npz")


def test_every_file_is_checked(bernaerts_data):
    converted = [name for name, dataset in DATASETS.items() if name.startswith("bernaerts2025/") and not dataset.url]
    # made by hpcsim alone
    converted.remove("bernaerts2025/v1_observed_features.csv")
    assert len(converted) == 10 and all(DATASETS[name].checksum for name in converted)
    assert [fetch(name).name for name in converted] == [name.split("/")[1] for name in converted]
