"""Weights and models of Keras in HDF5."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.files.models import ESCAPE

ARRAYS = {
    "kernel": np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4),
    "recurrent_kernel": np.linspace(-2, 2, 16, dtype="f4").reshape(4, 4),
    "bias": np.linspace(0, 1, 4, dtype="f4"),
}
LAYER = {"class_name": "SimpleRNN", "config": {"name": "rnn", "units": 4, "activation": "tanh", "use_bias": True}}


def model(change: Callable[[Any], Any] = lambda file: None, config: Any = None, **layer: Any) -> bytes:
    """A Sequential model of one layer, of Keras 2, changed."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        layers = [{**LAYER, "config": {**LAYER["config"], **layer}}]  # type: ignore[dict-item]
        text = json.dumps({"class_name": "Sequential", "config": {"layers": layers}}) if config is None else config
        file.attrs.create("model_config", text, dtype=h5py.string_dtype())
        file.attrs["keras_version"] = "2.15.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = ["rnn"]
        group = group.create_group("rnn")
        group.attrs["weight_names"] = [f"cell/{name}:0" for name in ARRAYS]
        for name, array in ARRAYS.items():
            group[f"cell/{name}:0"] = array
        change(file)
    return buffer.getvalue()


def files() -> Iterator[tuple]:
    yield "rnn.h5", model()
    yield "linked-twice.h5", model(_linked)
    for name, data, says in (*_changed(), *_configured()):
        yield f"{name}.h5", data, says


def _linked(file: Any) -> None:
    """Groups in themselves, and 2⁴⁰ ways to one of them: each counts once."""
    group = file.create_group("optimizer_weights")
    group["all"] = file["/"]
    for _ in range(40):
        inner = group.create_group("l")
        group["r"] = inner
        group = inner


def _changed() -> Iterator[tuple]:
    import h5py

    good = model()
    yield "empty", b"", "damaged"
    yield "cut", good[: len(good) // 2], "a damaged HDF5 file"
    heap = bytearray(good)
    place = good.index(b"GCOL")
    heap[place + 16 : place + 32] = bytes(16)
    yield "heap-endless", bytes(heap), "free space of no size"
    at = "model_weights/rnn/more"

    def deep(file: Any) -> None:
        for _ in range(600):
            file = file.create_group("a")

    changes: dict[str, tuple[Callable[[Any], Any], str]] = {
        "groups-600": (deep, "a path of more than"),
        "soft-link": (lambda f: f.__setitem__(at, h5py.SoftLink(f"/{ESCAPE}")), "links are not followed"),
        "external-link": (lambda f: f.__setitem__(at, h5py.ExternalLink("/etc/passwd", "/")), "links are not followed"),
        "external-data": (
            lambda f: f.create_dataset(at, (3,), "u1", external=[("/etc/passwd", 0, 3)]),
            "another file",
        ),
        "virtual": (_virtual, "another file"),
        "shape-2-62": (lambda f: f.create_dataset(at, (2**62,), "f4", chunks=(1024,)), "more than"),
        "unpacks": (lambda f: f.create_dataset(at, (2**30,), "f4", chunks=(1024,), compression="gzip"), "unpack to"),
        "fills": (lambda f: f.create_dataset(at, (2**12, 2**11), "f4", fillvalue=1), "unpack to"),
        "chunk": (lambda f: f.create_dataset(at, (4,), "f4", maxshape=(None,), chunks=(2**28,)), "unpack to"),
        "strings": (lambda f: f.create_dataset(at, (2**22,), h5py.string_dtype()), "expected numbers"),
        "lists": (lambda f: f.create_dataset(at, (2**22,), h5py.vlen_dtype("f4")), "expected numbers"),
        "structure": (lambda f: f.create_dataset(at, data=np.zeros(3, "f4,i4")), "expected numbers"),
        "references": (lambda f: f.create_dataset(at, data=f.ref, dtype=h5py.ref_dtype), "expected numbers"),
        "nothing": (lambda f: f.create_dataset(at, data=h5py.Empty("f4")), "expected numbers, found nothing"),
        "packed-twice": (_packed_twice, "packed by the filters"),
        "name-latin": (lambda f: f["model_weights/rnn"].create_dataset(b"\xff\xfe", data=1.0), "damaged"),
        "name-escapes": (lambda f: f.create_dataset(f"model_weights/{ESCAPE}", data=b"x"), "\\x1b"),
        "names-number": (lambda f: f["model_weights"].attrs.__setitem__("layer_names", 5), "expected names"),
        "names-numbers": (lambda f: f["model_weights"].attrs.__setitem__("layer_names", [1, 2]), "expected names"),
        "names-other": (lambda f: f["model_weights"].attrs.__setitem__("layer_names", ["a"]), "layer a is missing"),
        "weights-other": (lambda f: f["model_weights/rnn"].attrs.__setitem__("weight_names", ["a"]), "is missing"),
        "kernel-flat": (_flat_kernel, "not known by its variables"),
        "weight-gone": (lambda f: f["model_weights/rnn/cell"].__delitem__("bias:0"), "bias:0 is missing"),
    }
    for name, (change, says) in changes.items():
        yield name, model(change), says


def _flat_kernel(file: Any) -> None:
    """A file of weights, one layer with a kernel of one axis."""
    del file.attrs["model_config"]
    file["model_weights/rnn"].attrs["weight_names"] = ["flat/kernel:0", "cell/bias:0"]
    file["model_weights/rnn/flat/kernel:0"] = np.ones(4, "f4")


def _virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file.create_virtual_dataset("x", layout)


def _packed_twice(file: Any) -> None:
    import h5py

    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)
    settings.set_chunk((8,))
    settings.set_deflate(9)
    settings.set_deflate(9)
    space = h5py.h5s.create_simple((8,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, settings)


def _configured() -> Iterator[tuple]:
    yield "config-nested", model(config="[" * 10_000), "nested more than"
    yield "config-digits", model(config='{"units": ' + "9" * 5000 + "}"), "5000 digits"
    yield "config-list", model(config="[1]"), "expected a Keras object"
    yield "config-twice", model(config='{"class_name": "Sequential", "class_name": "Model"}'), "twice"
    yield "layers-text", model(config='{"class_name": "Sequential", "config": {"layers": "a"}}'), "expected a list"
    yield "units-2-62", model(units=2**62), "expected"
    yield "units-half", model(units=2.5), "units: expected"
    yield "units-text", model(units=ESCAPE), "units: expected"
    yield "activation-list", model(activation=["tanh"]), "rnn"
    yield "activation-escapes", model(activation=ESCAPE), "\\x1b"
