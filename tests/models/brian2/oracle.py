"""The published equations written out once more, one step after the other in numpy, and the noise generator."""

from __future__ import annotations

import numpy as np


def rates(v, u, p):
    """Steady state and rate in 1/ms of every gate."""
    exp = np.exp
    qh, qp = 2.3 ** ((p["temperature"] - 21) / 10), 2.3 ** ((p["temperature"] - 36) / 10)
    qr = qp / p["r_SS"]
    pairs = {
        "m_t": (qh, 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)), -0.124 * (v + 38) / (1 - exp((v + 38) / 6))),
        "h_t": (qh, -0.015 * (v + 66) / (1 - exp((v + 66) / 6)), 0.015 * (v + 66) / (1 - exp(-(v + 66) / 6))),
        "m": (qr, -0.32 * (u - 13) / (exp(-(u - 13) / 4) - 1), 0.28 * (u - 40) / (exp((u - 40) / 5) - 1)),
        "h": (qr, 0.128 * exp(-(u - 17) / 18), 4 / (1 + exp(-(u - 40) / 5))),
        "n": (qr, -0.032 * (u - 15) / (exp(-(u - 15) / 5) - 1), 0.5 * exp(-(u - 10) / 40)),
        "q": (1, -0.055 * (v + 27) / (exp(-(v + 27) / 3.8) - 1), 0.94 * exp(-(v + 75) / 17)),
        "r": (1, 0.000457 * exp(-(v + 13) / 50), 0.0065 / (1 + exp(-(v + 15) / 28))),
    }
    found = {x: (alpha / (alpha + beta), factor * (alpha + beta)) for x, (factor, alpha, beta) in pairs.items()}
    tau_p = p["tau_max"] / (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20))
    found["p"] = (1 / (1 + exp(-(v + 35) / 10)), qp / tau_p)
    found["v31"] = (1 / (1 + exp(-(v - 18.7) / 9.7)), qh * (1 + exp(-(v + 56.56) / 44.14)) / 4)
    return found


def traces(p, noise):
    """Voltages in mV, shape (n, steps), of parameters in the model's units and noise in pA of that shape."""
    area = p["tau"] / (p["C"] * p["R_input"])  # uS for 1 mS/cm2
    g = {name: p[name] * area for name in ("gNat", "gNa", "gKd", "gM", "gKv31", "gL")}
    leak, capacitance = 1 / p["R_input"], p["tau"] / p["R_input"]  # uS, nF
    v = np.array(p["E_leak"], float) + np.zeros(len(noise))
    state = {x: steady for x, (steady, _) in rates(v, v - p["VT"], p).items()}
    out = np.empty(noise.shape)
    for step in range(noise.shape[1]):
        out[:, step] = v
        s = state
        na = g["gNat"] * s["m_t"] ** 3 * s["h_t"] + g["gNa"] * s["m"] ** 3 * s["h"]
        k = g["gKd"] * s["n"] ** 4 + g["gM"] * s["p"] + g["gKv31"] * s["v31"]
        ca = g["gL"] * s["q"] ** 2 * s["r"]
        on = round(p["step_start"] / p["dt"]) <= step < round(p["step_stop"] / p["dt"])
        current = 1e-3 * (on * p["I"] + noise[:, step])  # nA
        total = na + k + ca + leak
        target = (na * p["E_Na"] + k * p["E_K"] + ca * p["E_Ca"] + leak * p["E_leak"] + current) / total
        found = rates(v, v - p["VT"], p)
        state = {x: steady + (s[x] - steady) * np.exp(-p["dt"] * rate) for x, (steady, rate) in found.items()}
        v = target + (v - target) * np.exp(-p["dt"] * total / capacitance)
    return out


def normal_numbers(seeds, steps):
    """Philox2x32-10 and Box and Muller's transform: shape (n, steps)."""
    seeds = np.asarray(seeds, np.uint64)[:, np.newaxis]
    mask, half = np.uint64(2**32 - 1), np.uint64(32)
    key, right = seeds & mask, seeds >> half
    left = np.arange((steps + 1) // 2, dtype=np.uint64)[np.newaxis]
    for _ in range(10):
        product = np.uint64(0xD256D193) * left
        left, right = (product >> half) ^ key ^ right, product & mask
        key = (key + np.uint64(0x9E3779B9)) & mask
    signed = [
        np.broadcast_to(word, (len(seeds), left.shape[1])).astype(np.uint32).view(np.int32).astype(float)
        for word in (left, right)
    ]
    radius = np.sqrt(-2 * np.log((signed[0] + 2**31 + 0.5) / 2**32))
    angle = signed[1] * (2 * np.pi / 2**32)
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(len(seeds), -1)[:, :steps]
