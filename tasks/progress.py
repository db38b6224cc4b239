"""How far a training is, on standard error: a bar on a terminal, else a line now and then."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from ddnn.training.joint_exit import EpochRecord
from tasks.standard_error import NowAndThen, position, say


class EpochProgress:
    """Context manager that is called with each epoch."""

    def __init__(self, name: str, max_epochs: int, patience: int) -> None:
        self.name = name
        self.patience = patience
        self._best_epoch: int | None = None
        self._last_epoch: int | None = None
        self._lines = NowAndThen()
        self._bar = tqdm(
            total=max_epochs,
            desc=name,
            unit="epoch",
            position=position(),
            leave=False,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def __call__(self, record: EpochRecord) -> None:
        """Show one epoch."""
        if self._last_epoch is None and record.epoch > 1:
            say(f"{self.name}: goes on after epoch {record.epoch - 1}")
        self._last_epoch = record.epoch
        if record.best:
            self._best_epoch = record.epoch
        named = (("local", record.local_cost), ("remote", record.remote_cost))
        costs = ", ".join(f"{exit} {cost:.3f}" for exit, cost in named if cost is not None)
        said = costs
        if self._best_epoch is not None:  # not yet known to a training that was taken up again
            left = max(self.patience - (record.epoch - self._best_epoch), 0)
            said += f", best at {self._best_epoch}, patience {left}"
        if self._bar.disable:
            if self._lines.due():
                say(f"{self.name}: epoch {record.epoch}, {said}")
        else:
            self._bar.set_postfix_str(said, refresh=False)
            self._bar.update(record.epoch - self._bar.n)
