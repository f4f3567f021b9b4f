"""Ball-and-sticks neurons after Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353: shape and channels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hpcsim.models.neuron.mechanisms import write_once


@dataclass(frozen=True)
class BallAndSticks:
    """A soma with one stick above (``apic``) and one below (``dend``), straight along z, soma centred at 0.

    Parameters
    ----------
    soma_length, soma_diameter, dend_length, dend_diameter, apic_length, apic_diameter : float, um
    Ra : float, ohm cm
        Axial resistivity.
    cm : float, uF/cm2
        Specific membrane capacitance.
    """

    soma_length: float
    soma_diameter: float
    dend_length: float
    dend_diameter: float
    apic_length: float
    apic_diameter: float
    Ra: float = 100.0
    cm: float = 1.0

    @property
    def name(self) -> str:
        """A name for NEURON that belongs to this shape alone: a template cannot be defined twice."""
        return "BallAndSticks_" + hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def hoc(self) -> str:
        """The neuron as a NEURON template, in the form that ``LFPy.TemplateCell`` reads."""
        half = self.soma_length / 2
        sticks = [
            ("soma", -half, half, self.soma_diameter),
            ("dend", -half, -half - self.dend_length, self.dend_diameter),
            ("apic", half, half + self.apic_length, self.apic_diameter),
        ]
        points = [
            f"  {name}[0] {{ pt3dadd(0, 0, {start!r}, {width!r}) pt3dadd(0, 0, {stop!r}, {width!r}) }}"
            for name, start, stop, width in sticks
        ]
        lines = [
            f"begintemplate {self.name}",
            "public all, soma, dend, apic",
            "objref all",
            "create soma[1], dend[1], apic[1]",
            "proc init() {",
            "  all = new SectionList()",
            *points,
            "  connect dend[0](0), soma[0](0)",
            "  connect apic[0](0), soma[0](1)",
            f"  forall {{ Ra = {self.Ra!r} cm = {self.cm!r} all.append() }}",
            "}",
            f"endtemplate {self.name}",
        ]
        return "\n".join(lines) + "\n"

    def write(self, cache: Path) -> Path:
        """Put the template where NEURON can read it, in one step.

        Parameters
        ----------
        cache : Path
            A directory that is kept between runs.

        Returns
        -------
        Path
        """
        return write_once(cache / "cells" / f"{self.name}.hoc", self.hoc())


@dataclass(frozen=True)
class Channels:
    """Peak conductances of a membrane.

    Parameters
    ----------
    leak, NaTa_t, SKv3_1, Ih : float, S/cm2
        Passive leak, transient sodium, fast potassium, and hyperpolarisation-activated cation channels.
    """

    leak: float
    NaTa_t: float
    SKv3_1: float
    Ih: float
