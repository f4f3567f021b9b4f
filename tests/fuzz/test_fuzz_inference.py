"""Folders of inference that somebody crafted: networks, regressions, reduced-rank fits. Reading one runs nothing."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from absent import needed
from fuzz_changes import changed_bytes, changed_tables
from fuzz_oracle import fuzzed, judged
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.errors import ResultsError
from hpcsim.inference.reduced_rank.sparse import SparseReducedRank
from hpcsim.space import Normal, Uniform

needed("sbi")
needed("skops")
pytestmark = pytest.mark.filterwarnings("ignore")
CELLS = pd.DataFrame(np.arange(12.0).reshape(4, 3) / 7, ["a", "b", "c", "d"], ["x.one", "x.two", "x.three"])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind."""
    import torch
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    from hpcsim.inference.npe.density import Architecture, build, classifier
    from hpcsim.inference.npe.posterior import Posterior, load_posterior
    from hpcsim.inference.prior import Prior
    from hpcsim.inference.regression.fitted import Regression

    # what has threads does not survive as a copy of a process
    torch.set_num_threads(1)
    folder, random = tmp_path_factory.mktemp("inference"), np.random.default_rng(0)
    prior, x = Prior({"a": Uniform(-2.0, 2.0), "b": Normal(0.0, 1.0)}), random.normal(size=(50, 3)).astype(np.float32)
    architecture = Architecture("maf", 4, 2)
    network = build(architecture, random.normal(size=(50, 2)).astype(np.float32), x)
    names = tuple(CELLS.columns)
    Posterior(network, prior, names, architecture, classifier(np.zeros(2), np.ones(2))).save(folder / "npe")
    load_posterior(folder / "npe").sample(CELLS, 3)
    pipeline = make_pipeline(Ridge()).fit(x, x[:, :2])
    Regression(pipeline, names, ("a", "b"), {"a": "mV"}).save(folder / "regression")
    _regression(folder / "regression")
    genes = pd.DataFrame(random.normal(size=(50, 3)), columns=[*"ghi"])
    SparseReducedRank(rank=1, n_genes=2).fit(genes, pd.DataFrame(genes.to_numpy()[:, :2] + 0.1, columns=[*"ab"])).save(
        folder / "rank"
    )
    _rank(folder / "rank")
    return folder


def _npe(folder: Path) -> None:
    from hpcsim.inference.npe.posterior import load_posterior

    found = load_posterior(folder)
    repr(found), found._repr_html_()
    found.sample(CELLS.reindex(columns=list(found.features), fill_value=0.5), 3, patience=3)


def _regression(folder: Path) -> None:
    from hpcsim.inference.regression.fitted import load_regression

    found = load_regression(folder)
    found.predict(CELLS.reindex(columns=list(found.features), fill_value=0.5))


def _rank(folder: Path) -> None:
    found = SparseReducedRank.load(folder)
    found.predict(pd.DataFrame(0.5, index=["a"], columns=list(found.genes_)))


KINDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "npe": (_npe, "posterior.json", "posterior.safetensors"),
    "regression": (_regression, "model.json", "model.skops"),
    "rank": (_rank, "fit.json", "fit.npz"),
}


def _resigned(folder: Path, description: str, blob: bytes) -> None:
    """What somebody does who has read how checksums are made."""
    about = json.loads((folder / description).read_text())
    if "sha256" in about:
        about["sha256"] = hashlib.sha256(blob).hexdigest()
        (folder / description).write_text(json.dumps(about))


@pytest.mark.parametrize("kind", sorted(KINDS))
@fuzzed(15)
@given(data=st.data())
def test_a_folder(tmp_path: Path, good: Path, kind: str, data: st.DataObject) -> None:
    read, description, arrays = KINDS[kind]
    place = tmp_path / kind
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(good / kind, place)
    if data.draw(st.booleans()):
        blob = data.draw(changed_bytes((place / arrays).read_bytes()))
        (place / arrays).write_bytes(blob)
        _resigned(place, description, blob)
    else:
        about = json.loads((place / description).read_text())
        text = json.dumps(data.draw(changed_tables(about)))
        (place / description).write_bytes(data.draw(st.just(text.encode()) | changed_bytes(text.encode())))
    judged(f"inference, {kind}", read, place, inside=tmp_path, apart=True)


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def _pickles(trap: _Trap) -> list[bytes]:
    """A pickle, bare, in the archive of numpy, and in that of torch."""
    import torch

    archive, tensors = io.BytesIO(), io.BytesIO()
    np.savez(archive, x_scale=np.array([trap], object), y_scale=np.zeros(2))
    torch.save({"network/a": trap}, tensors)
    with zipfile.ZipFile(bundle := io.BytesIO(), "w") as file:
        file.writestr("schema.json", json.dumps({"__class__": "Path", "__module__": "pathlib", "__loader__": "ObjectNode"}))
        file.writestr("data.pkl", pickle.dumps(trap))
    return [pickle.dumps(trap), archive.getvalue(), tensors.getvalue(), bundle.getvalue()]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_pickle_runs(tmp_path: Path, good: Path, kind: str) -> None:
    read, description, arrays = KINDS[kind]
    place, sprung = tmp_path / kind, tmp_path / "sprung"
    shutil.copytree(good / kind, place)
    for blob in _pickles(_Trap(sprung)):
        (place / arrays).write_bytes(blob)
        _resigned(place, description, blob)
        with pytest.raises(ResultsError):
            read(place)
        assert not sprung.exists()
    pickle.loads(_pickles(_Trap(sprung))[0])
    assert sprung.exists(), "the trap does not work"


def test_a_class_that_nobody_trusts_is_not_made(tmp_path: Path, good: Path) -> None:
    """A skops file that names a function of the system."""
    place, sprung = tmp_path / "regression", tmp_path / "sprung"
    shutil.copytree(good / "regression", place)
    node = {"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "content": f"touch {sprung}", "__id__": 1}
    with zipfile.ZipFile(bundle := io.BytesIO(), "w") as file:
        file.writestr("schema.json", json.dumps({**node, "protocol": 2, "_skops_version": "0.14"}))
    (place / "model.skops").write_bytes(bundle.getvalue())
    _resigned(place, "model.json", bundle.getvalue())
    with pytest.raises(ResultsError):
        KINDS["regression"][0](place)
    assert not sprung.exists()
