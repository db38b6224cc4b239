"""What an operator would use without a DDNN."""

from ddnn.alternatives.last_value import LastValueHeadroom

__all__ = ["LastValueHeadroom"]
