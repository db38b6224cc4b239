"""The command ``ddnn-cloud``."""

import argparse
import asyncio
from collections.abc import Sequence

from ddnn.runtime.cloud import CloudServicer
from ddnn.runtime.ddnn_pb2_grpc import add_CloudServicer_to_server
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
from ddnn.runtime.telemetry import CloudMetrics, say, serve_metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve offloaded decisions until SIGTERM."""
    parser = common_options("ddnn-cloud", "Answers the decisions that edges offload.")
    options = parser.parse_args(arguments)
    run("ddnn-cloud", lambda: _serve(options))


async def _serve(options: argparse.Namespace) -> None:
    everything = read_settings(options)
    settings, link = everything.cloud, everything.link
    metrics = CloudMetrics()
    server = make_server(link)
    servicer = CloudServicer(ModelStore(options.models), settings, metrics)
    add_CloudServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    health = Health(server, "ddnn.v1.Cloud")
    page = serve_metrics(link, settings.metrics, metrics.registry, "cloud.metrics")
    port = add_port(server, link, settings.listen, "cloud.listen")
    await servicer.refresh()
    await health.tell(servicer.ready)
    await server.start()
    say("serving", process="cloud", port=port, metrics_port=page, ready=servicer.ready)

    async def follow() -> None:
        while True:
            await asyncio.sleep(settings.poll_seconds)
            if await servicer.refresh():
                await health.tell(servicer.ready)

    async with in_background(follow()):
        await until_told(server, health, settings.drain_seconds)
    await servicer.close()
    say("stopped", process="cloud")


if __name__ == "__main__":
    main()
