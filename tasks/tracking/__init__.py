"""The one tracker: runs, data sets, models and the champion, in MLflow; none else imports it.

A run is written from finished artefacts, so nothing is RUNNING while a stage trains. Importing
this package imports MLflow (a second or two): commands do it late.
"""

from tasks.champion import ChampionRef, Verdict, model_name
from tasks.tracking.city import close_city, log_site, open_city
from tasks.tracking.nested import TrackedParent
from tasks.tracking.paper import close_paper, log_member, open_paper
from tasks.tracking.registry import (
    champion,
    champions,
    fetch_bundle,
    model_of_run,
    newest_city_days,
    promote,
    rollback,
)
from tasks.tracking.runs import TrackedRun, log_failure, log_pipeline
from tasks.tracking.store import TrackingError, prepare, sweep_stale_runs, tracking_uri

__all__ = [
    "ChampionRef",
    "TrackedParent",
    "TrackedRun",
    "TrackingError",
    "Verdict",
    "champion",
    "champions",
    "close_city",
    "close_paper",
    "fetch_bundle",
    "log_failure",
    "log_member",
    "log_pipeline",
    "log_site",
    "model_name",
    "model_of_run",
    "newest_city_days",
    "open_city",
    "open_paper",
    "prepare",
    "promote",
    "rollback",
    "sweep_stale_runs",
    "tracking_uri",
]
