"""Ball-and-sticks neurons and their linear membranes, after Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import exp, isclose
from pathlib import Path
from typing import Any

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


def NaTa_t_open(v: float) -> float:
    """Open fraction of the transient sodium channel in the steady state.

    Parameters
    ----------
    v : float, mV

    Returns
    -------
    float
        ``m_inf**3 * h_inf``, from 0 to 1. Temperature scales both rates of a gate alike and drops out.

    Notes
    -----
    Kinetics of Colbert & Pan (2002) Nat Neurosci 5:533-538 as in Hay et al. (2011) PLOS Comput Biol 7: e1002107.
    """
    m = _gate(0.182 * _linoid(v + 38, 6), 0.124 * _linoid(-v - 38, 6))
    h = _gate(0.015 * _linoid(-v - 66, 6), 0.015 * _linoid(v + 66, 6))
    return m**3 * h


def SKv3_1_open(v: float) -> float:
    """Open fraction of the fast potassium channel in the steady state.

    Parameters
    ----------
    v : float, mV

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    Kinetics of Rettig et al. (1992) EMBO J 11:2473-2486 as in Hay et al. (2011) PLOS Comput Biol 7: e1002107.
    """
    return 1 / (1 + exp((v - 18.7) / -9.7))


def Ih_open(v: float) -> float:
    """Open fraction of the hyperpolarisation-activated channel in the steady state.

    Parameters
    ----------
    v : float, mV

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    Kinetics of Kole et al. (2006) J Neurosci 26:1677-1687 as in Hay et al. (2011) PLOS Comput Biol 7: e1002107.
    """
    return _gate(0.00643 * _linoid(-v - 154.9, 11.9), 0.193 * exp(v / 33.1))


def insert_membrane(cell: Any, soma: Channels, sticks: Channels, v_rest: float, E_h: float, membrane: str) -> None:
    """Give every section of a cell its membrane, linear around the resting potential.

    Hagen et al. (2022) call the two membranes "passive-frozen" and "linearised": in the first each channel is a
    leak that stays as open as it is at rest; in the second Ih follows the voltage to first order.

    Parameters
    ----------
    cell : LFPy.TemplateCell
    soma, sticks : Channels
        Of the soma, and of both sticks.
    v_rest, E_h : float, mV
        Resting potential; reversal potential of Ih.
    membrane : str
        ``frozen`` or ``linear_Ih``.
    """
    for section in cell.template.all:
        channels = soma if "soma" in section.name() else sticks
        g = channels.leak + channels.NaTa_t * NaTa_t_open(v_rest) + channels.SKv3_1 * SKv3_1_open(v_rest)
        section.insert("pas")
        section.e_pas = v_rest
        if membrane == "linear_Ih":
            section.g_pas = g
            section.insert("Ih_linearized")
            section.gbar_Ih_linearized = channels.Ih
            section.vrest_Ih_linearized = v_rest
            section.ehcn_Ih_linearized = E_h
        else:
            section.g_pas = g + channels.Ih * Ih_open(v_rest)


def _gate(opening: float, closing: float) -> float:
    """Steady state of a gate from its two rates, in the same unit."""
    return opening / (opening + closing)


def _linoid(x: float, scale: float) -> float:
    """``x / (1 - exp(-x / scale))``, whose value at 0 is the limit."""
    ratio = x / scale
    return scale * (1 + ratio / 2) if isclose(ratio, 0, abs_tol=1e-6) else x / (1 - exp(-ratio))
