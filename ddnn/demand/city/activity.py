"""What one site sees over time: level, rhythm, drift, noise, spikes, events and rebuilding."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from ddnn.demand.city.coverage import radius
from ddnn.demand.city.rhythm import SLOTS_PER_DAY, WORKDAY, day_kind, rhythms, sways
from ddnn.demand.city.streams import stream

Array = NDArray[np.float64]

# Log activity per square. All constants below are tuned against the real squares: docs/city.md.
LEVEL, LEVEL_SLOPE = 4.85, -0.042  # and its change by square of distance from the centre
LEVEL_CENTRE, LEVEL_REACH = 1.55, 15.0  # a hill in the centre: height and width
LEVEL_FIELD, FIELD_LENGTH, FIELD_WAVES = 0.75, 13.0, 256  # levels of neighbouring sites are alike
LEVEL_SITE = 0.45  # and each has a share of its own: both are standard deviations

# How sites mix the kinds of place (home, office, nightlife, transit): a Dirichlet distribution.
PLACE_WEIGHT = np.array([0.65, 0.3, 0.3, 0.3])
SWAY = 0.065  # deviation of each of a site's own daily waves
WEEKEND = 0.08  # deviation of its own level on days off

# Slow departures from the rhythm: (standard deviation, time constant in slots).
DRIFTS = ((0.11, 10.0), (0.12, 60.0), (0.10, 500.0))
CITY_DRIFTS = ((0.03, 10.0), (0.05, 200.0))  # shared by all sites

NOISE = 0.101  # standard deviation, in log activity
NOISE_SITES = 0.25  # of the log of a site's own standard deviation
NOISE_LEVEL = -0.06  # relative noise falls with a site's level by this power
NOISE_RHYTHM = 0.65  # and grows with the time of day's activity by this one
NOISE_TAIL = 6.0  # degrees of freedom
NOISE_ECHO = 0.23  # correlation with the slot before
UNREST = ((0.35, 6.0),)  # how the log of its deviation drifts: restless and quiet hours

SPIKES = 15.0  # a day and site
SPIKE_SIZE = 0.18  # height in log activity: SPIKE_SIZE * E ** SPIKE_POWER
SPIKE_POWER = 1.06  # with E exponential of mean 1
SPIKE_ECHO = 0.15  # what is left of it a slot later

EVENTS = 0.04  # a day and site; venues have many, most sites few
EVENT_SIZE = 0.45  # median height, in log activity
EVENT_SPREAD = 0.6
EVENT_HOURS = (1.0, 5.0)

# Noise, spikes and events together stay within these, in log activity: of 10,000 squares some would
# else see a thousand times the usual. The 25 real squares go up to 13 times their mean.
DEEPEST, HIGHEST = -1.5, 2.6

REBUILDS = 1 / 400  # a day and site: from then on it serves more or less
REBUILD_SIZE = 0.5  # standard deviation, in log activity


@dataclass(frozen=True)
class _Site:
    """What stays the same for a site."""

    level: float
    places: Array  # weights of the kinds of place
    sways: Array
    weekend: float
    noise: float
    venue: float  # how many events, relative to the mean site


class Activity:
    """The activity of every site of one city; what all of them share is made once."""

    def __init__(self, days: int, seed: int) -> None:
        self.days = days
        self.seed = seed
        self._rhythms = np.exp(rhythms(days))
        self._sways = sways(days)
        self._weekend = np.repeat(
            [float(day_kind(d) != WORKDAY) for d in range(days)], SLOTS_PER_DAY
        )
        self._city = _drift(CITY_DRIFTS, days, seed, "city", 0)

    def of(self, site: int, position: Array, field: float) -> Array:
        """Give one site's activity per square that it covers, shape ``(days * 144,)``."""
        kind = _make_site(self.seed, site, position, field)
        rhythm = np.log(_blend(kind.places, self._rhythms)) + _blend(kind.sways, self._sways)
        rhythm += kind.weekend * self._weekend
        slots = rhythm.size
        unrest = _drift(UNREST, self.days, self.seed, "unrest", site)
        loud = kind.noise * np.exp(NOISE_RHYTHM * rhythm + unrest)
        short = _noise(slots, self.seed, site) * loud
        short += _spikes(slots, self.seed, site)
        short += _events(self.days, kind.venue, self.seed, site)
        log_activity = (
            kind.level
            + rhythm
            + self._city
            + _drift(DRIFTS, self.days, self.seed, "drift", site)
            + np.clip(short, DEEPEST, HIGHEST)
            + _rebuilds(self.days, self.seed, site)
        )
        return np.asarray(np.exp(log_activity))


