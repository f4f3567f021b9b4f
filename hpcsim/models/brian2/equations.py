"""The equations of the cortical cell in Brian2, and the C++ program that Brian2 makes of them.

``python -m hpcsim.models.brian2.equations FOLDER FLAGS...`` writes and compiles the program. It is a process of
its own because Brian2's choice of device and of compiler flags holds for a whole process.

Notation: ``x_t`` are gates of the transient Na current (Hay et al. 2011); m, h and n those of the Na and Kd currents
(Pospischil et al. 2008); p of the M current, v31 of Kv3.1, q and r of the L-type Ca current. All constants: Bernaerts et
al. 2025, model of M1 and V1 cells.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

#: Cells of one run of the program. More would not stay in a core's second-level cache.
CELLS = 512
#: Steps after which voltages are handed over; even, as noise comes in pairs.
ROWS = 100

#: Rates are evaluated once a step from the old state, in a loop of their own that a compiler can vectorise; the
#: integrator's loop then sees linear equations. Exponentials that differ by a factor are taken once, and conductances
#: k are divided by the membrane's capacitance beforehand, so that fewer divisions are left.
EQUATIONS = """
dV/dt = k_sodium*(E_Na - V) + k_potassium*(E_K - V) + k_calcium*(E_Ca - V) + k_leak*(E_leak - V)
        + elastance*(I_injected + I_noise) : volt
k_sodium = k_Nat*m_t**3*h_t + k_Na*m**3*h : Hz (constant over dt)
k_potassium = k_Kd*n**4 + k_M*p + k_Kv31*v31 : Hz (constant over dt)
k_calcium = k_L*q**2*r : Hz (constant over dt)
I_injected = I*int(t_in_timesteps >= step_on)*int(t_in_timesteps < step_off) : amp (constant over dt)

u = V - V_T : volt
x_38 = (V + 38*mV)/(6*mV) : 1
x_66 = (V + 66*mV)/(6*mV) : 1
x_13 = (u - 13*mV)/(4*mV) : 1
x_15 = (u - 15*mV)/(5*mV) : 1
x_40 = (u - 40*mV)/(5*mV) : 1
x_27 = (V + 27*mV)/(3.8*mV) : 1
e_38 = exp(-x_38) : 1
e_15 = exp(-x_15) : 1
e_35 = exp(-(V + 35*mV)/(20*mV)) : 1
l_38 = linoid(x_38, e_38) : 1
l_66 = linoid(x_66, exp(-28/6.0)*e_38) : 1
l_40 = linoid(x_40, exp(5.0)*e_15) : 1

alpha_m_t = 0.182*6*l_38/ms : Hz
beta_m_t = 0.124*6*(l_38 - x_38)/ms : Hz
alpha_h_t = 0.015*6*(l_66 - x_66)/ms : Hz
beta_h_t = 0.015*6*l_66/ms : Hz
alpha_m = 0.32*4*linoid(x_13, exp(-x_13))/ms : Hz
beta_m = 0.28*5*(l_40 - x_40)/ms : Hz
alpha_h = 0.128*exp((17*mV - u)/(18*mV))/ms : Hz
beta_h = 4/(1 + exp(5.0)*e_15)/ms : Hz
alpha_n = 0.032*5*linoid(x_15, e_15)/ms : Hz
beta_n = 0.5*exp((10*mV - u)/(40*mV))/ms : Hz
alpha_q = 0.055*3.8*linoid(x_27, exp(-x_27))/ms : Hz
beta_q = 0.94*exp((-75*mV - V)/(17*mV))/ms : Hz
alpha_r = 0.000457*exp((-13*mV - V)/(50*mV))/ms : Hz
beta_r = 0.0065/(1 + exp((-15*mV - V)/(28*mV)))/ms : Hz

dp/dt = (p_inf - p)*rate_p : 1
p_inf = 1/(1 + e_35**2) : 1 (constant over dt)
rate_p = rate_M*(3.3/e_35 + e_35) : Hz (constant over dt)
dv31/dt = (v31_inf - v31)*rate_v31 : 1
v31_inf = 1/(1 + exp((18.7*mV - V)/(9.7*mV))) : 1 (constant over dt)
rate_v31 = q10_H*(1 + exp((-56.56*mV - V)/(44.14*mV)))/(4*ms) : Hz (constant over dt)

