"""The random numbers of a slot: the same at the edge and in the evaluation (numpy only)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RANDOM_STREAM = 1  # keeps Random's numbers apart from the Uncertainty Rule's masks
_MASK_STREAM = 2


def slot_generator(seed: int, stream: int, slot: int, part: int = 0) -> np.random.Generator:
    """Give the random numbers of one slot, the same in any batch and in any order.

    Philox is counter-based: its key is (seed and stream, slot), and ``part`` sets the counter's
    highest word, so that the parts of a slot do not overlap.
    """
    first = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    key = np.array([first, slot], dtype=np.uint64)
    counter = np.array([0, 0, 0, part], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def uniform_scores(seed: int, slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """Draw the scores of the rule Random: ``(K,)`` uniform in [0, 1), one for each slot."""
    return np.array([slot_generator(seed, RANDOM_STREAM, int(slot)).random() for slot in slots])


def keep_masks(
    seed: int,
    slots: NDArray[np.int64],
    passes: int,
    shapes: Sequence[tuple[int, ...]],
    dropout: float,
) -> list[NDArray[np.float32]]:
    """Draw the 0/1 keep masks of the B passes of some slots.

    Args:
        seed: Of the masks.
        slots: ``(K,)``.
        passes: B.
        shapes: Of one sample's mask, for each place of dropout.
        dropout: Share that is dropped.

    Returns:
        For each place an array ``(K * B, *shape)``; the passes of a slot follow one another.
    """
    sizes = [int(np.prod(shape)) for shape in shapes]
    keep = np.float32(1 - dropout)
    drawn = np.empty((len(slots) * passes, sum(sizes)), dtype=np.float32)
    for row in range(len(drawn)):
        slot, turn = divmod(row, passes)
        generator = slot_generator(seed, _MASK_STREAM, int(slots[slot]), part=turn)
        drawn[row] = generator.random(sum(sizes), dtype=np.float32) < keep
    flat = np.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    return [part.reshape(len(drawn), *shape) for part, shape in zip(flat, shapes, strict=True)]
