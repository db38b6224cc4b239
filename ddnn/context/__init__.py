"""What a decision may know beside its window: the calendar, and slots a day and a week ago."""

from ddnn.context.clock import Clock
from ddnn.context.context import Context, Reaches, build_context
from ddnn.context.view import Reach, View, build_view

__all__ = ["Clock", "Context", "Reach", "Reaches", "View", "build_context", "build_view"]
