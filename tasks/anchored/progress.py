"""How far a row of trainings is, as one: a bar on a terminal, else a line now and then."""

from collections.abc import Mapping

from ddnn.training.anchored import LikelihoodRecord
from tasks.progress import EpochProgress
from tasks.standard_error import say


class RowProgress(EpochProgress):
    """Context manager that is told each epoch of trainings that follow one another."""

    def __init__(self, name: str, epochs: Mapping[str, int]) -> None:
        """Start.

        Args:
            name: Of the stage.
            epochs: Of each training, by its name, in their order.
        """
        self._before = {each: sum(list(epochs.values())[:i]) for i, each in enumerate(epochs)}
        self._number = {each: f"{i} of {len(epochs)}" for i, each in enumerate(epochs, start=1)}
        total = sum(epochs.values())
        super().__init__(name, total, patience=total)

    def tell(self, training: str, record: LikelihoodRecord) -> None:
        """Show one epoch."""
        done = self._before[training] + record.epoch
        if self._last_epoch is None and done > 1:
            say(f"{self.name}: goes on after epoch {done - 1}")
        self._last_epoch = done
        named = (("local", record.local), ("remote", record.remote))
        likelihoods = [f"{exit} {value:.3f}" for exit, value in named if value is not None]
        said = ", ".join([f"training {self._number[training]}", *likelihoods])
        if self._bar.disable:
            if self._lines.due():
                say(f"{self.name}: epoch {done}, {said}")
        else:
            self._bar.set_postfix_str(said, refresh=False)
            self._bar.update(done - self._bar.n)
