import numpy as np
import pytest

from ddnn.offload.known import Known
from tests.ddnn.offload.knowing import make_known


def test_a_part_is_some_of_the_decisions() -> None:
    known = make_known(decisions=9)
    part = known.part(slice(2, 5))
    assert len(part) == 3
    assert (part.local == known.local[2:5]).all()
    assert (part.predicted.spread == known.predicted.spread[2:5]).all()
    assert (part.recent == known.recent[2:5]).all()
    assert (part.calendar == known.calendar[2:5]).all()


@pytest.mark.parametrize("name", ["local", "recent", "calendar"])
def test_arrays_of_other_decisions_are_refused(name: str) -> None:
    known = make_known(decisions=9)
    arrays = {each: getattr(known, each) for each in ("local", "recent", "calendar")}
    arrays[name] = arrays[name][1:]
    with pytest.raises(ValueError, match="past demand"):
        Known(known.predicted, **arrays)


def test_a_network_that_gives_float32_is_understood() -> None:
    known = make_known(decisions=2)
    local = known.local.astype(np.float32)
    assert len(Known(known.predicted, local, known.recent, known.calendar)) == 2
