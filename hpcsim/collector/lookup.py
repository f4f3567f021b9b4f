"""Points by the first digits of their ids, and which id was probably meant."""

from __future__ import annotations

import numpy as np

from hpcsim.collector.format.schema import ID_BYTES


def digits(ids: np.ndarray) -> np.ndarray:
    """The digits of ids, shape (n, 32).

    Parameters
    ----------
    ids : ndarray of S32
    """
    return np.ascontiguousarray(ids, f"S{ID_BYTES}").view("S1").reshape(len(ids), ID_BYTES)


def matching(ids: np.ndarray, prefix: str) -> np.ndarray:
    """Rows of the ids that begin with a text.

    Examples
    --------
    >>> matching(np.array(["8bd4" * 8, "8bff" * 8], "S32"), "8bd").tolist()
    [0]
    """
    return np.flatnonzero(_agreeing(ids, prefix) == len(prefix))


def closest(ids: np.ndarray, prefix: str) -> tuple[int, str]:
    """How many digits of a text the most similar id has at their places, and that id; an empty text where none has any.

    Examples
    --------
    >>> closest(np.array(["8bd4" * 8, "1c3f" * 8], "S32"), "8be4")
    (3, '8bd48bd48bd48bd48bd48bd48bd48bd4')
    """
    agreeing = _agreeing(ids, prefix)
    if not agreeing.any():
        return 0, ""
    row = int(agreeing.argmax())
    return int(agreeing[row]), ids[row].decode()


def not_one(prefix: str, found: list[str], nearest: str) -> str:
    """What is wrong with the beginning of an id that several points have, or none.

    Examples
    --------
    >>> not_one("8be", [], "8bd4" * 8)
    'no point has an id that begins with "8be"; the nearest is 8bd48bd48bd4'
    """
    if found:
        few = ", ".join(id[:12] for id in found[:5]) + (", ..." if len(found) > 5 else "")
        return f'{len(found):,} points have an id that begins with "{prefix}": {few}; give more of the id'
    hint = f"; the nearest is {nearest[:12]}" if nearest else ""
    return f'no point has an id that begins with "{prefix}"{hint}'


def _agreeing(ids: np.ndarray, prefix: str) -> np.ndarray:
    """How many characters of a text each id has at their places; more than 32 never all agree."""
    wanted = np.array([letter.encode() for letter in prefix.lower()], "S1") if prefix else np.empty(0, "S1")
    count: np.ndarray = (digits(ids)[:, : len(wanted)] == wanted[:ID_BYTES]).sum(axis=1)
    return count
