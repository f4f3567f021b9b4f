TITLE Low-voltage-activated calcium current

COMMENT
    ica = gbar * m^2 * h * (v - eca),    dx/dt = (x_inf(v) - x) / x_tau(v) for x = m, h; with u = v + 10
    m_inf = 1 / (1 + exp(-(u + 30) / 6)),    m_tau = (5 + 20 / (1 + exp((u + 25) / 5))) / q    (ms, mV)
    h_inf = 1 / (1 + exp((u + 80) / 6.4)),    h_tau = (20 + 50 / (1 + exp((u + 40) / 7))) / q
The shift of 10 mV corrects for the junction potential. Rates were measured at 21 C; q = 2.3^((34 - 21) / 10) brings them
to 34 C, whatever the temperature of the simulation.
Kinetics: steady states of Avery & Johnston (1996), J Neurosci 16:5567-5582, time constants of Randall & Tsien (1997),
Neuropharmacology 36:879-893, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Ca_LVAst
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
    LOCAL q, u
    UNITSOFF
    q = 2.952882641412121
    u = v + 10
    m_inf = 1 / (1 + exp(-(u + 30) / 6))
    m_tau = (5 + 20 / (1 + exp((u + 25) / 5))) / q
    h_inf = 1 / (1 + exp((u + 80) / 6.4))
    h_tau = (20 + 50 / (1 + exp((u + 40) / 7))) / q
    UNITSON
}
