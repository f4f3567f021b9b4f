"""The published equations of the active channels: steady states and time constants (ms) at a potential in mV."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def rates(alpha: Any, beta: Any, q: float = 1.0) -> tuple[Any, Any]:
    return alpha / (alpha + beta), 1 / ((alpha + beta) * q)


def Nap_Et2_m(v: Any) -> tuple[Any, Any]:
    """Magistretti & Alonso (1999)."""
    alpha, beta = 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)), 0.124 * (-v - 38) / (1 - exp(-(-v - 38) / 6))
    return 1 / (1 + exp((v + 52.6) / -4.6)), 6 / (alpha + beta) / QT


def Nap_Et2_h(v: Any) -> tuple[Any, Any]:
    """Magistretti & Alonso (1999)."""
    alpha, beta = -2.88e-6 * (v + 17) / (1 - exp((v + 17) / 4.63)), 6.94e-6 * (v + 64.4) / (1 - exp(-(v + 64.4) / 2.63))
    return 1 / (1 + exp((v + 48.8) / 10)), 1 / (alpha + beta) / QT


def K_Pst_m(v: Any) -> tuple[Any, Any]:
    """Korngreen & Sakmann (2000), shifted by 10 mV."""
    low, high = 1.25 + 175.03 * exp(0.026 * (v + 10)), 1.25 + 13 * exp(-0.026 * (v + 10))
    return 1 / (1 + exp(-(v + 11) / 12)), np.where(v < -60, low, high) / QT


def K_Pst_h(v: Any) -> tuple[Any, Any]:
    """Korngreen & Sakmann (2000), shifted by 10 mV."""
    return 1 / (1 + exp((v + 64) / 11)), (360 + (1010 + 24 * (v + 65)) * exp(-(((v + 85) / 48) ** 2))) / QT


def K_Tst_m(v: Any) -> tuple[Any, Any]:
    """Korngreen & Sakmann (2000), shifted by 10 mV."""
    return 1 / (1 + exp(-(v + 10) / 19)), (0.34 + 0.92 * exp(-(((v + 81) / 59) ** 2))) / QT


def K_Tst_h(v: Any) -> tuple[Any, Any]:
    """Korngreen & Sakmann (2000), shifted by 10 mV."""
    return 1 / (1 + exp((v + 76) / 10)), (8 + 49 * exp(-(((v + 83) / 23) ** 2))) / QT


def Im_m(v: Any) -> tuple[Any, Any]:
    """Adams et al. (1982)."""
    return rates(3.3e-3 * exp(2.5 * 0.04 * (v + 35)), 3.3e-3 * exp(-2.5 * 0.04 * (v + 35)), QT)


def boltzmann(v: float, half: float, scale: float) -> float:
    """Steady state of a gate."""
    return float(1 / (1 + exp(-(v - half) / scale)))


def Ca_HVA_m(v: Any) -> tuple[Any, Any]:
    """Reuveni et al. (1993)."""
    return rates(0.055 * (-27 - v) / (exp((-27 - v) / 3.8) - 1), 0.94 * exp((-75 - v) / 17))


def Ca_HVA_h(v: Any) -> tuple[Any, Any]:
    """Reuveni et al. (1993)."""
    return rates(0.000457 * exp((-13 - v) / 50), 0.0065 / (exp((-v - 15) / 28) + 1))


def Ca_LVAst_m(v: Any) -> tuple[Any, Any]:
    """Avery & Johnston (1996), Randall & Tsien (1997), shifted by 10 mV."""
    return 1 / (1 + exp((v + 40) / -6)), (5 + 20 / (1 + exp((v + 35) / 5))) / QT


def Ca_LVAst_h(v: Any) -> tuple[Any, Any]:
    """Avery & Johnston (1996), Randall & Tsien (1997), shifted by 10 mV."""
    return 1 / (1 + exp((v + 90) / 6.4)), (20 + 50 / (1 + exp((v + 50) / 7))) / QT


def calcium_open(v: float) -> dict[str, float]:
    """Open fraction of the calcium channels in the steady state."""
    return {"Ca_HVA": Ca_HVA_m(v)[0] ** 2 * Ca_HVA_h(v)[0], "Ca_LVAst": Ca_LVAst_m(v)[0] ** 2 * Ca_LVAst_h(v)[0]}
