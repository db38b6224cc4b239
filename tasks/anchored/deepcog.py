"""Stage ``deepcog`` beside the preset ``anchored``: the paper's layers with w = 0, if no other."""

from tasks.stage import Stage
from tasks.train import train_preset


def run(stage: Stage) -> None:
    """Write exits.safetensors, exits.json and history.csv of a training with w = 0."""
    train_preset(stage, "deepcog", stage.params.deepcog.preset or "paper", w=0.0)
