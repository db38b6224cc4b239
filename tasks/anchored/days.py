"""Which days the exits that predict a distribution learn from."""

from ddnn.demand import Split


def trained_on(split: Split) -> range:
    """Give the slots of all days before the test, from the first with a full window on."""
    # Validation days too: they are the newest, and folds that leave days out judge in their place.
    return range(split.train.start, split.validation.stop)
