"""Payloads arrive as they were sent, and what is none is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.runtime.ddnn_pb2 import Offload, Quantised, Rows
from ddnn.runtime.payload import (
    OutOfSyncError,
    PayloadError,
    Sender,
    Windows,
    decode,
    dequantise,
    from_bytes,
    quantise,
    to_bytes,
)

SHAPE, N, M = (3, 4, 2, 2), 4, 3
RNG = np.random.default_rng(0)


def window(slot: int) -> np.ndarray:
    """Give D (1, N, M) of a slot; its rows bear the numbers of the slots before."""
    rows = np.arange(slot - N, slot, dtype=np.float32)
    return np.repeat(rows[:, None], M, axis=1)[None]


def send(sender: Sender, slot: int, model: str = "m") -> Offload:
    message = Offload(edge="e", model=model, slot=slot)
    sender.fill(message, window(slot), np.zeros((1, *SHAPE), dtype=np.float32))
    return message


def receive(message: Offload, windows: Windows) -> np.ndarray:
    z, D = decode(message, SHAPE, N, M, windows)
    assert z is None and D is not None
    return D


@given(st.integers(0, 2**32 - 1))
def test_eight_bits_are_off_by_half_a_step_at_most(seed: int) -> None:
    z = np.maximum(np.random.default_rng(seed).normal(size=(1, *SHAPE)), 0).astype(np.float32)
    z[0, 1] = 0  # a channel that is off

    found = dequantise(quantise(z), SHAPE)

    step = z[0].reshape(3, -1).max(axis=1) / 255
    assert (np.abs(found - z[0]).reshape(3, -1).max(axis=1) <= step / 2 * 1.001 + 1e-9).all()


def test_only_the_missing_rows_travel() -> None:
    sender, windows = Sender("newest", 7), Windows(2)
    sizes = []
    for slot in (10, 11, 13, 30, 31):  # 12 stayed local, and then many
        message = send(sender, slot)
        np.testing.assert_array_equal(receive(message, windows), window(slot)[0])
        sender.delivered(message)
        sizes.append(len(message.rows.rows) // (4 * M))
    assert sizes == [4, 1, 2, 4, 1]


def test_a_lost_answer_or_another_session_or_model_needs_all_rows() -> None:
    sender, windows = Sender("newest", 7), Windows(2)
    first = send(sender, 10)
    receive(first, windows)
    sender.delivered(first)
    receive(send(sender, 11), windows)  # arrived, but its answer did not
    with pytest.raises(OutOfSyncError):
        receive(send(sender, 12), windows)
    sender.forget()
    np.testing.assert_array_equal(receive(send(sender, 12), windows), window(12)[0])

    other = Offload(edge="e", model="m", slot=13)
    other.rows.CopyFrom(Rows(session=8, rows=to_bytes(window(13)[0, -1:])))
    with pytest.raises(OutOfSyncError):
        receive(other, windows)
    assert len(send(sender, 13, model="n").rows.rows) == 4 * N * M


def test_the_windows_of_few_edges_are_kept() -> None:
    windows = Windows(2)
    for edge in "abc":
        message = send(Sender("newest", 1), 10)
        message.edge = edge
        receive(message, windows)
    assert len(windows) == 2


def test_the_latent_and_the_demand_arrive_as_they_were() -> None:
    z = RNG.random((1, *SHAPE), dtype=np.float32)
    message = Offload(edge="e", model="m", slot=9)
    Sender("latent", 1).fill(message, window(9), z)
    np.testing.assert_array_equal(decode(message, SHAPE, N, M, Windows(1))[0], z[0])
    Sender("demand", 1).fill(message, window(9), z)
    np.testing.assert_array_equal(receive(message, Windows(1)), window(9)[0])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Offload(), "no payload"),
        (Offload(latent=b"123"), "3 bytes, but 192 are due"),
        (Offload(demand=to_bytes(np.full((N, M), np.nan, np.float32))), "not finite"),
        (Offload(quantised=Quantised(scales=b"", levels=b"")), "scales: 0 bytes, but 12"),
        (Offload(quantised=Quantised(scales=bytes(12), levels=b"1")), "levels: 1 bytes, but 48"),
        (Offload(rows=Rows(rows=b"")), "are not 1 to 4 rows of 3"),
        (Offload(rows=Rows(rows=bytes(5 * 12))), "are not 1 to 4 rows of 3"),
        (Offload(rows=Rows(rows=bytes(13))), "rows: 13 bytes, but 12 are due"),
    ],
)
def test_what_is_no_payload_is_refused(message: Offload, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        decode(message, SHAPE, N, M, Windows(1))


def test_bytes_are_little_endian() -> None:
    assert to_bytes(np.array([1.0], dtype=np.float32)) == bytes.fromhex("0000803f")
    assert from_bytes(bytes.fromhex("0000803f"), (1,), "x")[0] == 1.0
