"""The command ``ddnn-edge``."""

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path

from ddnn.errors import ParamsError
from ddnn.runtime.cloud_link import CloudLink
from ddnn.runtime.ddnn_pb2_grpc import add_EdgeServicer_to_server
from ddnn.runtime.decider import Decider
from ddnn.runtime.edge import EdgeServicer
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.process import (
    Health,
    common_options,
    in_background,
    read_settings,
    run,
    until_told,
)
from ddnn.runtime.security import add_port, make_server
from ddnn.runtime.telemetry import EdgeMetrics, say, serve_metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Decide, slot by slot, until SIGTERM."""
    parser = common_options("ddnn-edge", "Decides and allocates, slot by slot.")
    parser.add_argument("--name", required=True, help="of this edge; no two of a cloud share one")
    parser.add_argument("--state", type=Path, required=True, help="folder that survives restarts")
    options = parser.parse_args(arguments)
    run("ddnn-edge", lambda: _serve(options))


async def _serve(options: argparse.Namespace) -> None:
    everything = read_settings(options)
    settings, link = everything.edge, everything.link
    try:
        options.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParamsError(f"--state {options.state}: {error.strerror}") from error
    metrics = EdgeMetrics()
    cloud = CloudLink(
        options.name,
        settings.cloud,
        link,
        settings.payload,
        session=secrets.randbits(32),
        count=lambda way, size: metrics.bytes.labels(way).inc(size),
    )
    servicer = EdgeServicer(
        Decider(settings, cloud, metrics),
        cloud,
        ModelStore(options.models),
        options.state / f"{options.name}.json",
        settings,
        metrics,
    )
    server = make_server(link)
    add_EdgeServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    health = Health(server, "ddnn.v1.Edge")
    page = serve_metrics(link, settings.metrics, metrics.registry, "edge.metrics")
    port = add_port(server, link, settings.listen, "edge.listen")
    await servicer.start()
    await health.tell(servicer.ready)
    await server.start()
    say("serving", process="edge", port=port, metrics_port=page, ready=servicer.ready)

    async def get_ready() -> None:
        await servicer.has_model.wait()
        await health.tell(True)

    async with in_background(servicer.follow_models()), in_background(get_ready()):
        await until_told(server, health, settings.deadline_ms / 1000 + 1.0)
    await servicer.close()
    await cloud.close()
    say("stopped", process="edge")


if __name__ == "__main__":
    main()
