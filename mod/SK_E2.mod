TITLE Small-conductance, calcium-activated potassium current

COMMENT
    ik = gbar * z * (v - ek),    dz/dt = (z_inf(cai) - z) / z_tau
    z_inf = 1 / (1 + (0.00043 / cai)^4.8),    z_tau = 1    (ms, mM)
Kinetics: Koehler et al. (1996), Science 273:1709-1714, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107, where they do
not depend on temperature or potential.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX SK_E2
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gbar, z_inf, z_tau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
    (mM) = (milli/liter)
}

PARAMETER {
    gbar = 0.00001 (S/cm2)
    z_tau = 1 (ms)
}

ASSIGNED {
    v (mV)
    ek (mV)
    ik (mA/cm2)
    cai (mM)
    z_inf (1)
}

STATE {
    z (1)
}

INITIAL {
    rates(cai)
    z = z_inf
}

BREAKPOINT {
    SOLVE relax METHOD cnexp
    ik = gbar * z * (v - ek)
}

DERIVATIVE relax {
    rates(cai)
    z' = (z_inf - z) / z_tau
}

PROCEDURE rates(ca (mM)) {
    LOCAL x
    UNITSOFF
    : a variable-step integrator may try a concentration below zero, which has no power
    x = 0
    if (ca > 0) {
        x = (ca / 0.00043)^4.8
    }
    z_inf = x / (1 + x)
    UNITSON
}
