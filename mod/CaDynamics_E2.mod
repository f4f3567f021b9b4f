TITLE Calcium concentration in a shell below the membrane

COMMENT
    dcai/dt = -ica * gamma / (2 * F * depth) - (cai - cai_min) / decay
gamma is the part of the calcium current that is not buffered, F the Faraday constant. A constant current brings cai to
cai_min - ica * gamma * decay / (2 * F * depth) with time constant decay. The concentration starts at start.
Equation: Destexhe, Mainen & Sejnowski (1994), Neural Comput 6:14-18, with gamma as in Hay et al. (2011), PLOS Comput Biol 7:
e1002107, where it does not depend on temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX CaDynamics_E2
    USEION ca READ ica WRITE cai
    RANGE gamma, decay, depth, cai_min, start
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (mM) = (milli/liter)
    (um) = (micron)
    F = (faraday) (coulombs)
}

PARAMETER {
    gamma = 0.05 (1)
    decay = 80 (ms)
    depth = 0.1 (um)
    cai_min = 1e-4 (mM)
    start = 1e-4 (mM)
}

ASSIGNED {
    ica (mA/cm2)
}

: CVODE: a thousandth of the resting concentration instead of 1e-3 mM, which is above it
STATE {
    cai (mM) <1e-4>
}

INITIAL {
    cai = start
}

BREAKPOINT {
    SOLVE relax METHOD cnexp
}

DERIVATIVE relax {
    cai' = -(1e4) * ica * gamma / (2 * F * depth) - (cai - cai_min) / decay
}
