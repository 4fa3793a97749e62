"""One exported graph in ONNX Runtime."""

import importlib.util
from collections.abc import Mapping

import numpy as np

from rnnspec.checkpoint import check_version
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.export.header import METADATA_KEY, describe
from rnnspec.export.inputs import called
from rnnspec.export.start import elsewhere
from rnnspec.inputs import STEPS
from rnnspec.model import Model
from rnnspec.valid import Valid

if importlib.util.find_spec("onnxruntime") is None:
    raise UnsupportedError("backend 'onnxruntime' needs onnxruntime: pip install 'rnnspec[onnx]'")

import onnxruntime

_LOG_FATAL = 4  # what fails is raised, and not printed as well


class Session:
    """An exported graph: `run` takes and gives arrays by name, states under the names of the specification.

    `takes`: the names of the inputs, `optional`: of those that may be left out. `initial`: the states that sequences
    start from, zeros or learned, (size,) by name; those that start from another place the graph finds.

    Args:
        tensors: what lies in a file beside the model, by name.

    Raises:
        SpecError: not an ONNX model, or not one that rnnspec exported.
    """

    def __init__(self, data: bytes, where: str = "model", tensors: Mapping[str, np.ndarray] | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        # Beyond are the layouts of convolutions, and what ends the process at files that were changed to float16.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        if tensors:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in tensors.values()]
            options.add_external_initializers(list(tensors), values)
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base
            raise SpecError(f"{where}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from None
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise SpecError(f"{where}: an ONNX model that rnnspec did not export; write it with `rnnspec export`")
        for node in (*self._session.get_inputs(), *self._session.get_overridable_initializers()):
            if node.type == "tensor(float16)":
                raise SpecError(
                    f"{where}: input {node.name!r} is float16, changed after the export; keep inputs and "
                    "outputs as they were (keep_io_types=True), or use the file that was exported"
                )
        header = describe(text, where)
        self.model = Model.from_builtins(header["model"], where)
        check_version(self.model, header["version"], where)
        self.metadata = header["metadata"]
        self.step: bool = header["step"]
        self.time_major: bool = header["time_major"]
        self.paths: dict[str, str] = header["paths"]
        found = elsewhere(self.model)
        self.initial = {
            entry["name"]: np.array(entry.get("initial", [0.0] * entry["shape"][1]), "float32")
            for entry in header["state"]
            if entry["name"] not in found
        }
        self.takes = {node.name for node in self._session.get_inputs()}
        self.optional = {node.name for node in self._session.get_overridable_initializers()}
        self._steps = {name: [called(self.model, name, key) for key in STEPS] for name in self.model.given}
        self._outputs = [node.name for node in self._session.get_outputs()]

    def run(self, feeds: dict) -> dict:
        """Inputs, lengths, masks, resets and states by name → outputs and final states by name."""
        values = self._session.run(None, feeds)
        return {name.removesuffix(".out"): value for name, value in zip(self._outputs, values, strict=True)}

    def counts(self, name: str, valid: Valid, batch: int, time: int) -> dict[str, np.ndarray]:
        """What says which steps of an input count, as the graph takes it.

        Raises:
            UnsupportedError: it was exported without what is needed.
        """
        lengths, mask, reset = self._steps[name]
        feeds = {}
        counts = np.full(batch, time) if valid.lengths is None else valid.lengths
        if mask in self.takes:
            feeds[mask] = np.arange(time) < counts[:, None] if valid.mask is None else valid.mask
        elif valid.mask is not None:
            raise UnsupportedError(f"{mask}: with holes or left padding, and the file was exported without --mask")
        elif lengths in self.takes:
            feeds[lengths] = counts.astype("int32")
        elif (counts != time).any():
            raise UnsupportedError(f"{lengths}: the file was exported without them; export it again with lengths")
        if reset in self.takes:
            feeds[reset] = np.zeros((batch, time), bool) if valid.reset is None else valid.reset
        elif valid.reset is not None and valid.reset.any():
            raise UnsupportedError(f"{reset}: the file was exported without it; export it again with --reset")
        return feeds
