TITLE Transient sodium current

COMMENT
    ina = gbar * m^3 * h * (v - ena),    dx/dt = (x_inf(v) - x) / x_tau(v) for x = m, h
    m: alpha = 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)),    beta = -0.124 * (v + 38) / (1 - exp((v + 38) / 6))
    h: alpha = -0.015 * (v + 66) / (1 - exp((v + 66) / 6)),    beta = 0.015 * (v + 66) / (1 - exp(-(v + 66) / 6))
    x_inf = alpha / (alpha + beta),    x_tau = 1 / ((alpha + beta) * q)    (1/ms, mV)
Rates were measured at 21 C; q = 2.3^((34 - 21) / 10) brings them to 34 C, whatever the temperature of the simulation.
Kinetics: Colbert & Pan (2002), Nat Neurosci 5:533-538, as in Hay et al. (2011), PLOS Comput Biol 7: e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX NaTa_t
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
    LOCAL a, b, e, f, q
    UNITSOFF
    q = 2.952882641412121
    e = exp(-(v + 38) / 6)
    f = linoid(v + 38, e)
    a = 0.182 * f
    b = 0.124 * f * e
    m_inf = a / (a + b)
    m_tau = 1 / ((a + b) * q)
    e = e * exp(-28 / 6)
    f = linoid(v + 66, e)
    a = 0.015 * f * e
    b = 0.015 * f
    h_inf = a / (a + b)
    h_tau = 1 / ((a + b) * q)
    UNITSON
}

COMMENT
x / (1 - e) with e = exp(-x / 6), whose value at 0 is the limit; times e it is x / (exp(x / 6) - 1). Exponentials take
most of the time of a simulation.
ENDCOMMENT
FUNCTION linoid(x (mV), e (1)) (mV) {
    if (fabs(x) < 6e-6) {
        linoid = 6 + x / 2
    } else {
        linoid = x / (1 - e)
    }
}
