"""Where neurons lie and who is connected to whom: drawn for each neuron alone, so that it does not matter who draws.

Every neuron has its own streams of random numbers, one for its position, one for its external drive and one for each
pathway onto it, counted by the seed, the pathway and the index of the neuron. A rank that owns some of the neurons draws
what belongs to them, and any number of ranks makes the same network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hagen.ball_and_sticks import MULTAPSES, PATHWAYS, POPULATIONS, scaled_weights
from hpcsim.models.neuron.morphology.segments import Segments

# what a stream is for; appending keeps the networks of all seeds
_STREAMS = (*PATHWAYS, *(f"{what} {population}" for what in ("position", "drive") for population in POPULATIONS))


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses of one pathway onto one neuron.

    Parameters
    ----------
    pre : ndarray of int
        Index of the presynaptic neuron in its population.
    segment : ndarray of int
        On which segment.
    weight : ndarray, uS
    delay : ndarray, ms
    """

    pre: np.ndarray
    segment: np.ndarray
    weight: np.ndarray
    delay: np.ndarray

    def __len__(self) -> int:
        return len(self.pre)


@dataclass(frozen=True, eq=False)
class Drive:
    """External synapses of one neuron, merged by segment.

    Parameters
    ----------
    synapses : ndarray of int
        Shape (n_segment,): how many lie on each segment.
    streams : ndarray of uint32
        Shape (n_segment, 3): names of the random streams of their events.
    """

    synapses: np.ndarray
    streams: np.ndarray


def size(values: Mapping[str, Any], population: str) -> int:
    """Number of neurons of a population in a network of this scale."""
    return max(1, int(np.rint(values[f"N_{population}"] * values["scale"])))


def too_many_ranks(values: Mapping[str, Any], ranks: int) -> str:
    """Why the network cannot be spread over so many MPI ranks, or nothing."""
    neurons = sum(size(values, population) for population in POPULATIONS)
    return f"there are {ranks} MPI ranks and {neurons} neurons; use at most one rank a neuron" if ranks > neurons else ""


def position(values: Mapping[str, Any], seed: int, population: str, index: int) -> np.ndarray:
    """Centre of a soma: uniform in a cylinder, normal along its axis.

    Returns
    -------
    ndarray, um
        x, y, z.
    """
    random = _stream(seed, f"position {population}", index)
    radius, angle = values["radius"] * np.sqrt(random.random()), 2 * np.pi * random.random()
    return np.array([radius * np.cos(angle), radius * np.sin(angle), values["depth_std"] * random.standard_normal()])


def synapses(values: Mapping[str, Any], seed: int, pathway: str, index: int, depth: float, segments: Segments) -> Synapses:
    """Draw the synapses of one pathway onto one neuron.

    Pairs are connected with probability ``C / scale``, not to themselves; a connection has one to ten synapses, each with
    its own weight, delay and place.

    Parameters
    ----------
    values : mapping
        Parameters of the network.
    seed : int
        64 bits.
    pathway : str
        Of `PATHWAYS`, post:pre.
    index : int
        Of the postsynaptic neuron in its population.
    depth : float, um
        z of its soma.
    segments : Segments
        Its segments.

    Returns
    -------
    Synapses
        Sorted by presynaptic neuron.

    Raises
    ------
    SimulationError
        If no segment of the neuron lies where synapses are allowed.
    """
    post, pre = pathway.split(":")
    suffix = post + pre
    random = _stream(seed, pathway, index)
    connected = random.random(size(values, pre)) < values[f"C_{suffix}"] / values["scale"]
    if pre == post:
        connected[index] = False
    sources = np.flatnonzero(connected)
    counts = np.arange(MULTAPSES[0], MULTAPSES[1] + 1)
    density = normal_density(counts, values[f"multapse_mean_{suffix}"], values[f"multapse_std_{suffix}"])
    multapses = counts[_choose(random, density, len(sources))]
    n = int(multapses.sum())
    weight = scaled_weights(values)[suffix]
    places = _places(values, suffix, depth, segments)
    if n and not places.any():
        raise SimulationError(
            f"no segment of neuron {index} of population {post} (soma at {depth:.0f} um) lies where synapses from {pre} are "
            f"allowed; widen position_std_{suffix} or move position_mean_{suffix}"
        )
    return Synapses(
        np.repeat(sources, multapses),
        _choose(random, places, n),
        _truncated(random, weight, values["weight_cv"] * weight, 0.0, n),
        _truncated(random, values[f"delay_mean_{suffix}"], values[f"delay_std_{suffix}"], values[f"delay_min_{suffix}"], n),
    )


def drive(values: Mapping[str, Any], seed: int, population: str, index: int, segments: Segments) -> Drive:
    """Spread the external synapses of one neuron over its membrane, evenly by area.

    Independent Poisson trains onto one segment add up to one Poisson train, so that one generator a segment is enough.
    """
    random = _stream(seed, f"drive {population}", index)
    number = random.multinomial(values[f"n_ext_{population}"], segments.area / segments.area.sum())
    return Drive(number, random.integers(0, 2**32, (len(segments), 3), np.uint32))


def normal_density(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Density of a normal law."""
    return np.asarray(np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi)))


def _stream(seed: int, purpose: str, index: int) -> np.random.Generator:
    """Random numbers that belong to one neuron and one purpose."""
    key = np.array([seed % 2**64, _STREAMS.index(purpose) << 48 | index], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _choose(random: np.random.Generator, density: np.ndarray, n: int) -> np.ndarray:
    """Draw `n` positions in an array with probabilities in proportion to its values."""
    cumulative = np.cumsum(density)
    return np.asarray(np.searchsorted(cumulative, random.random(n) * cumulative[-1], side="right"))


def _places(values: Mapping[str, Any], suffix: str, depth: float, segments: Segments) -> np.ndarray:
    """Density of synapses on segments: area times layers that are normal in depth; zero in other sections."""
    layers = (values[f"position_{what}_{suffix}"] for what in ("weight", "mean", "std"))
    density = sum(weight * normal_density(segments.middle + depth, mean, std) for weight, mean, std in zip(*layers, strict=True))
    return np.asarray(density * segments.area * np.isin(segments.section, values[f"sections_{suffix}"]))


def _truncated(random: np.random.Generator, mean: float, std: float, low: float, n: int) -> np.ndarray:
    """Draw from a normal law that is cut below `low`, one number for each."""
    from scipy.special import ndtr, ndtri

    if std == 0:
        return np.full(n, max(mean, low))
    # mirrored, so that a cut far below the mean loses no digits; 1 - random is never 0, of which ndtri is infinite
    return np.asarray(mean - std * ndtri((1 - random.random(n)) * ndtr((mean - low) / std)))
