TITLE High-voltage-activated calcium current

COMMENT
    ica = gbar * m^2 * h * (v - eca),    dx/dt = (x_inf(v) - x) / x_tau(v) for x = m, h
    m: alpha = 0.055 * (-27 - v) / (exp((-27 - v) / 3.8) - 1),    beta = 0.94 * exp((-75 - v) / 17)
    h: alpha = 0.000457 * exp((-13 - v) / 50),    beta = 0.0065 / (exp((-15 - v) / 28) + 1)
    x_inf = alpha / (alpha + beta),    x_tau = 1 / (alpha + beta)    (1/ms, mV)
Kinetics: Reuveni, Friedman, Amitai & Gutnick (1993), J Neurosci 13:4609-4621, as in Hay et al. (2011), PLOS Comput Biol 7:
e1002107, where they do not depend on temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Ca_HVA
    USEION ca READ eca WRITE ica
    RANGE gbar, m_inf, m_tau, h_inf, h_tau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gbar = 0.00001 (S/cm2)
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (mA/cm2)
    m_inf (1)
    m_tau (ms)
    h_inf (1)
    h_tau (ms)
}

STATE {
    m (1)
    h (1)
}

INITIAL {
    rates(v)
    m = m_inf
    h = h_inf
}

BREAKPOINT {
    SOLVE relax METHOD cnexp
    ica = gbar * m * m * h * (v - eca)
}

DERIVATIVE relax {
    rates(v)
    m' = (m_inf - m) / m_tau
    h' = (h_inf - h) / h_tau
}

PROCEDURE rates(v (mV)) {
    LOCAL a, b
    UNITSOFF
    a = 0.055 * linoid(v + 27, 3.8)
    b = 0.94 * exp(-(v + 75) / 17)
    m_inf = a / (a + b)
    m_tau = 1 / (a + b)
    a = 0.000457 * exp(-(v + 13) / 50)
    b = 0.0065 / (exp(-(v + 15) / 28) + 1)
    h_inf = a / (a + b)
    h_tau = 1 / (a + b)
    UNITSON
}

COMMENT
x / (1 - exp(-x / scale)), whose value at 0 is the limit.
ENDCOMMENT
FUNCTION linoid(x (mV), scale (mV)) (mV) {
    UNITSOFF
    if (fabs(x / scale) < 1e-6) {
        linoid = scale * (1 + x / scale / 2)
    } else {
        linoid = x / (1 - exp(-x / scale))
    }
    UNITSON
}
