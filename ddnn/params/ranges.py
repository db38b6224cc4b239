"""What all settings share: ranges, and what a group of them is."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
PerVnf = NonNegative | Annotated[list[NonNegative], Field(min_length=1)]
Overrides = dict[str, Any]
"""Dotted keys (``setting.c_u``) with the values that they take."""


class Group(BaseModel):
    """Settings that belong together: no others, and none changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
