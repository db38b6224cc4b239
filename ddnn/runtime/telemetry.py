"""What the processes tell: Prometheus metrics, and log lines that are JSON objects."""

import json
import logging
import sys
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.registry import Collector

from ddnn.errors import ParamsError
from ddnn.runtime.security import check_exposure
from ddnn.serve_settings import LinkSettings, check_address

log = logging.getLogger("ddnn.serve")

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
EXITS = ("local", "remote", "fallback", "cold")


class EdgeMetrics:
    """Of ``ddnn-edge``; docs/operations.md says what each means."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.decisions = Counter(
            "ddnn_edge_decisions", "Answers, by the exit that gave them", ["exit"], registry=r
        )
        self.fallbacks = Counter(
            "ddnn_edge_fallbacks", "Offloaded decisions answered locally", ["reason"], registry=r
        )
        self.refused = Counter(
            "ddnn_edge_refused", "Demand that was not taken", ["reason"], registry=r
        )
        self.seconds = Histogram(
            "ddnn_edge_answer_seconds",
            "From a demand's arrival to its answer",
            ["exit"],
            buckets=_SECONDS,
            registry=r,
        )
        self.bytes = Counter(
            "ddnn_edge_cloud_bytes", "Bytes of messages to and from the cloud", ["way"], registry=r
        )
        self.wanted = Gauge("ddnn_edge_l0", "Wanted share of local decisions", registry=r)
        self.share = Gauge(
            "ddnn_edge_local_share", "Share decided local, over the newest day", registry=r
        )
        self.score = Gauge("ddnn_edge_score", "Newest score of the rule", registry=r)
        self.threshold = Gauge("ddnn_edge_threshold", "Newest threshold", registry=r)
        self.drift = Gauge(
            "ddnn_edge_score_drift",
            "Distance of the newest day's scores from the calibration's, 0 to 1",
            registry=r,
        )
        self.cost = Counter(
            "ddnn_edge_realised_cost", "Cost of past allocations, in full scales", registry=r
        )
        self.judged = Counter(
            "ddnn_edge_judged_slots", "Allocations whose demand is known by now", registry=r
        )
        self.violations = Counter(
            "ddnn_edge_violations", "Series-slots with less allocated than needed", registry=r
        )
        self.price = Gauge(
            "ddnn_edge_capacity_price",
            "Under a cap: what a unit more of capacity would save, in cost",
            registry=r,
        )
        self.gap = Gauge(
            "ddnn_edge_capacity_gap",
            "Under a cap: what the best allocations could be cheaper by, at most",
            registry=r,
        )
        self.capped = Counter("ddnn_edge_capped", "Answers that the cap has changed", registry=r)
        self.unknown = Gauge(
            "ddnn_edge_unknown_context", "Parts of the context not wholly known", registry=r
        )
        self.filled = Counter("ddnn_edge_filled_slots", "Missing slots repaired", registry=r)
        self.newest = Gauge(
            "ddnn_edge_newest_slot", "Start of the newest slot, epoch seconds", registry=r
        )
        self.swaps = Counter("ddnn_edge_swaps", "Changes of the model", ["result"], registry=r)
        self.saves = Counter("ddnn_edge_failed_saves", "State that was not saved", registry=r)
        self.model = Gauge("ddnn_edge_model", "1 for the model in use", ["model"], registry=r)
        for exit_ in EXITS:  # from the start at 0, so that a rate can be seen
            self.decisions.labels(exit_)


class CloudMetrics:
    """Of ``ddnn-cloud``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "ddnn_cloud_requests", "Offloaded decisions, by result", ["result"], registry=r
        )
        self.seconds = Histogram(
            "ddnn_cloud_seconds",
            "From a request's arrival to its answer",
            registry=r,
            buckets=_SECONDS,
        )
        self.batch = Histogram(
            "ddnn_cloud_batch",
            "Decisions that ran at once",
            registry=r,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )
        self.queue = Gauge("ddnn_cloud_queue", "Decisions that wait", registry=r)
        self.clients = Gauge("ddnn_cloud_clients", "Edges that were heard of lately", registry=r)
        self.bytes = Counter("ddnn_cloud_bytes", "Bytes of messages", ["way"], registry=r)
        self.swaps = Counter("ddnn_cloud_swaps", "Changes of the model", ["result"], registry=r)
        self.model = Gauge("ddnn_cloud_model", "1 for each model served", ["model"], registry=r)
        self.requests.labels("answered")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        return json.dumps(line, default=str)


def log_json(level: int = logging.INFO) -> None:
    """Write the log as one JSON object a line, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level)


def say(event: str, level: int = logging.INFO, **facts: Any) -> None:
    """Log an event with its facts."""
    log.log(level, event, extra={"facts": facts})


def serve_metrics(link: LinkSettings, address: str, registry: Collector, what: str) -> int:
    """Serve the Prometheus page, and give its port.

    Raises:
        ParamsError: The address is exposed without client certificates, or cannot be bound.
    """
    check_exposure(link, address, what, token_counts=False)
    host, port = check_address(what, address)
    try:
        server, _ = start_http_server(
            port,
            addr=host,
            registry=registry,
            certfile=link.certificate,
            keyfile=link.key,
            client_cafile=link.authority,
            client_auth_required=link.authority is not None,
        )
    except OSError as error:
        raise ParamsError(
            f"serve.{what}: cannot listen on {address} ({error.strerror}); is another process "
            "there?"
        ) from error
    return int(server.server_port)
