TITLE Current-based synapse with a double-exponential time course

COMMENT
An event of weight w (nA) adds the inward current
    i(t) = -w * f * (exp(-t/tau2) - exp(-t/tau1)),    t >= 0,    tau1 < tau2,
where f makes the largest absolute value of the bracket times f equal to 1. The bracket is largest at
    t_peak = tau1 * tau2 / (tau2 - tau1) * log(tau2 / tau1).
A positive weight depolarises. Equations: Roth & van Rossum (2009), Modeling synapses, in:
De Schutter (ed.), Computational Modeling Methods for Neuroscientists, MIT Press. Used for synapses that are
linearised around the resting potential in Hagen et al. (2022), PLOS Comput Biol 18(9): e1010353.
ENDCOMMENT

NEURON {
    POINT_PROCESS Exp2SynI
    RANGE tau1, tau2, i
    NONSPECIFIC_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
}

PARAMETER {
    tau1 = 0.2 (ms) <1e-9, 1e9>
    tau2 = 1.8 (ms) <1e-9, 1e9>
}

ASSIGNED {
    i (nA)
    norm (1)
}

STATE {
    rise (nA)
    decay (nA)
}

INITIAL {
    LOCAL t_peak
    t_peak = tau1 * tau2 / (tau2 - tau1) * log(tau2 / tau1)
    norm = 1 / (exp(-t_peak / tau2) - exp(-t_peak / tau1))
    rise = 0
    decay = 0
}

BREAKPOINT {
    SOLVE relax METHOD cnexp
    i = rise - decay
}

DERIVATIVE relax {
    rise' = -rise / tau1
    decay' = -decay / tau2
}

NET_RECEIVE (weight (nA)) {
    rise = rise + weight * norm
    decay = decay + weight * norm
}
