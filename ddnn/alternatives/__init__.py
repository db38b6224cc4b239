"""What an operator would use without a DDNN; ``roster``, which takes LightGBM, has all of it."""

from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.alternatives.past import Alternative, Past

__all__ = ["Alternative", "LastValueHeadroom", "Past"]
