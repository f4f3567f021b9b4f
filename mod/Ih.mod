TITLE Hyperpolarisation-activated cation current

COMMENT
    i = gbar * m * (v - ehcn),    dm/dt = (m_inf(v) - m) / m_tau(v)
    alpha = 0.00643 * (v + 154.9) / (exp((v + 154.9) / 11.9) - 1),    beta = 0.193 * exp(v / 33.1)    (1/ms, mV)
    m_inf = alpha / (alpha + beta),    m_tau = 1 / (alpha + beta)
Kinetics: Kole, Hallermann & Stuart (2006), J Neurosci 26:1677-1687, as in Hay et al. (2011), PLOS Comput Biol 7:
e1002107, where they do not depend on temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Ih
    NONSPECIFIC_CURRENT i
    RANGE gbar, ehcn, i, m_inf, m_tau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gbar = 0.0002 (S/cm2)
    ehcn = -45 (mV)
}

ASSIGNED {
    v (mV)
    i (mA/cm2)
    m_inf (1)
    m_tau (ms)
}

STATE {
    m (1)
}

INITIAL {
    rates(v)
    m = m_inf
}

BREAKPOINT {
    SOLVE relax METHOD cnexp
    i = gbar * m * (v - ehcn)
}

DERIVATIVE relax {
    rates(v)
    m' = (m_inf - m) / m_tau
}

PROCEDURE rates(v (mV)) {
    LOCAL a, b
    UNITSOFF
    a = 0.00643 * linoid(-(v + 154.9), 11.9)
    b = 0.193 * exp(v / 33.1)
    UNITSON
    m_inf = a / (a + b)
    m_tau = 1 / (a + b)
}

COMMENT
x / (1 - exp(-x / scale)), whose value at 0 is the limit.
ENDCOMMENT
FUNCTION linoid(x (mV), scale (mV)) (mV) {
    if (fabs(x / scale) < 1e-6) {
        linoid = scale * (1 + x / scale / 2)
    } else {
        linoid = x / (1 - exp(-x / scale))
    }
}
