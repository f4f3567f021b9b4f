TITLE Fast (transient) potassium current

COMMENT
    ik = gbar * m^4 * h * (v - ek),    dx/dt = (x_inf(v) - x) / x_tau(v) for x = m, h; with u = v + 10
    m_inf = 1 / (1 + exp(-u / 19)),    m_tau = (0.34 + 0.92 * exp(-((u + 71) / 59)^2)) / q    (ms, mV)
    h_inf = 1 / (1 + exp((u + 66) / 10)),    h_tau = (8 + 49 * exp(-((u + 73) / 23)^2)) / q
The shift of 10 mV corrects for the junction potential. Rates were measured at 21 C; q = 2.3^((34 - 21) / 10) brings them
to 34 C, whatever the temperature of the simulation.
Kinetics: Korngreen & Sakmann (2000), J Physiol 525:621-639, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX K_Tst
    USEION k READ ek WRITE ik
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
    ek (mV)
    ik (mA/cm2)
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
    ik = gbar * m * m * m * m * h * (v - ek)
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
    m_inf = 1 / (1 + exp(-u / 19))
    m_tau = (0.34 + 0.92 * exp(-(u + 71) * (u + 71) / 3481)) / q
    h_inf = 1 / (1 + exp((u + 66) / 10))
    h_tau = (8 + 49 * exp(-(u + 73) * (u + 73) / 529)) / q
    UNITSON
}
