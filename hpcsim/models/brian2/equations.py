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

#: Cells that the program works on at a time. More would not stay in a core's first-level cache.
CELLS = 64
#: Steps after which voltages are handed over; even, as noise comes in pairs.
ROWS = 100

#: Rates are evaluated once a step from the old state, in a loop of their own that a compiler can vectorise; the
#: integrator's loop then sees linear equations. Conductances k are divided by the membrane's capacitance beforehand.
#: Exponentials and divisions are most of the cost. Most exponentials are powers of few: v_k = exp(-V/(k mV)) and
#: u_k = exp(-u/(k mV)), as 1/18 = 1/20 + 1/180. Steady state and rate of a gate, alpha/(alpha + beta) and alpha + beta,
#: are fractions; denominators are multiplied, for one division w in the place of up to six.
EQUATIONS = """
dV/dt = k_sodium*(E_Na - V) + k_potassium*(E_K - V) + k_calcium*(E_Ca - V) + k_leak*(E_leak - V)
        + elastance*(I_injected + I_noise) : volt
k_sodium = k_Nat*m_t**3*h_t + k_Na*m**3*h : Hz (constant over dt)
k_potassium = k_Kd*n**4 + k_M*p + k_Kv31*v31 : Hz (constant over dt)
k_calcium = k_L*q**2*r : Hz (constant over dt)
I_injected = I*within(t_in_timesteps, step_on, step_off) : amp (constant over dt)

u = V - V_T : volt
u_360 = exp(-u/(360*mV)) : 1
u_180 = u_360**2 : 1
u_90 = u_180**2 : 1
u_45 = u_90**2 : 1
u_40 = u_45*u_360 : 1
u_20 = u_40**2 : 1
u_18 = u_20*u_180 : 1
u_10 = u_20**2 : 1
u_5 = u_10**2 : 1
u_4 = u_5*u_20 : 1

v_2100 = exp(-V/(2100*mV)) : 1
v_1050 = v_2100**2 : 1
v_525 = v_1050**2 : 1
v_420 = v_525*v_2100 : 1
v_300 = v_420*v_1050 : 1
v_150 = v_300**2 : 1
v_75 = v_150**2 : 1
v_60 = v_75*v_300 : 1
v_50 = v_60*v_300 : 1
v_30 = v_60**2 : 1
v_28 = v_30*v_420 : 1
v_20 = v_30*v_60 : 1
v_12 = v_20*v_30 : 1
v_6 = v_12**2 : 1

v_323 = exp(-V/(323*mV)) : 1
v_19 = v_323**17 : 1
v_17 = v_19*v_323**2 : 1
v_3_8 = v_19**5 : 1

x_38 = (V + 38*mV)/(6*mV) : 1
x_66 = (V + 66*mV)/(6*mV) : 1
x_27 = (V + 27*mV)/(3.8*mV) : 1
x_13 = (u - 13*mV)/(4*mV) : 1
x_15 = (u - 15*mV)/(5*mV) : 1
x_40 = (u - 40*mV)/(5*mV) : 1
e_38 = exp(-38/6.0)*v_6 : 1
e_66 = exp(-66/6.0)*v_6 : 1
e_27 = exp(-27/3.8)*v_3_8 : 1
e_13 = exp(13/4.0)*u_4 : 1
e_15 = exp(15/5.0)*u_5 : 1
e_40 = exp(40/5.0)*u_5 : 1
a_38 = size(x_38) : 1
a_66 = size(x_66) : 1
a_27 = size(x_27) : 1
a_13 = size(x_13) : 1
a_15 = size(x_15) : 1
a_40 = size(x_40) : 1
b_38 = size(1 - e_38) : 1
b_66 = size(1 - e_66) : 1
b_27 = size(1 - e_27) : 1
b_13 = size(1 - e_13) : 1
b_15 = size(1 - e_15) : 1
b_40 = size(1 - e_40) : 1

c_m_t = 0.182*6 + 0.124*6*e_38 : 1
c_h_t = 1 + e_66 : 1
w_Nat = 1/(c_m_t*b_38*c_h_t*b_66) : 1
w_m_t = w_Nat*c_h_t*b_66 : 1
w_h_t = w_Nat*c_m_t*b_38 : 1
d_m = 0.32*4*a_13*b_40 : 1
c_m = d_m + 0.28*5*a_40*e_40*b_13 : 1
w_m = 1/(c_m*b_13*b_40) : 1
f_h = 1 + e_40 : 1
d_h = 0.128*exp(17/18.0)*u_18*f_h : 1
c_h = d_h + 4 : 1
d_n = 0.032*5*a_15 : 1
c_n = d_n + 0.5*exp(10/40.0)*u_40*b_15 : 1
w_hn = 1/(c_h*f_h*c_n*b_15) : 1
w_h = w_hn*c_n*b_15 : 1
w_n = w_hn*c_h*f_h : 1
d_q = 0.055*3.8*a_27 : 1
c_q = d_q + 0.94*exp(-75/17.0)*v_17*b_27 : 1
w_q = 1/(c_q*b_27) : 1
f_r = 1 + exp(-15/28.0)*v_28 : 1
d_r = 0.000457*exp(-13/50.0)*v_50*f_r : 1
c_r = d_r + 0.0065 : 1
e_35 = exp(-35/20.0)*v_20 : 1
c_p = 1 + e_35**2 : 1
c_v31 = 1 + exp((18.7*mV - V)/(9.7*mV)) : 1
w_rest = 1/(c_r*f_r*c_p*e_35*c_v31) : 1
w_r = w_rest*c_p*e_35*c_v31 : 1
w_p = w_rest*c_r*f_r*c_v31 : 1
w_v31 = w_rest*c_r*f_r*c_p*e_35 : 1

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

#: Steady state of every gate, and its rate in 1/ms.
GATES = {
    "m_t": ("0.182*6*b_38*w_m_t", "q10_H*a_38*c_m_t**2*w_m_t"),
    "h_t": ("e_66*b_66*w_h_t", "q10_H*0.015*6*a_66*c_h_t**2*w_h_t"),
    "m": ("d_m*b_13*b_40*w_m", "q10_P*c_m**2*w_m"),
    "h": ("d_h*f_h*w_h", "q10_P*c_h**2*w_h"),
    "n": ("d_n*b_15*w_n", "q10_P*c_n**2*w_n"),
    "q": ("d_q*b_27*w_q", "c_q**2*w_q"),
    "r": ("d_r*f_r*w_r", "c_r**2*w_r"),
    "p": ("e_35*w_p", "rate_M*ms*(3.3 + e_35**2)*c_p*w_p"),
    "v31": ("w_v31", "q10_H*(1 + exp((-56.56*mV - V)/(44.14*mV)))/4"),
}
GATE = """
d{x}/dt = ({x}_inf - {x})*rate_{x} : 1
{x}_inf = {steady} : 1 (constant over dt)
rate_{x} = {rate}/ms : Hz (constant over dt)
"""

#: Steady state at the initial voltage.
INITIAL = {"V": "E_leak", **{x: steady for x, (steady, _) in GATES.items()}}

#: exp without a call, so that a loop keeps its registers: a power of two, which is added to the exponent, and a polynomial of the
#: rest, abs(f) <= 1/2, with a relative error of 3e-16. Value and slope at 0 are exact and the others minimax: slow gates add up
#: what errs near 0 over thousands of steps. Arguments beyond the range of a double are cut. To a double that large, k is
#: added as an integer in its last bits.
EXPONENTIAL = """
static inline double inlined_exp(double x)
{
    x = x < -708.0 ? -708.0 : x > 709.0 ? 709.0 : x;
    const double y = x * 1.4426950408889634;
    const double k = rint(y);
    const double f = y - k;
    const double shifted = k + 6755399441055744.0;
    double power = 7.03429685228686413e-9;
    power = power * f + 1.02067732775125723e-7;
    power = power * f + 1.32156703125861909e-6;
    power = power * f + 1.52526687656038522e-5;
    power = power * f + 1.54035299800818265e-4;
    power = power * f + 1.33335582064873086e-3;
    power = power * f + 9.61812910796775697e-3;
    power = power * f + 5.55041086646380488e-2;
    power = power * f + 0.240226506959092662;
    power = power * f + 0.693147180559945309;
    power = power * f + 1.0;
    uint64_t bits, exponent;
    __builtin_memcpy(&bits, &power, sizeof bits);
    __builtin_memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 52;
    __builtin_memcpy(&power, &bits, sizeof power);
    return power;
}
"""

#: ``x/(1 - exp(-x))`` with its limit at 0, where a voltage of exactly -38 mV would give 0/0.
LINOID = """
static inline double linoid(double x, double exp_minus_x)
{
    return fabs(x) < 1e-6 ? 1.0 + 0.5 * x : x / (1.0 - exp_minus_x);
}
"""

#: The same as a fraction of two sizes, each at least 1e-7: without a condition, for which both ways would be computed.
SIZE = """
static inline double size(double x)
{
    const double y = fabs(x);
    return y > 1e-7 ? y : 1e-7;
}
"""

#: 1 from one step on up to another, which is not in it; as floats, since 32-bit integers would double the cells of a vector.
WITHIN = """
static inline double within(int64_t step, double first, double stop)
{
    return step >= first && step < stop ? 1.0 : 0.0;
}
"""

#: Philox2x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405): the lower half of a seed is the key, the upper half and
#: the number of a pair of steps are the counter. Box and Muller's transform makes two normal numbers of the two words, at
#: most 6.8 in size. The sine is a shifted cosine, as gcc makes one call of sin and cos that it cannot vectorise.
NOISE = """
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>

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

