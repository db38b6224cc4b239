"""What an operator would use without a DDNN."""

from ddnn.alternatives.clock import Clock
from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.alternatives.past import Alternative, Past
from ddnn.alternatives.roster import NAMES, Roster, from_json, to_json

__all__ = [
    "NAMES",
    "Alternative",
    "Clock",
    "LastValueHeadroom",
    "Past",
    "Roster",
    "from_json",
    "to_json",
]