def level_field(positions: Array, seed: int) -> Array:
    """Give the part of the log level that neighbouring sites share, shape ``(sites,)``.

    A Gaussian field with correlation ``exp(-distance / FIELD_LENGTH)``, as a sum of plane waves
    whose wave vectors are drawn from the field's spectrum (a Cauchy distribution in the plane).
    """
    random = stream(seed, "field")
    normal = random.standard_normal((FIELD_WAVES, 3))
    waves = normal[:, :2] / (np.abs(normal[:, 2:]) * FIELD_LENGTH)
    phases = 2 * np.pi * random.random(FIELD_WAVES)
    total = np.zeros(len(positions))
    for (down, right), phase in zip(waves, phases, strict=True):
        total += np.cos(positions[:, 0] * down + positions[:, 1] * right + phase)
    scale = LEVEL_FIELD * float(np.sqrt(2 / FIELD_WAVES))
    return scale * total


def _make_site(seed: int, site: int, position: Array, field: float) -> _Site:
    random = stream(seed, "site", site)
    away = float(radius(position))
    level = LEVEL + LEVEL_SLOPE * away + LEVEL_CENTRE * np.exp(-((away / LEVEL_REACH) ** 2))
    level += field + LEVEL_SITE * random.standard_normal()
    places = random.dirichlet(PLACE_WEIGHT)
    waves = SWAY * random.standard_normal(8)
    weekend = WEEKEND * random.standard_normal()
    noise = NOISE * np.exp(NOISE_SITES * random.standard_normal() + NOISE_LEVEL * (level - 5.0))
    venue = random.gamma(0.4, 1 / 0.4)
    return _Site(level, places, waves, weekend, noise, venue)


def _blend(weights: Array, series: Array) -> Array:
    # Term by term: a matrix product may round differently for another number of slots.
    total = np.zeros(series.shape[1])
    for weight, one in zip(weights, series, strict=True):
        total += weight * one
    return total


def _drift(
    parts: tuple[tuple[float, float], ...], days: int, seed: int, name: str, owner: int
) -> Array:
    total = np.zeros(days * SLOTS_PER_DAY)
    for number, (deviation, slots) in enumerate(parts):
        random = stream(seed, f"{name} {number}", owner)
        memory = np.exp(-1 / slots)
        start = random.standard_normal()
        steps = np.sqrt(1 - memory * memory) * random.standard_normal(total.size)
        total += deviation * lfilter([1.0], [1.0, -memory], steps, zi=[memory * start])[0]
    return total


def _noise(slots: int, seed: int, site: int) -> Array:
    """Heavy-tailed noise of unit variance, with a little memory."""
    steps = stream(seed, "noise", site).standard_t(NOISE_TAIL, slots)
    steps *= np.sqrt((NOISE_TAIL - 2) / NOISE_TAIL * (1 - NOISE_ECHO**2))
    return np.asarray(lfilter([1.0], [1.0, -NOISE_ECHO], steps))


def _spikes(slots: int, seed: int, site: int) -> Array:
    """Short bursts, up at once and gone after a slot or two; many small ones, few large ones."""
    draws = stream(seed, "spikes", site).random((slots, 2))
    starts = draws[:, 0] < SPIKES / SLOTS_PER_DAY
    exponential = -np.log1p(-draws[:, 1])
    heights = np.where(starts, SPIKE_SIZE * exponential**SPIKE_POWER, 0.0)
    return np.asarray(lfilter([1.0], [1.0, -SPIKE_ECHO], heights))


def _events(days: int, venue: float, seed: int, site: int) -> Array:
    """Crowds that come and go within hours, none over midnight."""
    total = np.zeros((days, SLOTS_PER_DAY))
    draws = stream(seed, "events", site).random((days, 3))
    sizes = stream(seed, "event sizes", site).standard_normal(days)
    hours = np.arange(SLOTS_PER_DAY) / SLOTS_PER_DAY * 24
    for day in np.flatnonzero(draws[:, 0] < EVENTS * venue):
        length = EVENT_HOURS[0] + (EVENT_HOURS[1] - EVENT_HOURS[0]) * draws[day, 1]
        middle = length / 2 + (24 - length) * draws[day, 2]
        away = np.clip(np.abs(hours - middle) / (length / 2), 0, 1)
        height = EVENT_SIZE * np.exp(EVENT_SPREAD * sizes[day])
        total[day] = height * (1 - away**2) ** 2
    return total.ravel()


def _rebuilds(days: int, seed: int, site: int) -> Array:
    """Lasting changes of a site's load, when the network around it is rebuilt."""
    draws = stream(seed, "rebuilds", site).random((days, 2))
    sizes = stream(seed, "rebuild sizes", site).standard_normal(days)
    steps = np.zeros((days, SLOTS_PER_DAY))
    for day in np.flatnonzero(draws[:, 0] < REBUILDS):
        steps[day, int(draws[day, 1] * SLOTS_PER_DAY)] = REBUILD_SIZE * sizes[day]
    return np.cumsum(steps)