#: The program works on some cells after the other. From the standard input come the names of variables and the sizes of their
#: numbers, in one line, and for every group of cells the values of these; then currents in A as they are needed, unless noise is
#: drawn. Nothing that the last group left is seen by the initial values of the next.
READ = """
{
    struct { const char *name; void *values; size_t size; } every[] = {$variables}, *given[sizeof(every) / sizeof(*every)];
    int n_given = 0;
    std::string line, name;
    size_t size;
    std::getline(std::cin, line);
    for (std::istringstream names(line); names >> name >> size;)
    {
        size_t k = 0;
        while (k < sizeof(every) / sizeof(*every) && name != every[k].name)
            k++;
        if (k == sizeof(every) / sizeof(*every))
        {
            std::cerr << "the cells have no variable " << name << " of their own; declare it as \\"" << name
                      << " : unit (constant)\\"" << std::endl;
            return 1;
        }
        if (size != every[k].size)
        {
            std::cerr << "the cells' variable " << name << " is integer or boolean; declare it as \\"" << name
                      << " : 1 (constant)\\"" << std::endl;
            return 1;
        }
        given[n_given++] = &every[k];
    }
    $dt[0] = $time_step[0];
    for (;;)
    {
        $timestep[0] = 0;
        $t[0] = 0;
        std::fill_n(noise_block(), CELLS, 0.0);
$zero
        for (int k = 0; k < n_given; k++)
            if (!std::cin.read((char *)given[k]->values, CELLS * given[k]->size))
                return k > 0 || std::cin.gcount() > 0;
"""

