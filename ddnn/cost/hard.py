"""The hard cost of an allocation, eqs. (1) to (3): what is judged and reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddnn.errors import ParamsError

if TYPE_CHECKING:  # an edge node has numpy alone
    from ddnn.params import PenaltyParams, SettingParams

Floats = NDArray[np.float64]

Penalty = Callable[[Floats], Floats]
"""g_u or g_o of eq. (2): distances x >= 0, shape (..., M), to costs of the same shape."""


@dataclass(frozen=True)
class PenaltyForm:
    """A penalty with a name, ``weight * x ** exponent``, so that others can rebuild it."""

    form: Literal["constant", "linear", "quadratic", "power"]
    weight: float | tuple[float, ...] = 1.0
    """One for all VNFs, or one per VNF."""
    exponent: float | None = None
    """For ``power`` only; see :attr:`degree` for that of every form."""

    def __post_init__(self) -> None:
        if (self.form == "power") != (self.exponent is not None):
            raise ParamsError("a penalty needs an exponent with the form power, and only there")

    @property
    def degree(self) -> float:
        """The exponent of x: 0, 1 or 2 for the forms with a name of their own."""
        if self.exponent is not None:
            return self.exponent
        return {"constant": 0.0, "linear": 1.0, "quadratic": 2.0}[self.form]

    def __call__(self, x: Floats) -> Floats:
        """Cost (..., M) of distances x >= 0, (..., M); a constant is paid at x = 0 too."""
        return np.asarray(self.weight, dtype=np.float64) * np.power(x, self.degree)


@dataclass(frozen=True)
class AllocationCost:
    """Cost of an allocation y when the demand is d, eq. (2).

    A VNF with y < d is underprovisioned and pays ``under(d - y)``, else ``over(y - d)``: y = d
    counts as overprovision. Computed in float64, whatever the inputs are.
    """

    under: Penalty
    """g_u."""
    over: Penalty
    """g_o."""

    def per_vnf(self, y: ArrayLike, d: ArrayLike) -> Floats:
        """Cost of each VNF, (..., M), of allocation and demand (..., M) that broadcast."""
        gap = _gap(y, d)
        # Both sides see a distance of 0 where they do not apply: none of them is undefined there.
        under = self.under(np.maximum(-gap, 0.0))
        over = self.over(np.maximum(gap, 0.0))
        return np.where(gap < 0, under, over)

    def __call__(self, y: ArrayLike, d: ArrayLike) -> Floats:
        """Cost (...,) summed over the VNFs, the last axis of y and d (..., M)."""
        return np.asarray(self.per_vnf(y, d).sum(axis=-1))

    def in_units(self, y: ArrayLike, d: ArrayLike, span: ArrayLike) -> Floats:
        """Cost (...,) in the demand's own units, of scaled y and d (..., M).

        Each VNF's cost is weighted with its span (M,), the units that one of its full scale is
        worth. Under eq. (3) that is c_o per unit over, and c_u full scales for a violation.
        """
        return np.asarray((self.per_vnf(y, d) * np.asarray(span, dtype=np.float64)).sum(axis=-1))


def squared_error() -> AllocationCost:
    """Eq. (1): the squared distance, on both sides."""
    return AllocationCost(under=PenaltyForm("quadratic"), over=PenaltyForm("quadratic"))


def sla_cost(c_u: float | Sequence[float], c_o: float | Sequence[float] = 1.0) -> AllocationCost:
    """Eq. (3): ``c_u`` for each violation, ``c_o`` per unit of overprovision.

    Args:
        c_u: A number, or one per VNF (M,), in units of a VNF's full scale.
        c_o: A number, or one per VNF (M,).
    """
    return AllocationCost(
        under=PenaltyForm("constant", _weight(c_u)), over=PenaltyForm("linear", _weight(c_o))
    )


def from_params(setting: SettingParams, vnfs: int) -> AllocationCost:
    """Build the cost that params.yaml asks for, for so many VNFs.

    Raises:
        ParamsError: A list of one number per VNF has another length.
    """
    if setting.cost == "eq1":
        return squared_error()
    if setting.cost == "eq3":
        _check_length("setting.c_u", setting.c_u, vnfs)
        _check_length("setting.c_o", setting.c_o, vnfs)
        return sla_cost(setting.c_u, setting.c_o)
    return AllocationCost(
        under=_penalty("setting.g_u", setting.g_u, vnfs),
        over=_penalty("setting.g_o", setting.g_o, vnfs),
    )


def violation_rate(y: ArrayLike, d: ArrayLike) -> Floats:
    """Share (...,) of the VNFs with y < d, of allocation and demand (..., M)."""
    return np.asarray((_gap(y, d) < 0).mean(axis=-1))


def mean_overprovision(y: ArrayLike, d: ArrayLike) -> Floats:
    """Mean (...,) of max(y - d, 0) over the VNFs (a violation counts 0), in the units of y."""
    return np.asarray(np.maximum(_gap(y, d), 0.0).mean(axis=-1))


def _gap(y: ArrayLike, d: ArrayLike) -> Floats:
    return np.asarray(y, dtype=np.float64) - np.asarray(d, dtype=np.float64)


def _penalty(name: str, params: PenaltyParams, vnfs: int) -> PenaltyForm:
    _check_length(f"{name}.weight", params.weight, vnfs)
    return PenaltyForm(params.form, _weight(params.weight), params.exponent)


def _weight(value: float | Sequence[float]) -> float | tuple[float, ...]:
    numbers = np.asarray(value, dtype=np.float64)
    return float(numbers) if numbers.ndim == 0 else tuple(numbers.tolist())


def _check_length(name: str, value: float | Sequence[float], vnfs: int) -> None:
    if isinstance(value, Sequence) and len(value) != vnfs:
        raise ParamsError(
            f"{name}: {len(value)} values for {vnfs} VNFs; give one number, or one per VNF"
        )