k_Nat : Hz (constant)
k_Na : Hz (constant)
k_Kd : Hz (constant)
k_M : Hz (constant)
k_Kv31 : Hz (constant)
k_L : Hz (constant)
k_leak : Hz (constant)
elastance : 1/farad (constant)
E_Na : volt (constant)
E_K : volt (constant)
E_Ca : volt (constant)
E_leak : volt (constant)
V_T : volt (constant)
rate_M : Hz (constant)
q10_H : 1 (constant)
q10_P : 1 (constant)
I : amp (constant)
step_on : 1 (constant)
step_off : 1 (constant)
I_noise = noise_at(t_in_timesteps)*amp : amp (constant over dt)
sd_noise : amp (constant)
seed_low : integer (constant)
seed_high : integer (constant)
injected : integer (shared, constant)
time_step : second (shared, constant)
steps : integer (shared, constant)
"""

#: Gates that follow ``dx/dt = factor*(alpha*(1 - x) - beta*x)``, with the factor.
GATES = {
    "m_t": "q10_H",
    "h_t": "q10_H",
    "m": "q10_P",
    "h": "q10_P",
    "n": "q10_P",
    "q": "1",
    "r": "1",
}
GATE = """
d{x}/dt = ({x}_inf - {x})*rate_{x} : 1
{x}_inf = alpha_{x}/(alpha_{x} + beta_{x}) : 1 (constant over dt)
rate_{x} = {factor}*(alpha_{x} + beta_{x}) : Hz (constant over dt)
"""

#: Steady state at the initial voltage.
INITIAL = {
    "V": "E_leak",
    **{x: f"alpha_{x}/(alpha_{x} + beta_{x})" for x in GATES},
    "p": "1/(1 + e_35**2)",
    "v31": "1/(1 + exp((18.7*mV - V)/(9.7*mV)))",
}

#: exp without a call, so that a loop keeps its registers: a power of two, which is added to the exponent, and the Taylor
#: series of the rest to r**11, abs(r) <= ln(2)/2, with a relative error below 1e-14. A minimax polynomial is shorter but errs
#: near 0, and slow gates add that up over thousands of steps. Arguments beyond the range of a double are cut.
EXPONENTIAL = """
static inline double inlined_exp(double x)
{
    x = x < -708.0 ? -708.0 : x > 709.0 ? 709.0 : x;
    const double y = x * 1.4426950408889634;
    const double k = rint(y);
    const double r = (y - k) * 0.6931471805599453;
    double sum = 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    int64_t bits;
    __builtin_memcpy(&bits, &sum, sizeof bits);
    bits += (int64_t)(int)k << 52;
    __builtin_memcpy(&sum, &bits, sizeof sum);
    return sum;
}
"""

#: ``x/(1 - exp(-x))`` with its limit at 0, where a voltage of exactly -38 mV would give 0/0.
LINOID = """
static inline double linoid(double x, double exp_minus_x)
{
    return fabs(x) < 1e-6 ? 1.0 + 0.5 * x : x / (1.0 - exp_minus_x);
}
"""

#: Philox2x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405): the lower half of a seed is the key, the upper half and
#: the number of a pair of steps are the counter. Box and Muller's transform makes two normal numbers of the two words, at
#: most 6.8 in size. The sine is a shifted cosine, as gcc makes one call of sin and cos that it cannot vectorise.
NOISE = """
#include <cmath>
#include <cstdint>
#include <cstdio>

inline double *noise_block()
{
    static double block[ROWS * CELLS];
    return block;
}

