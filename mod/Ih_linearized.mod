TITLE Hyperpolarisation-activated cation current, linearised around a resting potential

COMMENT
The current g * w * (v - ehcn) with dw/dt = (w_inf(v) - w) / tau(v) is replaced by its first-order expansion around
v = vrest (a quasi-active membrane: Koch (1984), Biol Cybern 50:15-33; Remme & Rinzel (2011), J Comput Neurosci
31:13-30). With x = (w - w_inf(vrest)) / w_inf'(vrest):
    i     = g * w_inf(vrest) * (v - vrest) + g * w_inf'(vrest) * (vrest - ehcn) * x
    dx/dt = (v - vrest - x) / tau(vrest)
The constant current at rest is left out, so that vrest is the resting potential without any correction.
Kinetics: Kole, Hallermann & Stuart (2006), J Neurosci 26:1677-1687, as in Hay et al. (2011), PLOS Comput Biol 7:
e1002107:
    alpha = 0.00643 * (v + 154.9) / (exp((v + 154.9) / 11.9) - 1),    beta = 0.193 * exp(v / 33.1)    (1/ms)
    w_inf = alpha / (alpha + beta),    tau = 1 / (alpha + beta)
ENDCOMMENT

NEURON {
    SUFFIX Ih_linearized
    NONSPECIFIC_CURRENT i
    RANGE gbar, vrest, ehcn, i
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gbar = 0.0002 (S/cm2)
    vrest = -65 (mV)
    ehcn = -45 (mV)
}

ASSIGNED {
    v (mV)
    i (mA/cm2)
    instant (S/cm2)
    slow (S/cm2)
    tau (ms)
}

STATE {
    x (mV)
}

INITIAL {
    expand()
    x = 0
}

BREAKPOINT {
    SOLVE relax METHOD cnexp
    i = instant * (v - vrest) + slow * x
}

DERIVATIVE relax {
    x' = (v - vrest - x) / tau
}

PROCEDURE expand() {
    LOCAL u, a, b, da, db, w, dw
    UNITSOFF
    u = (vrest + 154.9) / 11.9
    if (fabs(u) < 1e-6) {
        a = 0.00643 * 11.9 * (1 - u / 2)
        da = -0.00643 / 2
    } else {
        a = 0.00643 * 11.9 * u / (exp(u) - 1)
        da = 0.00643 * (exp(u) - 1 - u * exp(u)) / ((exp(u) - 1) * (exp(u) - 1))
    }
    b = 0.193 * exp(vrest / 33.1)
    db = b / 33.1
    w = a / (a + b)
    dw = (da * b - a * db) / ((a + b) * (a + b))
    tau = 1 / (a + b)
    instant = gbar * w
    slow = gbar * dw * (vrest - ehcn)
    UNITSON
}
