"""ONNX files run with onnxruntime, one thread unless told otherwise (numpy and onnxruntime)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

    def bound(self, **inputs: Floats) -> "Bound":
        """Run it on these very arrays, again and again: to be filled in place before each run.

        Raises:
            ArtefactError: The graph takes arrays of other shapes.
        """
        return Bound(self._session, self._outputs, inputs)


class Bound:
    """A part that reads and writes arrays of its own: a run copies and allocates nothing."""

    def __init__(self, session: Any, outputs: Sequence[str], inputs: Mapping[str, Floats]) -> None:
        """Bind inputs, each contiguous, and outputs of a batch of one."""
        self._session, self._binding, self._held = session, session.io_binding(), dict(inputs)
        self.outputs: list[Floats] = []
        """As named, overwritten by each run."""
        sizes = {value.name: value.shape[1:] for value in session.get_outputs()}
        for name, array in inputs.items():
            self._binding.bind_input(name, *_PLACE, array.shape, array.ctypes.data)
        for name in outputs:
            array = np.zeros((1, *sizes[name]), dtype=np.float32)
            self.outputs.append(array)
            self._binding.bind_output(name, *_PLACE, array.shape, array.ctypes.data)
        try:
            self.run()
        except Exception as error:  # onnxruntime's own errors share no public base
            raise ArtefactError(
                f"a graph does not take what this program gives it ({error!s:.80}); export the "
                "model again"
            ) from error

    def run(self) -> list[Floats]:
        """Run it on what the inputs hold now; give the outputs."""
        self._session.run_with_iobinding(self._binding)
        return self.outputs


_PLACE = ("cpu", 0, np.float32)
