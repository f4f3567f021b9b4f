"""Public tables that are made of what their authors have published: fetched over HTTP, checked, converted once."""

from __future__ import annotations

import hashlib
import pickle
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hpcsim.data import download
from hpcsim.data import public as data
from hpcsim.data.conversions import CONVERSIONS
from hpcsim.data.public import DATASETS, fetch
from hpcsim.errors import StorageError
from hpcsim.inference.reduced_rank.genes import read_counts
from hpcsim.recordings.observations import load_observations
from hpcsim.stages.features.ephys import STATISTICS

M1, V1 = "bernaerts2025/m1_observed_features.csv", "bernaerts2025/v1_observed_features.csv"
COUNTS, GENES = "bernaerts2025/m1_gene_counts.npz", "bernaerts2025/ion_channel_genes_go.csv"
CELLS = ["20180101_sample_1", "20180101_sample_2", "20180102_sample_7"]
PUBLISHED = [name.replace("Vm", "$V_{m}$") for name in STATISTICS.values()]
#: No name of the network leads anywhere.
NO_NETWORK = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def strings_of_python():
    """Where pyarrow is installed pandas keeps words in its arrays, which no published table has."""
    with pd.option_context("mode.string_storage", "python"):
        yield


def features(*more: str) -> pd.DataFrame:
    """Statistics in another order than ours, whose values tell where they come from."""
    columns = [*more, *reversed(PUBLISHED)]
    values = np.array([[10 * columns.index(name) + row + 0.125 for name in columns] for row in range(3)])
    return pd.DataFrame(values, index=pd.Index(CELLS, name="cell id"), columns=columns)


