"""ONNX files run with onnxruntime, one thread unless told otherwise (numpy and onnxruntime)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ddnn.errors import ArtefactError

Floats = NDArray[np.float32]


class Part:
    """A part of a model: one ONNX graph, ready to run."""

    def __init__(self, path: Path, outputs: Sequence[str], threads: int = 1) -> None:
        """Load it.

        Raises:
            ArtefactError: The file is missing, or no graph with these outputs.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A process that waits most of its life must not spin.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise ArtefactError(
                f"{path}: cannot be read ({error.strerror}); export the model again"
            ) from error
        except Exception as error:  # onnxruntime's own errors share no public base
            raise ArtefactError(f"{path}: no ONNX graph; export the model again") from error
        self._outputs = list(outputs)
        known = {output.name for output in self._session.get_outputs()}
        if not known.issuperset(outputs):
            raise ArtefactError(f"{path}: gives no {', '.join(outputs)}; export the model again")

    def __call__(self, **inputs: Floats) -> list[Floats]:
        """Run it on named inputs, each (batch, ...)."""
        found: list[Floats] = self._session.run(self._outputs, inputs)
        return found
