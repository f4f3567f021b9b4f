"""The mechanism of gates that follow the potential to first order, written for any number of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hpcsim.models.neuron.nmodl.mechanisms import write_once


def source(n: int, cache: Path) -> Path:
    """The file of the mechanism of `n` gates.

    Parameters
    ----------
    n : int
    cache : Path
        A directory that is kept between runs.

    Returns
    -------
    Path
        Its stem is the name of the mechanism.
    """
    name, text = mechanism(n)
    return write_once(cache / "generated" / f"{name}.mod", text)


def mechanism(n: int) -> tuple[str, str]:
    """Write the mechanism of `n` gates that follow the potential to first order.

    Parameters
    ----------
    n : int

    Returns
    -------
    tuple of str
        Its name, which belongs to this text alone, and its NMODL text.
    """
    body = f"""TITLE {n} gate(s) to first order around a resting potential
NEURON {{
    THREADSAFE
    SUFFIX NAME
    NONSPECIFIC_CURRENT i
    RANGE i, vrest, {", ".join(f"slow{k}, tau{k}" for k in range(n))}
}}
UNITS {{
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}}
PARAMETER {{
    vrest = -65 (mV)
    {_each(n, "slow{k} = 0 (S/cm2)", "tau{k} = 1 (ms)")}
}}
ASSIGNED {{
    v (mV)
    i (mA/cm2)
}}
STATE {{
    {_each(n, "x{k} (mV)")}
}}
INITIAL {{
    {_each(n, "x{k} = 0")}
}}
BREAKPOINT {{
    SOLVE relax METHOD cnexp
    i = {" + ".join(f"slow{k} * x{k}" for k in range(n))}
}}
DERIVATIVE relax {{
    {_each(n, "x{k}' = (v - vrest - x{k}) / tau{k}")}
}}
"""
    name = f"quasi_active_{n}_{hashlib.sha256(body.encode()).hexdigest()[:8]}"
    return name, body.replace("NAME", name)


def _each(n: int, *lines: str) -> str:
    return "\n    ".join(line.format(k=k) for k in range(n) for line in lines)
