"""A folder of NWB files becomes a table that inference reads; what cannot be used is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_glm_table import SHORT, write
from test_nwb import write as write_step

from hpcsim.errors import ResultsError
from hpcsim.inference.observations import read_observations
from hpcsim.recordings.glm_table import glm_table
from hpcsim.recordings.observe import observe, recordings
from hpcsim.recordings.sources import extractor

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cells").mkdir()
    write(tmp_path / "cells" / "b.nwb")
    write(tmp_path / "cells" / "a.nwb", tags=("Noise 1", "Ramp"))
    (tmp_path / "cells" / "c.nwb").write_bytes(b"no HDF5")
    return tmp_path / "cells"


def test_a_folder_becomes_a_table_that_inference_reads(folder, tmp_path):
    files = recordings([folder])
    assert [file.name for file in files] == ["a.nwb", "b.nwb", "c.nwb"]
    table, left_out = observe(files, lambda file: glm_table([file], options=SHORT), tmp_path / "out" / "cells.csv")
    assert table.index.tolist() == ["b"]
    assert left_out["a.nwb"].startswith('there is no sweep "Noise 2"') and "c.nwb" in left_out
    about = json.loads((tmp_path / "out" / "cells.json").read_text())
    assert about["left_out"] == left_out and about["extractor"] == {"features.glm": "1"}
    features = ["glm_coef.offset", "glm_coef.history_0"]
    observed = read_observations(tmp_path / "out" / "cells.csv", features)
    np.testing.assert_allclose(observed.to_numpy(), table[features].to_numpy())
    assert observed.attrs["extractor"] == {"features.glm": "1"}


def test_folders_without_anything_to_use(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="there is no NWB file"):
        recordings([tmp_path / "empty"])
    with pytest.raises(ResultsError, match="have one name"):
        recordings([folder, write(tmp_path / "b.nwb")])
    with pytest.raises(ResultsError, match=r"none of 1 files can be used; c\.nwb"):
        observe([folder / "c.nwb"], extractor("features.ephys", 300.0, 0.0, "default"), tmp_path / "x.csv")
    with pytest.raises(ResultsError, match=r'no observations of "features\.efel"'):
        extractor("features.efel", None, 0.0, "default")


def test_the_command(folder, command, tmp_path):
    """A file under a ramp has no sweep of noise; the other is cut by options that are the stage's own."""
    done = command("observe", folder, "--use", "features.glm", "--out", tmp_path / "cells.csv")
    assert done.returncode == 0, done.stderr
    assert "1 cells of 3 files" in done.stdout and "left out a.nwb: there is no sweep" in " ".join(done.stdout.split())
    assert (tmp_path / "cells.csv").exists()


def test_a_recording_with_little_before_its_step(command, tmp_path):
    """What the refusal advises is an option of the command; a warning of an offset is a line, without places in the code."""
    v = np.full(3000, -5.0)
    v[1000:2000] += np.where(np.arange(1000) % 200 < 5, 90.0, 10.0)
    write_step(tmp_path / "short.nwb", [(200, v)], margin=1000)
    refused = command("observe", tmp_path / "short.nwb", "--out", tmp_path / "no.csv")
    assert refused.returncode == 1 and "expected 100 ms: choose a smaller margin" in " ".join(refused.stderr.split())
    done = command("observe", tmp_path / "short.nwb", "--out", tmp_path / "cells.csv", "--margin", 30)
    assert done.returncode == 0 and (tmp_path / "cells.csv").exists(), done.stderr
    assert "warning: " in done.stderr and "rests at -5.0 mV" in done.stderr and ".py:" not in done.stderr
