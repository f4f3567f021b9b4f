"""Looking up ids, against plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.collector.format.ids import Ids

# few words, so that ids agree in some of their parts and often as a whole
words = st.sampled_from(["00000000", "0000000f", "deadbeef", "ffffffff"])
lists = st.lists(st.tuples(words, words, words, words).map("".join), max_size=40)


@given(lists, lists)
def test_find_agrees_with_a_list(known: list[str], asked: list[str]) -> None:
    ids = Ids(np.array(known, "S32"))
    expected = [known.index(id) if id in known else -1 for id in asked]
    assert ids.find(np.array(asked, "S32")).tolist() == expected
    ids._filter[:] = True  # it may say yes too often
    assert ids.find(np.array(asked, "S32")).tolist() == expected
    assert ids.first.tolist() == [known.index(id) for id in known]
