TITLE Fast, non-inactivating potassium current (Kv3.1)

COMMENT
    ik = gbar * m * (v - ek),    dm/dt = (m_inf(v) - m) / m_tau(v)
    m_inf = 1 / (1 + exp(-(v - 18.7) / 9.7)),    m_tau = 4 / (1 + exp(-(v + 46.56) / 44.14))    (ms, mV)
Kinetics: Rettig et al. (1992), EMBO J 11:2473-2486, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107, where they do
not depend on temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX SKv3_1
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
    UNITSOFF
    m_inf = 1 / (1 + exp(-(v - 18.7) / 9.7))
    m_tau = 4 / (1 + exp(-(v + 46.56) / 44.14))
    UNITSON
}
