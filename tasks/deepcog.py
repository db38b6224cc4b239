"""Stage ``deepcog``: the centralised baseline, one exit behind all layers."""

from tasks.stage import Stage
from tasks.train import train_preset


def run(stage: Stage) -> None:
    """Write exits.safetensors, exits.json and history.csv of a training with w = 0."""
    preset = stage.params.deepcog.preset or stage.params.train.preset
    train_preset(stage, "deepcog", preset, w=0.0)
