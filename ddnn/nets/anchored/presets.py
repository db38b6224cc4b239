"""The named layer sizes of the exits that predict a distribution."""

from dataclasses import dataclass

from ddnn.context import Clock, Reach, Reaches
from ddnn.errors import ModelError

_LONGEST = 288  # slots; minute-wise demand would otherwise make the cloud's first layer huge


@dataclass(frozen=True)
class AnchoredPreset:
    """Layers over the grid's cells and the bounds that keep a spike harmless.

    Every hidden layer is followed by a ReLU. Bounds are in spreads of a series (see
    :class:`~ddnn.nets.anchored.statistics.SeriesStatistics`).
    """

    name: str
    latent: tuple[int, ...]
    """F0: channels of its 3 x 3 convolutions."""
    local: tuple[int, ...]
    """F1: channels of its hidden 1 x 1 layers, the same for all cells."""
    memory: int
    """F2: channels that the cloud's own history is brought down to, cell by cell."""
    remote: tuple[int, ...]
    """F2: channels of its 3 x 3 convolutions over z and the memory."""
    remote_dense: tuple[int, ...]
    """F2: channels of its hidden 1 x 1 layers."""
    around: int = 2
    """Slots on either side of the one a day and a week ago that the edge sees."""
    cloud_around: int = 6
    cloud_days: int = 1
    """Days of newest slots that the cloud sees."""
    input_bound: float = 3.0
    """Inputs are cut here."""
    residual_bound: float = 12.0
    """How far from the last value a location can be."""
    spread_bound: float = 3.0
    """A spread is at most exp(this) times the series' own, and at least exp(-this) times."""
    dof: float | None = None
    """Degrees of freedom of Student's t; None: learned, one for each exit."""

    def reaches(self, N: int, clock: Clock) -> Reaches:
        """Say how far back both sides look, with N newest slots at the edge."""
        lags = (clock.slots_in(1), clock.slots_in(7))
        day = min(clock.slots_in(self.cloud_days), _LONGEST)
        edge = Reach(N, self.around, lags)
        return Reaches(edge, Reach(max(N, day), max(self.around, self.cloud_around), lags))


_PRESETS = {
    preset.name: preset for preset in (AnchoredPreset("anchored", (32,), (32,), 16, (32,), (32,)),)
}


def find_anchored(name: str) -> AnchoredPreset:
    """Give the preset of that name.

    Raises:
        ModelError: There is none.
    """
    if name not in _PRESETS:
        raise ModelError(f"unknown preset {name!r}; known: {', '.join(_PRESETS)}")
    return _PRESETS[name]
