"""The published equations of the active channels: steady states and time constants (ms) at a potential in mV."""

from __future__ import annotations

from typing import Any

from numpy import exp

QT = 2.3 ** ((34 - 21) / 10)


def Ih_m(v: Any) -> tuple[Any, Any]:
    """Kole et al. (2006)."""
    alpha, beta = 0.001 * 6.43 * (v + 154.9) / (exp((v + 154.9) / 11.9) - 1), 0.001 * 193 * exp(v / 33.1)
    return alpha / (alpha + beta), 1 / (alpha + beta)


def Ih_m_slope(v: float) -> float:
    """Derivative of the steady state of Ih, 1/mV."""
    u = (v + 154.9) / 11.9
    alpha, beta = 0.00643 * 11.9 * u / (exp(u) - 1), 0.193 * exp(v / 33.1)
    alpha_slope, beta_slope = 0.00643 * (exp(u) - 1 - u * exp(u)) / (exp(u) - 1) ** 2, beta / 33.1
    return float((alpha_slope * beta - alpha * beta_slope) / (alpha + beta) ** 2)


def SKv3_1_m(v: Any) -> tuple[Any, Any]:
    """Rettig et al. (1992)."""
    return 1 / (1 + exp((v - 18.7) / -9.7)), 4 / (1 + exp((v + 46.56) / -44.14))


def NaTa_t_m(v: Any) -> tuple[Any, Any]:
    """Colbert & Pan (2002)."""
    alpha, beta = 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)), 0.124 * (-v - 38) / (1 - exp(-(-v - 38) / 6))
    return alpha / (alpha + beta), 1 / ((alpha + beta) * QT)


def NaTa_t_h(v: Any) -> tuple[Any, Any]:
    """Colbert & Pan (2002)."""
    alpha, beta = -0.015 * (v + 66) / (1 - exp((v + 66) / 6)), -0.015 * (-v - 66) / (1 - exp((-v - 66) / 6))
    return alpha / (alpha + beta), 1 / ((alpha + beta) * QT)


def open_fractions(v: float) -> dict[str, float]:
    """Open fraction of each channel in the steady state."""
    return {"NaTa_t": NaTa_t_m(v)[0] ** 3 * NaTa_t_h(v)[0], "SKv3_1": SKv3_1_m(v)[0], "Ih": Ih_m(v)[0]}
