"""How far the mean city may be from the real squares, property by property."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """An allowed distance from the real value: absolute, or a share of it."""

    size: float
    relative: bool = False

    def agrees(self, real: float, city: float) -> bool:
        """Say whether the city is near enough."""
        return abs(city - real) <= self.size * (abs(real) if self.relative else 1.0)

    def __str__(self) -> str:
        return f"± {self.size:.0%}" if self.relative else f"± {self.size:g}"


# The longest prefix of a property's name decides.
_BY_PREFIX = {
    "level: mean of log": Tolerance(0.3),
    "level: deviation of log": Tolerance(0.15),
    "level: largest": Tolerance(0.2, relative=True),
    "level: smallest": Tolerance(0.2, relative=True),
    "profile": Tolerance(0.06),
    "profile: spread": Tolerance(0.03),
    "noise: exponent": Tolerance(0.2),
    "noise: at level 200": Tolerance(0.15, relative=True),
    "noise: deviation": Tolerance(0.1, relative=True),
    "noise: spread": Tolerance(0.05),
    "noise: one-step change": Tolerance(0.03),
    "departure: deviation": Tolerance(0.1, relative=True),
    "departure: autocorrelation": Tolerance(0.05),
    "neighbours": Tolerance(0.06),
    "bursts": Tolerance(0.25, relative=True),
    "one step: R2": Tolerance(0.05),
    "one step: ridge": Tolerance(0.03),
    "last value": Tolerance(0.1, relative=True),
    "boosting": Tolerance(0.03),
    "city level: log": Tolerance(0.35),
    "city level: correlation": Tolerance(0.1),
    "city neighbours": Tolerance(0.06),
    "city noise": Tolerance(0.15, relative=True),
}


def tolerance_of(name: str) -> Tolerance:
    """Give the tolerance of a property."""
    prefix = max((known for known in _BY_PREFIX if name.startswith(known)), key=len)
    return _BY_PREFIX[prefix]
