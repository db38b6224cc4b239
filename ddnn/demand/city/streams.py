"""Random streams of the city: one per process and owner, drawn in the order of time."""

import zlib

import numpy as np


def stream(seed: int, process: str, owner: int = 0) -> np.random.Generator:
    """Give the stream of one process of one owner (a site, or the whole city).

    A process draws one kind of number, slot after slot or day after day. So what it gives for the
    first days does not depend on how many days follow, nor on which other sites are asked for.
    """
    key = (zlib.crc32(process.encode()), owner)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