inline void generate_noise(int first, int rows, const int32_t *seed_low, const int32_t *seed_high, const double *sd)
{
    const uint64_t mask = 0xFFFFFFFFu;
    for (int row = 0; row < rows; row += 2)
    {
        double *even = noise_block() + row * CELLS, *odd = even + CELLS;
        const uint64_t pair = (first + row) / 2;
#pragma GCC ivdep
        for (int cell = 0; cell < CELLS; cell++)
        {
            uint64_t key = (uint32_t)seed_low[cell], left = pair, right = (uint32_t)seed_high[cell];
            for (int round = 0; round < 10; round++)
            {
                const uint64_t product = 0xD256D193u * left;
                left = (product >> 32) ^ key ^ right;
                right = product & mask;
                key = (key + 0x9E3779B9u) & mask;
            }
            const double uniform = ((int32_t)left + 2147483648.5) / 4294967296.0;
            const double angle = (int32_t)right * (6.283185307179586 / 4294967296.0);
            const double radius = sd[cell] * sqrt(-2.0 * log(uniform));
            even[cell] = radius * cos(angle);
            odd[cell] = radius * cos(angle - 1.5707963267948966);
        }
    }
}
"""

#: The present row of the block, as a function of the equations; Brian2 appends the number of the cell.
NOISE_AT = """
static inline double noise_at(int64_t step, int cell)
{
    return noise_block()[step % ROWS * CELLS + cell];
}
"""

#: The main loop: for so many steps the noise currents in A, drawn or read from the standard input step by step; then the
#: steps; then their voltages in mV, cell by cell, to the standard output. No file is written.
MAIN = """
{
    static double block[CELLS * ROWS];
    $dt[0] = $time_step[0];
    for (int first = 0; first < $steps[0]; first += ROWS)
    {
        const int rows = $steps[0] - first < ROWS ? $steps[0] - first : ROWS;
        const size_t size = rows * CELLS;
        if (!$injected[0])
            generate_noise(first, rows, $seed_low, $seed_high, $sd_noise);
        else if (fread(noise_block(), sizeof(double), size, stdin) != size)
            return 1;
        network.t = first * $dt[0];
        network.run(rows * $dt[0], NULL, 10.0);
        for (int row = 0; row < rows; row++)
            for (int cell = 0; cell < CELLS; cell++)
                block[cell * rows + row] = 1e3 * $voltages(row, cell);
        if (fwrite(block, sizeof(double), size, stdout) != size || fflush(stdout))
            return 1;
        $voltages.resize(0, CELLS);
        $times.clear();
    }
    return 0;
}
"""


def source() -> str:
    """All text that decides about the values, for a hash."""
    return "\n".join(str(part) for part in (EQUATIONS, GATE, GATES, INITIAL, EXPONENTIAL, LINOID, header(), NOISE_AT, MAIN))


def build(folder: Path, flags: Sequence[str]) -> None:
    """Write and compile the program; leaves ``main`` and ``static_arrays`` in the folder.

    Parameters
    ----------
    folder : Path
        Where the C++ project goes.
    flags : sequence of str
        Of the compiler.
    """
    gates = "".join(GATE.format(x=x, factor=factor) for x, factor in GATES.items())
    build_program(folder, flags, EQUATIONS + gates, INITIAL, "V")


def build_program(folder: Path, flags: Sequence[str], text: str, initial: Mapping[str, str], voltage: str) -> None:
    """Write and compile the program of any equations.

    Parameters
    ----------
    folder : Path
    flags : sequence of str
    text : str
        The equations; with ``time_step``, ``steps`` and what the noise needs.
    initial : mapping of str to str
        Expressions of the initial values.
    voltage : str
        Which variable is recorded.
    """
    import brian2 as b

    (folder / "noise.h").write_text(header())
    b.prefs.codegen.cpp.headers = ['"noise.h"']
    b.prefs.codegen.cpp.extra_compile_args_gcc = list(flags)
    b.set_device("cpp_standalone", build_on_run=False)
    cells = b.NeuronGroup(CELLS, text, method="exponential_euler", namespace=_functions(b), name="cells")
    # what is given on the command line must be known before the steady state is computed from it
    b.device.apply_run_args()
    for name, expression in initial.items():
        setattr(cells, name, expression)
    # recorded before the update: the first voltage is the initial one
    trace = b.StateMonitor(cells, voltage, record=True, when="start", name="trace")
    network = b.Network(cells, trace, name="network")
    # makes the network known to the program, whose main loop then runs it piece by piece
    network.run(0 * b.second)
    b.device.insert_code("main", _main(b, cells, trace, voltage))
    b.device.build(directory=str(folder), run=False, clean=False)


def header() -> str:
    """What all files of the program include."""
    return f"#pragma once\n#define CELLS {CELLS}\n#define ROWS {ROWS}\n{NOISE}"


def _functions(b: Any) -> dict[str, Any]:
    """What the equations call, in C++."""
    from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
    from brian2.core.functions import DEFAULT_FUNCTIONS

    def declare(code: str, types: Sequence[str], of_cell: bool = False) -> Any:
        function = b.Function(
            None, arg_units=[1] * len(types), return_unit=1, arg_types=types, return_type="float", auto_vectorise=of_cell
        )
        function.implementations.add_implementation(CPPCodeGenerator, code)
        return function

    DEFAULT_FUNCTIONS["exp"].implementations.add_implementation(CPPCodeGenerator, EXPONENTIAL, name="inlined_exp")
    return {"linoid": declare(LINOID, ["float"] * 2), "noise_at": declare(NOISE_AT, ["integer"], of_cell=True)}


def _main(b: Any, cells: Any, trace: Any, voltage: str) -> str:
    """The main loop with the names that Brian2 gave to its arrays."""
    names = ("time_step", "steps", "injected", "seed_low", "seed_high", "sd_noise")
    arrays = {name: b.device.get_array_name(cells.variables[name]) for name in names}
    arrays["dt"] = b.device.get_array_name(b.defaultclock.variables["dt"])
    for name, variable in (("voltages", voltage), ("times", "t")):
        arrays[name] = b.device.get_array_name(trace.variables[variable], access_data=False)
    return Template(MAIN).substitute(arrays)


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2:])
