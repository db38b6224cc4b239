"""The named layer sizes of F0, F1 and F2."""

from dataclasses import dataclass

from ddnn.errors import ModelError


@dataclass(frozen=True)
class Conv:
    """One 3D convolution with same padding, followed by a ReLU."""

    filters: int
    kernel: int
    """Edge of the cubic kernel, in cells and slots."""


@dataclass(frozen=True)
class Preset:
    """Layers of a network with a local and a remote exit; they apply to any volume and any M.

    Every hidden layer is followed by a ReLU, every exit ends in a linear layer to the M VNFs.
    """

    name: str
    latent: tuple[Conv, ...]
    """F0."""
    local: tuple[int, ...] | None
    """Hidden dense sizes of F1; None: the network has a remote exit only."""
    remote: tuple[Conv, ...]
    """Convolutions of F2."""
    remote_dense: tuple[int, ...]
    """Hidden dense sizes of F2."""
    edge_dropout: bool = True
    """Dropout after F0's last ReLU (so on z) and after each hidden dense layer of F1."""
    remote_dropout: bool = False
    """Dropout after each convolution of F2."""
    dropout: float | None = None
    """The preset's own rate; None: the caller's."""
    learning_rate: float | None = None
    """The preset's own rate; None: the caller's."""


_PRESETS = {
    preset.name: preset
    for preset in (
        # Section V-A: "64 -> 49", "128 -> 64 and 64 -> 49" name the sizes between dense layers.
        Preset("paper", (Conv(32, 3),), (64,), (Conv(16, 5),), (128, 64)),
        # The sizes whose parameters and MACs are those of Table III, at a volume of 8 x 8 x 24.
        Preset("table3", (Conv(32, 3),), (128, 64), (Conv(16, 5),), (512, 128, 64)),
        # The network published with DeepCog (Bega et al., INFOCOM 2019), cut after its first layer.
        Preset(
            "deepcog_original",
            (Conv(32, 3),),
            None,
            (Conv(32, 6), Conv(16, 6)),
            (64, 32),
            edge_dropout=False,
            remote_dropout=True,
            dropout=0.3,
            learning_rate=5e-4,
        ),
    )
}


def find_preset(name: str) -> Preset:
    """Give the preset of that name.

    Raises:
        ModelError: There is none.
    """
    if name not in _PRESETS:
        raise ModelError(f"unknown preset {name!r}; known: {', '.join(_PRESETS)}")
    return _PRESETS[name]