def originals(folder: Path) -> None:
    """Small files of the form of the published ones."""
    m1 = features("Vi", "1-comp area", "R_input", "tau")
    (folder / "M1_features.pickle").write_bytes(pickle.dumps({"exclude": np.array(["a"]), "X_o": m1}, protocol=4))
    (folder / "V1_features.pickle").write_bytes(pickle.dumps({"V1_names": [], "X_o": features("Current")}, protocol=2))
    rows = [
        "Cell\tRNA family\tRNA type\tCre\tTargeted layer\tMouse\tMouse age\tSoma depth (µm)",
        f"{CELLS[2]}\tPvalb\tPvalb Reln\tPV+\t5\tm\t60\t800.5",
        "20180109_sample_1\tIT\tL5 IT\tPV-\t5\tm\t60\t800",
        f"{CELLS[1]}\t\t\tPV+\t5\tm\t61\t",
        f"{CELLS[0]}\tVip\tVip Chat\tVIP+\t2/3\tn\t62\t120",
    ]
    (folder / "m1_patchseq_meta_data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    np.savez(folder / "npep_entropy.npz", entropy=[31.5, 32.5])
    np.savez(folder / "tsne.npz", coord=[[1.0, 2.0], [3.0, 4.0]])
    terms = ["ID\tSymbol\tName", "MGI:1\tKcna1\tchannel\t", "MGI:2\tCacna1a\tchannel\t", "MGI:1\tKcna1\tagain\t"]
    (folder / "GO_term_summary_20211104_075621.txt").write_text("\n".join(terms) + "\n")
    counts = ["gene,20180102sample7,20180101sample2,20180109sample1", "Kcna1,7,8,9", "Pvalb,1,2,3", "Actb,0,5,6"]
    (folder / "gene_counts.csv").write_text("\n".join(counts) + "\n")


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The originals in a folder that a web server shows, known by their checksums; counts requests."""
    folder = tmp_path / "web"
    folder.mkdir()
    originals(folder)
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HPCSIM_DATA", raising=False)
    monkeypatch.setattr(data, "_announced", set())
    monkeypatch.setattr(data, "_failed", {})
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(arguments)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name, dataset in list(DATASETS.items()):
            if dataset.originals:
                # what is made of other originals is another file
                monkeypatch.setitem(DATASETS, name, replace(dataset, checksum=""))
            elif "/original/" in name:
                path = folder / Path(name).name
                checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
                url = f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
                monkeypatch.setitem(DATASETS, name, replace(dataset, checksum=checksum, url=url))
        yield folder, asked
        server.shutdown()
        thread.join()


def test_the_observed_statistics_of_motor_cortex(published):
    table = pd.read_csv(fetch(M1), index_col=0)
    assert list(table.index) == CELLS and list(table["in_955"]) == [1, 0, 1]
    original = features("Vi", "1-comp area", "R_input", "tau")
    pd.testing.assert_series_equal(table["vm_var_mV2"], original["$V_{m}$ std"], check_names=False)
    pd.testing.assert_series_equal(table["R_input_MOhm"], original["R_input"], check_names=False)
    assert table["rna_family"].fillna("none").tolist() == ["Vip", "none", "Pvalb"]
    assert table["soma_depth_um"].tolist()[::2] == [120, 800.5] and table["layer"].tolist() == ["2/3", "5", "5"]
    np.testing.assert_array_equal(table["npen_entropy_nats"], [31.5, np.nan, 32.5])
    np.testing.assert_array_equal(table["tsne_2"], [2, np.nan, 4])
    read = load_observations(M1)
    pd.testing.assert_frame_equal(read, original[PUBLISHED].set_axis(list(STATISTICS), axis=1), check_names=False)


def test_the_observed_statistics_of_visual_cortex(published):
    read = load_observations(V1, keep=["I"])
    original = features("Current")
    assert read.attrs["junction_potential"] == 14.0 and read.attrs["definition"] == "bernaerts2025"
    np.testing.assert_array_equal(read[list(STATISTICS)], original[PUBLISHED])
    np.testing.assert_array_equal(read["I"], original["Current"])


def test_counts_and_genes(published):
    counts = read_counts(fetch(COUNTS))
    # cells with an RNA type that have counts, in the order of the statistics
    assert counts.index.tolist() == [CELLS[2]] and counts.columns.tolist() == ["Kcna1", "Pvalb", "Actb"]
    assert counts.to_numpy().tolist() == [[7, 1, 0]]
    with np.load(fetch(COUNTS), allow_pickle=False) as arrays:
        assert arrays["is_ion_channel_go"].tolist() == [True, False, False]
        assert arrays["is_marker"].tolist() == [False, True, False]
    assert pd.read_csv(fetch(GENES))["gene"].tolist() == ["Cacna1a", "Kcna1"]


def test_each_original_is_fetched_once_and_terms_are_said_once(published, capsys):
    _, asked = published
    first = fetch(M1)
    assert len(asked) == 4
    said = capsys.readouterr().err
    assert said.count("licence: GPL-3.0") == 1 and said.count("please cite: Bernaerts et al. (2025)") == 1
    assert said.count("fetching bernaerts2025/original/") == 4
    assert fetch(M1) == first and len(asked) == 4 and capsys.readouterr().err == ""
    # the table is made again where it is damaged, from what was fetched
    content = first.read_bytes()
    first.unlink()
    assert fetch(M1).read_bytes() == content and len(asked) == 4


def test_another_pickle_at_the_address_is_not_opened(published, tmp_path):
    folder, _ = published
    (folder / "M1_features.pickle").write_bytes(b"cos\nsystem\n(S'touch called'\ntR.")
    with pytest.raises(StorageError, match=r"M1_features\.pickle cannot be fetched.*another file is there, found sha256:"):
        fetch(M1)
    assert not (tmp_path / "called").exists()


def test_a_table_that_comes_out_otherwise_is_not_used(published, monkeypatch, tmp_path):
    monkeypatch.setitem(DATASETS, V1, replace(DATASETS[V1], checksum="sha256:" + 64 * "0"))
    with pytest.raises(StorageError, match=r"v1_observed_features\.csv cannot be made of .*V1_features\.pickle: found sha256:"):
        fetch(V1)
    assert not list((tmp_path / "cache").rglob("v1_*"))


def test_a_download_has_a_bound(published, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "LARGEST", 2000)
    with pytest.raises(StorageError, match=r"V1_features\.pickle cannot be fetched.*another file is there, found more than"):
        fetch(V1)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("arguments", [["run"], ["run", "--scale", "trial"], ["plan"]])
def test_without_a_network_a_line_says_what_is_missing_before_anything_runs(tmp_path, monkeypatch, command, arguments):
    monkeypatch.delenv("HPCSIM_DATA", raising=False)
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "cache"))
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    done = command(arguments[0], "bernaerts_m1", *arguments[1:])
    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if "m1_observed_features.csv is not there" in line]
    assert "M1_features.pickle cannot be fetched from https://raw.githubusercontent.com/berenslab/hh_sbi/c720cff" in line
    assert "no connection" in line and "set HPCSIM_DATA" in line and "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_every_table_that_can_be_made_is_known_and_its_originals_are_pinned():
    made = {name: dataset for name, dataset in DATASETS.items() if dataset.originals}
    assert set(made) == set(CONVERSIONS)
    for dataset in made.values():
        assert dataset.checksum
        for name in dataset.originals:
            assert DATASETS[name].checksum.startswith("sha256:")
            assert DATASETS[name].originals or len(DATASETS[name].url.split("/")[5]) == 40
