"""Settings and numbers on their way into a run of MLflow, in batches."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from ddnn.params import Params
from tasks.run_record import Point, flat_params


def log_params(client: MlflowClient, run_id: str, params: Params) -> None:
    """Log all settings by dotted name."""
    for chunk in _chunks([Param(*item) for item in flat_params(params).items()], 100):
        client.log_batch(run_id, params=chunk)


def log_points(client: MlflowClient, run_id: str, points: list[Point]) -> None:
    """Log values of metrics: single ones take 22 ms each, so in batches of MLflow's largest."""
    now = int(time.time() * 1000)
    metrics = [Metric(point.name, point.value, now, point.step) for point in points]
    for chunk in _chunks(metrics, 1000):
        client.log_batch(run_id, metrics=chunk)


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
