TITLE Slow (persistent) potassium current

COMMENT
    ik = gbar * m^2 * h * (v - ek),    dx/dt = (x_inf(v) - x) / x_tau(v) for x = m, h; with u = v + 10
    m_inf = 1 / (1 + exp(-(u + 1) / 12))
    m_tau = (1.25 + 175.03 * exp(0.026 * u)) / q where u < -50, (1.25 + 13 * exp(-0.026 * u)) / q elsewhere    (ms, mV)
    h_inf = 1 / (1 + exp((u + 54) / 11))
    h_tau = (360 + (1010 + 24 * (u + 55)) * exp(-((u + 75) / 48)^2)) / q
The shift of 10 mV corrects for the junction potential. Rates were measured at 21 C; q = 2.3^((34 - 21) / 10) brings them
to 34 C, whatever the temperature of the simulation.
Kinetics: Korngreen & Sakmann (2000), J Physiol 525:621-639, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX K_Pst
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
    ik = gbar * m * m * h * (v - ek)
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
    m_inf = 1 / (1 + exp(-(u + 1) / 12))
    if (u < -50) {
        m_tau = (1.25 + 175.03 * exp(0.026 * u)) / q
    } else {
        m_tau = (1.25 + 13 * exp(-0.026 * u)) / q
    }
    h_inf = 1 / (1 + exp((u + 54) / 11))
    h_tau = (360 + (1010 + 24 * (u + 55)) * exp(-(u + 75) * (u + 75) / 2304)) / q
    UNITSON
}
