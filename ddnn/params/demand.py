"""Settings of the demand: where it comes from, how it is mended, and its days."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from ddnn.params.ranges import Group


class GapParams(Group):
    """How missing demand is repaired."""

    policy: Literal["interpolate", "previous", "day_ago"]
    longest: Annotated[int, Field(ge=0)]
    """Longest gap that is repaired, in slots; a longer one is refused."""


class CityParams(Group):
    """The synthetic city."""

    squares: Annotated[int, Field(ge=1)]
    days: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]


class MatrixParams(Group):
    """A matrix file of the user's own: time x series."""

    path: Path | None


class MilanoRawParams(Group):
    """A folder of raw Milano day files."""

    folder: Path | None
    squares: Annotated[list[int], Field(min_length=1)] | None


Square = Annotated[int, Field(ge=1, le=10_000)]


class MilanoParams(Group):
    """The published Milano days; all has a default, for records from before it was there."""

    host: Literal["dataverse", "zenodo"] = "dataverse"
    """``zenodo`` needs the package's extra of that name."""
    folder: Path | None = None
    """Where the days are kept; None: ``milano`` in the project's state folder."""
    days: tuple[date, date] | None = None
    """First and last day; None: all that are published."""
    keep_raw: bool = False
    """Keep the raw files, about 300 MB a day."""
    at_once: Annotated[int, Field(ge=1, le=8)] = 3
    """Files fetched at a time."""
    server: Annotated[str, Field(pattern=r"^https?://[^\s/]+$")] = "https://dataverse.harvard.edu"
    doi: Annotated[str, Field(pattern=r"^doi:\S+$")] = "doi:10.7910/DVN/EGZHFV"
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    """Of the published set; None: the newest when its file list is first fetched."""

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if self.days is not None and self.days[0] > self.days[1]:
            raise ValueError("days: the first day comes after the last")
        return self


class SelectParams(Group):
    """Which series are taken: exactly one of the four."""

    squares: Annotated[list[int | str], Field(min_length=1)] | None = None
    """Names of series (of a matrix: its columns), in this order."""
    block: tuple[Square, Square] | None = None
    """Squares of Milano at opposite corners of a rectangle."""
    polygon: Path | None = None
    """GeoJSON (WGS 84): the squares of Milano whose centre is in it."""
    random: Annotated[int, Field(ge=1)] | None = None
    """So many, by lot."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the lot."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.squares, self.block, self.polygon, self.random)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of squares, block, polygon and random")
        if self.squares is not None:
            names = [str(square) for square in self.squares]
            if len(set(names)) < len(names):
                raise ValueError("squares: one occurs twice; name it once")
        return self


class DownloadParams(Group):
    """Where demand comes from."""

    source: Literal["city", "matrix", "milano", "milano_raw"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] | None
    timezone: str
    unit: str
    gaps: GapParams
    city: CityParams
    matrix: MatrixParams
    milano_raw: MilanoRawParams
    milano: MilanoParams = MilanoParams()
    select: SelectParams | None = None

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no time zone; write an IANA name, as Europe/Rome") from error
        return name

    @model_validator(mode="after")
    def _source_has_its_place(self) -> Self:
        if self.source == "matrix" and self.matrix.path is None:
            raise ValueError("source: matrix needs download.matrix.path")
        if self.source == "milano_raw" and self.milano_raw.folder is None:
            raise ValueError("source: milano_raw needs download.milano_raw.folder")
        if self.select is not None:
            if self.source == "city":
                raise ValueError("select: a city has as many squares as city.squares says")
            if self.source == "milano_raw" and self.milano_raw.squares is not None:
                raise ValueError("select and milano_raw.squares both choose; give one of them")
        return self


class SplitParams(Group):
    """Training, validation, calibration and test, in days back from the last slot."""

    test_days: Annotated[int, Field(ge=1)]
    validation_days: Annotated[int, Field(ge=2)]
    calibration_days: Annotated[int, Field(ge=1)]
    paper_test_slots: bool

    @model_validator(mode="after")
    def _calibration_is_part_of_validation(self) -> Self:
        if self.calibration_days >= self.validation_days:
            raise ValueError("calibration_days must leave at least one of the validation_days")
        return self
