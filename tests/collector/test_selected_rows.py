"""Some rows of results give what the whole results hold in these rows."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_toys import SPACE

import hpcsim
from hpcsim.collector import selection
from hpcsim.collector.results import Results
from hpcsim.collector.selection import Selection, sample


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """60 points, of which those with a above 3.5 fail."""
    study = hpcsim.Study("many", "drawn_toys:toy", space=SPACE, fixed={"edge": 3.5}, design={"method": "random", "n": 60})
    with study.run("inline", tmp_path_factory.mktemp("many")) as results:
        yield results


def test_chosen_rows_are_those_of_the_whole(whole: Results) -> None:
    rows = np.array([0, 3, 17, 18, 41, 59])
    ids = whole.parameters.index[rows]
    with Selection(whole, rows) as some:
        assert len(some) == 6 and some.parameters.equals(whole.parameters.loc[ids])
        assert some.records.equals(whole.records.loc[ids])
        good = [i for i in ids if whole.records["status"][i] == "ok"]
        assert some.features().equals(whole.features().loc[good]) and some.theta().equals(whole.theta().loc[good])
        assert some.counts["ok"] == len(good) and some.failures.equals(whole.failures.loc[[i for i in ids if i not in good]])
        for place, row in enumerate(rows):
            np.testing.assert_array_equal(some.ragged("spikes")[place], whole.ragged("spikes")[int(row)])
        assert len(list(some.ragged("spikes"))) == 6
        np.testing.assert_array_equal(some.table.array("v", slice(2, 4)), whole.table.array("v", slice(17, 19)))
        assert some.table.array("time").shape == (100,) and some.study == whole.study
        assert some.outputs["rate"].values.tolist() == pytest.approx(whole.outputs["rate"].values[rows], nan_ok=True)
        assert some.point(good[0]).equals(whole.point(good[0]))
    assert len(whole.parameters) == 60, "the whole is still open"


def test_a_sample_is_the_same_at_every_call_and_reads_few_chunks(whole: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample(whole, 60) is whole
    first, again = sample(whole, 20), sample(whole, 20)
    assert len(first) == 20 and first.parameters.equals(again.parameters)
    assert first.parameters.index.is_unique and set(first.parameters.index) < set(whole.parameters.index)
    # as of many more points: chunks of four rows
    monkeypatch.setattr(selection, "_WHOLE", 10)
    monkeypatch.setattr(selection, "_CHUNKS", 5)
    monkeypatch.setitem(whole.table.attrs, "block", 4)
    few = sample(whole, 10)
    chunks = {int(np.flatnonzero(whole.parameters.index == i)[0]) // 4 for i in few.parameters.index}
    assert len(few) == 10 and len(chunks) == 5
