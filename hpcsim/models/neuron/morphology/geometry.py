"""Where the segments of a neuron lie, as outputs: what figures of the neuron need beside its potentials."""

from __future__ import annotations

import numpy as np

from hpcsim.models.neuron.morphology.segments import Segments
from hpcsim.outputs import Coordinate, Output


def outputs(suffix: str = "") -> list[Output]:
    """Positions and diameters along the dimension ``segment``; with a suffix, such as ``_E``, all names end with it."""
    segment = f"segment{suffix}"
    return [
        Output(f"segment_position{suffix}", (segment, "end", "axis"), "um", "float32", description="ends of segments"),
        Output(f"segment_diameter{suffix}", (segment,), "um", "float32", description="mean diameters of segments"),
    ]


def coordinates() -> dict[str, Coordinate]:
    """Both ends of a segment, and the three axes."""
    return {"end": Coordinate(np.array(["start", "end"])), "axis": Coordinate(np.array(["x", "y", "z"]))}


def values(segments: Segments, suffix: str = "") -> dict[str, np.ndarray]:
    """The outputs of `outputs`, for one neuron."""
    position = np.stack([segments.x, segments.y, segments.z], axis=-1)
    return {f"segment_position{suffix}": position, f"segment_diameter{suffix}": segments.diameter}