#: Then, step by step: what the equations need, the steps, and their voltages in mV, cell by cell, to the standard output.
#: Brian2's functions for a step are called here, since its network measures the time at every step. No file is written.
MAIN = """
        for (int first = 0; first < $steps[0]; first += ROWS)
        {
            static double voltages[ROWS * CELLS], block[CELLS * ROWS];
            const int rows = $steps[0] - first < ROWS ? $steps[0] - first : ROWS;
            const size_t size = rows * CELLS;
            if (!$injected[0])
                generate_noise(first, rows, $seed_low, $seed_high, $sd_noise);
            else if (!std::cin.read((char *)noise_block(), size * sizeof(double)))
                return 1;
            for (int row = 0; row < rows; row++)
            {
                $timestep[0] = first + row;
                $t[0] = (first + row) * $dt[0];
                for (int cell = 0; cell < CELLS; cell++)
                    voltages[row * CELLS + cell] = 1e3 * $voltage[cell];
                $update
            }
            for (int cell = 0; cell < CELLS; cell++)
                for (int row = 0; row < rows; row++)
                    block[cell * rows + row] = voltages[row * CELLS + cell];
            if (fwrite(block, sizeof(double), size, stdout) != size || fflush(stdout))
                return 1;
        }
    }
}
"""


#: How Brian2's loops over cells begin.
_LOOP = "for(int _idx=0;"
#: That arrays do not overlap is said to the compiler; to find out costs as much as a step of 64 cells, at every step. Short
#: loops stay loops: where gcc writes them out, it sums the same terms in another order for cells 8 to 15, which round otherwise.
_PRAGMAS = "#pragma GCC ivdep\n#pragma GCC unroll 1\n"


