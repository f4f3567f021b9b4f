from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hpcsim.data import DATASETS, Dataset, fetch
from hpcsim.errors import ResultsError, StorageError

CONTENT = b"cell,v_rest\na,-70\n"
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


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


def know(monkeypatch, url="", checksum=CHECKSUM):
    monkeypatch.delenv("HPCSIM_DATA", raising=False)
    monkeypatch.setitem(DATASETS, "toy/cells.csv", Dataset("toy/cells.csv", "the source", "CC0", checksum, url))


def test_fetched_once_and_said_once(server, monkeypatch, capsys, tmp_path):
    url, asked = server
    know(monkeypatch, url)
    path = fetch("toy/cells.csv")
    assert path.read_bytes() == CONTENT and path.is_relative_to(tmp_path / "cache")
    said = capsys.readouterr().err
    assert "the source" in said and "CC0" in said and url in said
    assert fetch("toy/cells.csv") == path
    assert len(asked) == 1 and capsys.readouterr().err == ""


def test_another_file_at_the_address_is_refused(server, monkeypatch, tmp_path):
    know(monkeypatch, server[0], "sha256:" + 64 * "0")
    with pytest.raises(StorageError, match="cannot be fetched"):
        fetch("toy/cells.csv")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_no_network(monkeypatch):
    know(monkeypatch, "http://127.0.0.1:9/cells.csv")
    with pytest.raises(StorageError, match="set HPCSIM_DATA"):
        fetch("toy/cells.csv")


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


def test_a_file_without_a_licence_is_never_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    with pytest.raises(ResultsError, match=r"there is no .*neither ships nor fetches it; download it yourself.*139653"):
        fetch("hay2011/cell1.asc")
    (tmp_path / "hay2011").mkdir()
    (tmp_path / "hay2011/cell1.asc").write_bytes(b"(another)")
    with pytest.raises(ResultsError, match=r"found git:[0-9a-f]{40}, expected git:a2d2ce42"):
        fetch("hay2011/cell1.asc")


def test_a_checksum_of_git_is_that_of_git(monkeypatch, tmp_path):
    """What ``git hash-object`` says of the content; its first digits are enough."""
    know(monkeypatch, checksum="git:f91d0f02")
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/cells.csv").write_bytes(CONTENT)
    assert fetch("toy/cells.csv").read_bytes() == CONTENT


def test_unknown_name():
    with pytest.raises(ResultsError, match='did you mean "bernaerts2025/m1_map'):
        fetch("bernaerts2025/m1_maps.npz")


def test_every_file_is_checked(bernaerts_data):
    converted = [name for name, dataset in DATASETS.items() if name.startswith("bernaerts2025/") and not dataset.url]
    assert len(converted) == 10 and all(DATASETS[name].checksum for name in converted)
    assert [fetch(name).name for name in converted] == [name.split("/")[1] for name in converted]
