TITLE Muscarinic potassium current

COMMENT
    ik = gbar * m * (v - ek),    dm/dt = (m_inf(v) - m) / m_tau(v)
    alpha = 0.0033 * exp(0.1 * (v + 35)),    beta = 0.0033 * exp(-0.1 * (v + 35))    (1/ms, mV)
    m_inf = alpha / (alpha + beta),    m_tau = 1 / ((alpha + beta) * q)
Rates were measured at 21 C; q = 2.3^((34 - 21) / 10) brings them to 34 C, whatever the temperature of the simulation.
Kinetics: Adams, Brown & Constanti (1982), J Physiol 330:537-572, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Im
    USEION k READ ek WRITE ik
    RANGE gbar, m_inf, m_tau
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
    ek (mV)
    ik (mA/cm2)
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
    ik = gbar * m * (v - ek)
}

DERIVATIVE relax {
    rates(v)
    m' = (m_inf - m) / m_tau
}

PROCEDURE rates(v (mV)) {
    LOCAL a, b, q
    UNITSOFF
    q = 2.952882641412121
    a = 0.0033 * exp(0.1 * (v + 35))
    b = 0.0033 * exp(-0.1 * (v + 35))
    m_inf = a / (a + b)
    m_tau = 1 / ((a + b) * q)
    UNITSON
}
