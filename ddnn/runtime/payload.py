"""What an offloaded decision sends: z in float32 or 8 bits, D, or the rows the cloud lacks."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.runtime.ddnn_pb2 import Offload, Quantised, Rows
from ddnn.serve_settings import Payload

Floats = NDArray[np.float32]

RESYNC = "resync"
"""Detail of a refusal: the edge has to send all rows of its window."""
UNKNOWN_MODEL = "unknown model"
"""Begin of a refusal's detail: the model is not served here."""

_LEVELS = 255


class PayloadError(Exception):
    """A payload is not what it should be; the text tells the sender."""


class OutOfSyncError(Exception):
    """The cloud's window does not join the rows that came: the edge has to send all N."""


def to_bytes(values: Floats) -> bytes:
    """Give float32, little-endian."""
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def from_bytes(data: bytes, shape: tuple[int, ...], what: str) -> Floats:
    """Read float32 values of a shape.

    Raises:
        PayloadError: Another number of bytes, or a value that is not finite.
    """
    wanted = 4 * int(np.prod(shape))
    if len(data) != wanted:
        raise PayloadError(f"{what}: {len(data)} bytes, but {wanted} are due for {shape}")
    values: Floats = np.frombuffer(data, dtype="<f4").reshape(shape)
    if not np.isfinite(values).all():
        raise PayloadError(f"{what}: a value is not finite")
    return values


def quantise(z: Floats) -> Quantised:
    """Write z (1, channels, ...), never negative, in 8 bits with one scale per channel."""
    flat = z.reshape(z.shape[1], -1)
    scales = flat.max(axis=1) / np.float32(_LEVELS)
    steps = np.where(scales > 0, scales, np.float32(1))
    levels = np.clip(np.rint(flat / steps[:, None]), 0, _LEVELS).astype(np.uint8)
    return Quantised(scales=to_bytes(scales), levels=levels.tobytes())


def dequantise(message: Quantised, shape: tuple[int, ...]) -> Floats:
    """Read what :func:`quantise` wrote, as z (channels, ...).

    Raises:
        PayloadError: It does not fit the shape.
    """
    scales = from_bytes(message.scales, (shape[0],), "scales")
    size = int(np.prod(shape))
    if len(message.levels) != size:
        raise PayloadError(f"levels: {len(message.levels)} bytes, but {size} are due for {shape}")
    levels = np.frombuffer(message.levels, dtype=np.uint8).reshape(shape[0], -1)
    z: Floats = (levels.astype(np.float32) * scales[:, None]).reshape(shape)
    return z


class Sender:
    """Fills the payload at the edge, and remembers which rows the cloud has."""

    def __init__(self, kind: Payload, session: int) -> None:
        self.kind = kind
        self._session = session
        self._known: tuple[str, int] | None = None

    def fill(self, message: Offload, window: Floats | None, z: Floats) -> None:
        """Put what the cloud needs into a message that names model and slot.

        Args:
            message: To be sent.
            window: D (1, N, M), scaled; None where z alone may travel.
            z: What travels (1, ...).
        """
        if self.kind == "latent":
            message.latent = to_bytes(z)
        elif self.kind == "latent_int8":
            message.quantised.CopyFrom(quantise(z))
        elif window is None:
            raise ValueError(f"payload {self.kind}: this model has no window")
        elif self.kind == "demand":
            message.demand = to_bytes(window)
        else:
            rows = window[0, -self._missing(message, window.shape[1]) :]
            message.rows.CopyFrom(Rows(session=self._session, rows=to_bytes(rows)))

    def delivered(self, message: Offload) -> None:
        """Note that the cloud has answered, and so has the rows up to this slot."""
        self._known = (message.model, message.slot)

    def forget(self) -> None:
        """Note that nothing is known of the cloud's window: the next message brings all rows."""
        self._known = None

    def _missing(self, message: Offload, N: int) -> int:
        if self._known is None or self._known[0] != message.model:
            return N
        passed = message.slot - self._known[1]
        return passed if 0 < passed < N else N


@dataclass
class _Window:
    session: int
    model: str
    slot: int
    rows: Floats


class Windows:
    """The cloud's windows of those edges that send their newest demand only."""

    def __init__(self, edges: int) -> None:
        """Keep the windows of at most so many edges; the longest unused one goes first."""
        self._edges = edges
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, message: Offload, N: int, vnfs: int) -> Floats:
        """Join new rows to an edge's window, and give D (N, M).

        Raises:
            PayloadError: The rows are no rows of this model.
            OutOfSyncError: They do not join what is there.
        """
        data = message.rows.rows
        count = len(data) // (4 * vnfs)
        if not 1 <= count <= N:
            raise PayloadError(f"rows: {len(data)} bytes are not 1 to {N} rows of {vnfs} values")
        rows = from_bytes(data, (count, vnfs), "rows")
        if count < N:
            known = self._windows.get(message.edge)
            joins = known is not None and (
                (known.session, known.model, known.slot)
                == (message.rows.session, message.model, message.slot - count)
            )
            if known is None or not joins:
                raise OutOfSyncError
            rows = np.concatenate([known.rows, rows])[-N:]
        self._windows[message.edge] = _Window(
            message.rows.session, message.model, message.slot, rows
        )
        self._windows.move_to_end(message.edge)
        if len(self._windows) > self._edges:
            self._windows.popitem(last=False)
        return rows


def decode(
    message: Offload, shape: tuple[int, ...], N: int, vnfs: int, windows: Windows
) -> tuple[Floats | None, Floats | None]:
    """Read a payload in the cloud.

    Args:
        message: As it came.
        shape: Of one z.
        N: Slots of a window.
        vnfs: M.
        windows: Of the edges that send rows.

    Returns:
        z (shape) and nothing, or nothing and D (N, M).

    Raises:
        PayloadError: It does not fit the model.
        OutOfSyncError: All N rows are needed.
    """
    kind = message.WhichOneof("payload")
    if kind == "latent":
        return from_bytes(message.latent, shape, "latent"), None
    if kind == "quantised":
        return dequantise(message.quantised, shape), None
    if kind == "demand":
        return None, from_bytes(message.demand, (N, vnfs), "demand")
    if kind == "rows":
        return None, windows.take(message, N, vnfs)
    raise PayloadError("there is no payload")
