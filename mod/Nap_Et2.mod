TITLE Persistent sodium current

COMMENT
    ina = gbar * m^3 * h * (v - ena),    dx/dt = (x_inf(v) - x) / x_tau(v) for x = m, h
    m_inf = 1 / (1 + exp(-(v + 52.6) / 4.6)),    m_tau = 6 / ((alpha + beta) * q)    (ms, mV), six times that of NaTa_t:
        alpha = 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)),    beta = -0.124 * (v + 38) / (1 - exp((v + 38) / 6))
    h_inf = 1 / (1 + exp((v + 48.8) / 10)),    h_tau = 1 / ((alpha + beta) * q):
        alpha = -2.88e-6 * (v + 17) / (1 - exp((v + 17) / 4.63))
        beta = 6.94e-6 * (v + 64.4) / (1 - exp(-(v + 64.4) / 2.63))
Rates were measured at 21 C; q = 2.3^((34 - 21) / 10) brings them to 34 C, whatever the temperature of the simulation.
Kinetics: Magistretti & Alonso (1999), J Gen Physiol 114:491-509, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Nap_Et2
    USEION na READ ena WRITE ina
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
    ena (mV)
    ina (mA/cm2)
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
    ina = gbar * m * m * m * h * (v - ena)
}

DERIVATIVE relax {
    rates(v)
    m' = (m_inf - m) / m_tau
    h' = (h_inf - h) / h_tau
}

PROCEDURE rates(v (mV)) {
    LOCAL q
    UNITSOFF
    q = 2.952882641412121
    m_inf = 1 / (1 + exp(-(v + 52.6) / 4.6))
    m_tau = 6 / ((0.182 * linoid(v + 38, 6) + 0.124 * linoid(-v - 38, 6)) * q)
    h_inf = 1 / (1 + exp((v + 48.8) / 10))
    h_tau = 1 / ((2.88e-6 * linoid(-v - 17, 4.63) + 6.94e-6 * linoid(v + 64.4, 2.63)) * q)
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
