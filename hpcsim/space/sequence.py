"""Sequences of numbers between 0 and 1, any part of which is computed alone: random, Sobol, Halton, Latin hypercube.

Each function gives the rows `start` to `stop` of an endless table with `dims` columns that depends on the seed alone;
a row does not depend on which others are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

#: Digits of scipy's Sobol engine; it has 2**32 different points.
SOBOL_BITS = 32
#: No number is below or above these.
LOWEST, HIGHEST = 2.0**-54, 1.0 - 2.0**-53
_ROUNDS = 8


def random(seed: int, dims: int, start: int, stop: int) -> np.ndarray:
    """Independent numbers: row i has its own counters of a Philox generator (Salmon et al. 2011, SC'11).

    Parameters
    ----------
    seed : int
    dims : int
    start, stop : int

    Returns
    -------
    ndarray of float64, shape (stop - start, dims)
        Between 0 and 1, both excluded.
    """
    return _philox(_key("random", seed), dims, start, stop)


def redraw(seed: int, dims: int, row: int, start: int, stop: int) -> np.ndarray:
    """Further draws for one row: attempts `start` to `stop`, independent of every other row and attempt.

    Parameters
    ----------
    seed, dims : int
    row : int
    start, stop : int

    Returns
    -------
    ndarray of float64, shape (stop - start, dims)
    """
    return _philox((_key("redraw", seed) >> 64 << 64) | row, dims, start, stop)


def sobol(seed: int, dims: int, start: int, stop: int) -> np.ndarray:
    """Scrambled Sobol points (scipy.stats.qmc.Sobol); as :func:`random`, up to row 2**32."""
    from scipy.stats.qmc import Sobol

    engine = Sobol(dims, scramble=True, bits=SOBOL_BITS, rng=_generator("sobol", seed))
    if start:
        engine.fast_forward(start)
        table = engine.random(stop - start)
    else:
        # scipy warns where the first draw is no power of 2; one row is
        table = np.concatenate([engine.random(1), engine.random(stop - 1)]) if stop > 1 else engine.random(stop)
    # the middle of each cell, so that no number is 0
    return np.asarray(table + 0.5 * 2.0**-SOBOL_BITS)


def halton(seed: int, dims: int, start: int, stop: int) -> np.ndarray:
    """Scrambled Halton points (scipy.stats.qmc.Halton); as :func:`random`."""
    from scipy.stats.qmc import Halton

    engine = Halton(dims, scramble=True, rng=_generator("halton", seed))
    # scipy's fast_forward computes all points before the first; the count of points is all the state that there is
    engine.num_generated = start
    return np.asarray(np.clip(engine.random(stop - start), LOWEST, HIGHEST))


def lhs(seed: int, dims: int, start: int, stop: int, length: int) -> np.ndarray:
    """Latin hypercubes of `length` points, one after the other; as :func:`random`.

    In each hypercube and column, every one of the `length` equal strata holds exactly one point. Which one is a
    keyed permutation (a Feistel network), so that no list of strata is kept.

    Parameters
    ----------
    seed, dims, start, stop : int
    length : int
        Points in one hypercube.

    Returns
    -------
    ndarray of float64, shape (stop - start, dims)
    """
    cube, place = np.divmod(np.arange(start, stop, dtype=np.uint64), np.uint64(length))
    columns = np.array([_key(f"lhs {column}", seed) >> 64 for column in range(dims)], np.uint64)
    keys = _mixed(columns[None, :] ^ _mixed(cube)[:, None])
    strata = _permuted(np.repeat(place[:, None], dims, axis=1), keys, length)
    jitter = _philox(_key("jitter", seed), dims, start, stop)
    return np.asarray(np.clip((strata + jitter) / length, LOWEST, HIGHEST))


def _philox(key: int, dims: int, start: int, stop: int) -> np.ndarray:
    steps = -(-dims // 4)  # one count of Philox gives four numbers
    raw = np.random.Philox(key=key, counter=start * steps).random_raw((stop - start) * steps * 4)
    table = raw.reshape(stop - start, steps * 4)[:, :dims]
    return np.asarray(((table >> np.uint64(11)) + 0.5) * 2.0**-53)


def _permuted(place: np.ndarray, keys: np.ndarray, length: int) -> np.ndarray:
    """Where a keyed permutation of `length` strata puts each place; shapes as of `place`."""
    bits = (length - 1).bit_length()
    moved = _feistel(place, keys, bits)
    outside = moved >= length
    while outside.any():
        # cycle walking: go on from where it landed until it is inside
        moved[outside] = _feistel(moved[outside], keys[outside], bits)
        outside = moved >= length
    return moved


def _feistel(number: np.ndarray, keys: np.ndarray, bits: int) -> np.ndarray:
    """A keyed permutation of the numbers of `bits` bits."""
    low_bits = np.uint64(bits - bits // 2)
    low_mask, high_mask = (np.uint64((1 << width) - 1) for width in (bits - bits // 2, bits // 2))
    low, high = number & low_mask, number >> low_bits
    # keys far apart: with neighbouring ones, the rounds of a small hypercube would share their bits
    rounds = [keys + np.uint64(turn * 0xD1B54A32D192ED03 % 2**64) for turn in range(_ROUNDS)]
    for first, second in zip(rounds[::2], rounds[1::2], strict=True):
        high = high ^ (_mixed(low ^ first) & high_mask)
        low = low ^ (_mixed(high ^ second) & low_mask)
    return np.asarray((high << low_bits) | low)


def _mixed(number: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA): every bit depends on every other."""
    mixed = number + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _key(use: str, seed: int) -> int:
    """128 bits; different uses of one seed share nothing."""
    return int.from_bytes(blake2b(f"hpcsim {use} {seed}".encode(), digest_size=16).digest(), "big")


def _generator(use: str, seed: int) -> Any:
    return np.random.default_rng(_key(use, seed))


#: Sequences that need nothing but a seed.
ENDLESS: Mapping[str, Callable[[int, int, int, int], np.ndarray]] = {"random": random, "sobol": sobol, "halton": halton}
