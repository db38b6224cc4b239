"""Joint-exit training, eq. (9): on a surrogate, judged on the hard cost, resumable bit by bit."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ddnn.arithmetic import Arithmetic
from ddnn.cost.hard import AllocationCost
from ddnn.cost.surrogate import Surrogate, make_surrogate
from ddnn.errors import ModelError
from ddnn.nets import Exits
from ddnn.params import TrainParams

Windows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""D (K, N, M) and d (K, M), scaled."""