def source() -> str:
    """All text that decides about the values, for a hash."""
    return "\n".join(str(part) for part in (EQUATIONS, GATE, GATES, INITIAL, *program_text()))


def program_text() -> tuple[str, ...]:
    """What all programs have in common."""
    return (EXPONENTIAL, LINOID, SIZE, WITHIN, header(), NOISE_AT, _PRAGMAS, READ, MAIN)


def build(folder: Path, flags: Sequence[str]) -> None:
    """Write and compile the program; leaves ``main`` and ``static_arrays`` in the folder.

    Parameters
    ----------
    folder : Path
        Where the C++ project goes.
    flags : sequence of str
        Of the compiler.
    """
    build_program(folder, flags, all_equations(), INITIAL, "V")


def all_equations() -> str:
    """Those of the gates too."""
    return EQUATIONS + "".join(GATE.format(x=x, steady=steady, rate=rate) for x, (steady, rate) in GATES.items())


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
    b.device.apply_run_args()
    network = b.Network(cells, name="network")
    # makes the functions of a step
    network.run(0 * b.second)
    b.device.insert_code("main", _fill(READ, b, cells, voltage))
    for name, expression in initial.items():
        # Brian2 gives 0 for subexpressions that are constant over a step before the first step
        if cells.subexpression_updater is not None:
            b.device.insert_code("main", _calls([cells.subexpression_updater]))
        setattr(cells, name, expression)
    for code in b.device.code_objects.values():
        code.code.cpp_file = code.code.cpp_file.replace(_LOOP, _PRAGMAS + _LOOP)
    b.device.insert_code("main", _fill(MAIN, b, cells, voltage, update=_calls(network.sorted_objects)))
    b.device.build(directory=str(folder), run=False, clean=False)


def _calls(parts: Sequence[Any]) -> str:
    """C++ that calls the functions which Brian2 made of these objects."""
    return "".join(f"_run_{code.name}(); " for part in parts for code in part._code_objects)


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
    return {
        "linoid": declare(LINOID, ["float"] * 2),
        "size": declare(SIZE, ["float"]),
        "within": declare(WITHIN, ["integer", "float", "float"]),
        "noise_at": declare(NOISE_AT, ["integer"], of_cell=True),
    }


def _fill(code: str, b: Any, cells: Any, voltage: str, **more: str) -> str:
    """Code of the main loop with the names that Brian2 gave to its arrays."""

    def array(variable: str) -> str:
        return str(b.device.get_array_name(cells.variables[variable]))

    equations = cells.equations
    own = sorted(name for name in equations.parameter_names if "shared" not in equations[name].flags)
    variables = ", ".join(f'{{"{name}", {array(name)}, sizeof({array(name)}[0])}}' for name in own)
    zero = "\n".join(f"        std::fill_n({array(name)}, CELLS, 0.0);" for name in [*own, *sorted(equations.diff_eq_names)])
    shared = ("time_step", "steps", "injected", "seed_low", "seed_high", "sd_noise")
    arrays = {name: array(name) for name in shared} | {"voltage": array(voltage)}
    clock = {name: b.device.get_array_name(b.defaultclock.variables[name]) for name in ("dt", "t", "timestep")}
    return Template(code).substitute(arrays, **clock, variables=variables, zero=zero, **more)


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2:])
