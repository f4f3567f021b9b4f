"""Looking up many ids among many, in flat memory."""

from __future__ import annotations

import numpy as np

from hpcsim.collector.format.schema import ID_BYTES

# odd, near 2^64 divided by the golden ratio: spreads consecutive words (Knuth, TAOCP 3, 6.4)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_SLOTS = 32  # places in the filter for each id: one lookup in 32 passes by chance
_LARGEST = 24  # log2 of the most places


class Ids:
    """A fixed set of ids that streams of other ids are compared with.

    Parameters
    ----------
    ids : ndarray of S32, shape (n,)
        May hold an id more than once.

    Attributes
    ----------
    first : ndarray of int, shape (n,)
        For each id, the number of the first one that is equal.
    """

    def __init__(self, ids: np.ndarray) -> None:
        ids = np.ascontiguousarray(ids, f"S{ID_BYTES}")
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]
        new = np.ones(len(ids), bool)
        new[1:] = self._sorted[1:] != self._sorted[:-1]
        self.first = np.empty(len(ids), np.intp)
        self.first[self._order] = self._order[new][np.cumsum(new) - 1] if len(ids) else 0
        bits = min(_LARGEST, max(8, (len(ids) * _SLOTS).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, bool)
        self._filter[self._slot(ids)] = True

    def __len__(self) -> int:
        return len(self._sorted)

    def _slot(self, ids: np.ndarray) -> np.ndarray:
        words = np.ascontiguousarray(ids).view("<u8").reshape(-1, ID_BYTES // 8)
        slots: np.ndarray = ((words[:, 0] ^ (words[:, 3] >> np.uint64(3))) * _SPREAD) >> self._shift
        return slots

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Where each id stands in the set (the first of equal ones), or -1.

        Parameters
        ----------
        ids : ndarray of S32, shape (m,)

        Returns
        -------
        ndarray of int, shape (m,)
        """
        found = np.full(len(ids), -1, np.intp)
        likely = np.flatnonzero(self._filter[self._slot(ids)])
        if len(likely) and len(self):
            place = np.searchsorted(self._sorted, ids[likely])
            place[place == len(self)] = 0
            equal = self._sorted[place] == ids[likely]
            found[likely[equal]] = self._order[place[equal]]
        return found
