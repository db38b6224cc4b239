"""The settings of the serving processes: the group `serve` of params.yaml, without pydantic.

An edge node has neither pydantic nor YAML. So these are plain dataclasses that check themselves;
params.py takes them as they are, and the processes read them from the JSON that the checkout
writes (``ddnn serve-settings``).
"""

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from ddnn.errors import ParamsError

Payload = Literal["latent", "latent_int8", "demand", "newest"]


class _Checked:
    # Read by pydantic where params.yaml is checked.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class EdgeSettings(_Checked):
    """Of ``ddnn-edge``."""

    listen: str
    """Host and port of its own service."""
    cloud: str
    """Host and port of the cloud."""
    metrics: str
    """Host and port of the Prometheus page."""
    payload: Payload
    """What an offloaded decision sends: z in float32, z in 8 bits, D, or the newest demand."""
    rule: str | None
    """Offloading rule; null: the model's own."""
    l0: float | None
    """Wanted share of local decisions; null: the model's own."""
    precision: Literal["fp32", "int8"]
    """Of the weights in the wide layers at the edge."""
    deadline_ms: float
    """From a demand's arrival until its caller is to have an answer: nine tenths of it for the
    cloud, the rest for the answer's way."""
    threshold: Literal["fixed", "tracked"]
    """The calibrated threshold, or one that follows the scores to keep L0."""
    tracker_days: float
    """Days of scores that a tracked threshold is a quantile of."""
    horizon_days: float
    """Days within which a tracked threshold makes up for a local share that fell short."""
    cap: float | None
    """Most that is allocated to all series together, in the user's unit; null: no cap."""
    shadow: bool
    """Decide and log, but give no allocation."""
    history_slots: int
    """Slots of demand that are kept; never fewer than the model needs."""
    poll_seconds: float
    """How often the edge asks the cloud for a newer model."""
    threads: int
    """Of onnxruntime."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("listen", "cloud", "metrics"):
            check_address(name, getattr(self, name))
        _positive(self, "deadline_ms", "tracker_days", "horizon_days", "poll_seconds")
        _at_least_one(self, "history_slots", "threads")
        if self.l0 is not None and not 0 <= self.l0 <= 1:
            raise ValueError(f"l0: must lie in [0, 1], but is {self.l0}")
        if self.cap is not None:
            _positive(self, "cap")


@dataclass(frozen=True)
class CloudSettings(_Checked):
    """Of ``ddnn-cloud``."""

    listen: str
    metrics: str
    max_batch: int
    """Decisions that run at once."""
    max_queue: int
    """Decisions that may wait; one more is refused."""
    max_clients: int
    """Edges that are served; one more is refused until another has been silent for a while."""
    drain_seconds: float
    """How long a stopping cloud finishes what it has begun."""
    keep_models: int
    """Models that are served side by side: the current one and those before it."""
    poll_seconds: float
    """How often it looks for a newly published model."""
    threads: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("listen", "metrics"):
            check_address(name, getattr(self, name))
        _positive(self, "drain_seconds", "poll_seconds")
        _at_least_one(self, "max_batch", "max_queue", "max_clients", "keep_models", "threads")


@dataclass(frozen=True)
class LinkSettings(_Checked):
    """Of every connection, at both ends."""

    message_bytes: int
    """Largest message that is taken."""
    bundle_bytes: int
    """Largest edge half that an edge pulls."""
    message_seconds: float
    """Longest that a message may take to arrive; then its call, or its connection, is ended."""
    max_calls: int
    """Calls that a process answers at once; one more is refused."""
    max_connections: int
    """Connections to a process; one more is closed."""
    connection_seconds: float
    """Oldest that a connection grows; peers connect again by themselves."""
    certificate: str | None
    """PEM file; needed for any address but loopback."""
    key: str | None
    """PEM file of the certificate's private key."""
    authority: str | None
    """PEM file of the authority that signed the peers' certificates; a server then asks for one."""
    token_file: str | None
    """File with a secret that a client has to bring."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _positive(self, "message_seconds", "connection_seconds")
        _at_least_one(self, "message_bytes", "bundle_bytes", "max_calls", "max_connections")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both or neither")


@dataclass(frozen=True)
class ServeSettings(_Checked):
    """The whole group."""

    edge: EdgeSettings
    cloud: CloudSettings
    link: LinkSettings

    def to_json(self) -> str:
        """Give the text that :func:`load_settings` reads."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def load_settings(path: Path, overrides: Sequence[str] = ()) -> ServeSettings:
    """Read the settings that the checkout wrote, with ``GROUP.KEY=VALUE`` in place of the file's.

    Raises:
        ParamsError: The file cannot be read, or a key is unknown, missing or out of range.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParamsError(f"{path}: cannot be read as settings ({error})") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: holds no settings; write them with `ddnn serve-settings`")
    for text in overrides:
        _override(values, text)
    unknown = values.keys() - {field.name for field in fields(ServeSettings)}
    if unknown:
        raise ParamsError(f"{path}: there is no group {min(unknown)}")
    return ServeSettings(
        edge=_build(EdgeSettings, values.get("edge"), f"{path}: edge"),
        cloud=_build(CloudSettings, values.get("cloud"), f"{path}: cloud"),
        link=_build(LinkSettings, values.get("link"), f"{path}: link"),
    )


def change_edge(settings: ServeSettings, **changes: Any) -> ServeSettings:
    """Give the same settings with others for the edge."""
    return replace(settings, edge=replace(settings.edge, **changes))


def check_address(name: str, address: str) -> tuple[str, int]:
    """Split ``host:port``.

    Raises:
        ValueError: It is none.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{name}: {address!r} is no address; write HOST:PORT, as 127.0.0.1:7310")
    return host.strip("[]"), int(port)


_Group = TypeVar("_Group")


def _build(kind: type[_Group], values: object, where: str) -> _Group:
    if not isinstance(values, Mapping):
        raise ParamsError(f"{where}: missing; write the settings with `ddnn serve-settings`")
    hints = typing.get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise ParamsError(f"{where}.{name}: unknown setting; known: {', '.join(names)}")
    taken: dict[str, Any] = {}
    for name in names:
        if name not in values:
            raise ParamsError(f"{where}.{name}: missing")
        taken[name] = values[name]
        if not _fits(values[name], hints[name]):
            raise ParamsError(f"{where}.{name}: {values[name]!r} is not of the kind {hints[name]}")
    try:
        return kind(**taken)
    except ValueError as error:
        raise ParamsError(f"{where}: {error}") from error


def _fits(value: object, hint: Any) -> bool:
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return any(
        _fits(value, kind) if kind in (int, float) else isinstance(value, kind)
        for kind in typing.get_args(hint) or (hint,)
    )


def _override(values: dict[str, Any], text: str) -> None:
    dotted, sign, value = text.partition("=")
    group, _, key = dotted.partition(".")
    if not sign or not key or not isinstance(values.get(group), dict):
        raise ParamsError(f"--set {text}: write GROUP.KEY=VALUE, as edge.deadline_ms=50")
    if key not in values[group]:
        raise ParamsError(f"--set {text}: unknown setting; known: {', '.join(values[group])}")
    try:
        values[group][key] = json.loads(value)
    except ValueError:
        values[group][key] = value


def _positive(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not (isfinite(value) and value > 0):
            raise ValueError(f"{name}: must be above 0, but is {value}")


def _at_least_one(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value < 1:
            raise ValueError(f"{name}: must be at least 1, but is {value}")
