"""Gradients from call to call, and the weights that are given back."""

import numpy as np

from tests.conformance.wrong.backend import Wrong


def _of_gradients(change):
    """Gradients that are changed; `change(memory, gradients, given)`."""

    def vjp(pull, memory, cotangents, x, given):
        results, gradients = pull(cotangents, x, **given)
        return results, change(memory, gradients, given)

    return Wrong(vjp=vjp)


def _summed(names):
    def change(memory, gradients, given):
        kept = memory.setdefault("sums", {})
        for name in gradients:
            old = kept.get(name)
            if names(name) and old is not None and old.shape == gradients[name].shape:
                gradients = gradients | {name: gradients[name] + old}
        kept.update(gradients)
        return gradients

    return change


def _buffers(memory, gradients, given):
    kept = memory.setdefault("buffers", {})
    found = {}
    for name, array in gradients.items():
        found[name] = kept.setdefault((name, array.shape), np.empty_like(array))
        found[name][...] = array
    return found


def _float32(change):
    def of(memory, gradients, given):
        return {n: change(n, a) if a.dtype == np.float32 and not given["training"] else a for n, a in gradients.items()}

    return _of_gradients(of)


def _counted(count):
    """How calls in training are counted."""

    def vjp(pull, memory, cotangents, x, given):
        net = memory["net"]
        net.trained = count(memory, given["training"])
        return pull(cotangents, x, **given)

    return Wrong(vjp=vjp)


def _every(memory, training):
    memory["n"] = memory.get("n", -1) + 1
    return memory["n"]


def _of_module(memory, training):
    shared = memory["shared"]
    shared["n"] = shared.get("n", -1) + training
    return shared["n"]


def _pairs(memory, training):
    memory["n"] = memory.get("n", -1) + training
    return memory["n"] // 2


def _left_in_training():
    def vjp(pull, memory, cotangents, x, given):
        memory["trains"] = given["training"]
        return pull(cotangents, x, **given)

    def call(net, memory, x, given):
        y, new = net(x, **given)
        if memory.get("trains") and not isinstance(y, tuple):
            y = y * np.asarray(0.9, y.dtype)
        return y, new

    return Wrong(vjp=vjp, call=call)


def _call_after(change):
    def vjp(pull, memory, cotangents, x, given):
        memory["pulled"] = True
        return pull(cotangents, x, **given)

    def call(net, memory, x, given):
        y, new = net(x, **given)
        return (change(y) if "pulled" in memory and not isinstance(y, tuple) else y), new

    return Wrong(vjp=vjp, call=call)


def _learns():
    """A call for gradients is a step of training."""

    def vjp(pull, memory, cotangents, x, given):
        results, gradients = pull(cotangents, x, **given)
        net = memory["net"]
        for name, array in net.checkpoint.weights.items():
            array -= (1e-2 * gradients[name]).astype(array.dtype)
        return results, gradients

    return Wrong(vjp=vjp)


def _completed(value, remember=False):
    def vjp(pull, memory, cotangents, x, given):
        net = memory["net"]
        y, new = net(x, **{k: v for k, v in given.items() if k != "training"})
        shapes = {name: np.shape(a) for name, a in {**net.model.named(y), **new}.items()}
        kept = memory.setdefault("kept", {})
        full = dict(cotangents)
        for name, shape in shapes.items():
            if name not in full:
                old = kept.get(name) if remember else None
                full[name] = old if old is not None and old.shape == shape else np.full(shape, value, "float32")
        if remember:
            kept.update({name: np.array(a) for name, a in cotangents.items()})
        return pull(full, x, **given)

    return Wrong(vjp=vjp)


def _cotangents(change):
    return Wrong(vjp=lambda pull, memory, cotangents, x, given: pull(change(cotangents, x, memory, given), x, **given))


def _all_or_none(cotangents, x, memory, given):
    missing = set(memory["net"].model.states()) - set(cotangents)
    if missing:
        raise KeyError(missing.pop())
    return cotangents


def _known(cotangents, x, memory, given):
    return {name: a for name, a in cotangents.items() if name != "other"}


def _broadcast(cotangents, x, memory, given):
    net = memory["net"]
    y, new = net(x, **{k: v for k, v in given.items() if k != "training"})
    shapes = {name: np.shape(a) for name, a in {**net.model.named(y), **new}.items()}
    return {n: np.broadcast_to(a, shapes[n]) if n in shapes else a for n, a in cotangents.items()}


def _by_position(cotangents, x, memory, given):
    net = memory["net"]
    if net.model.separate:
        return cotangents
    names = ["y", *net.model.states()]
    same = len(names) == len(cotangents) and "other" not in cotangents
    return dict(zip(names, cotangents.values(), strict=True)) if same else cotangents


def _into(which):
    def vjp(pull, memory, cotangents, x, given):
        answer = pull(cotangents, x, **given)
        value = {"x": x, "cotangents": cotangents.get("y"), "state": next(iter(given.get("state", {}).values()), None)}
        array = value[which]
        if isinstance(array, np.ndarray) and array.flags.writeable and array.dtype.kind == "f":
            array *= 2
        return answer

    return Wrong(vjp=vjp)


def _popped(pull, memory, cotangents, x, given):
    answer = pull(dict(cotangents), x, **given)
    cotangents.clear()
    return answer


def _time_first(which):
    """Gradients, or cotangents, are batch-major although time comes first."""

    def vjp(pull, memory, cotangents, x, given):
        net = memory["net"]
        if net.time_major and which == "cotangents":
            cotangents = {n: a.swapaxes(0, 1).reshape(a.shape) if a.ndim == 3 else a for n, a in cotangents.items()}
        results, gradients = pull(cotangents, x, **given)
        if net.time_major and which == "results":
            results = {n: a.swapaxes(0, 1) if a.ndim == 3 else a for n, a in results.items()}
        if net.time_major and which == "x" and "x" in gradients:
            gradients = gradients | {"x": gradients["x"].swapaxes(0, 1)}
        return results, gradients

    return Wrong(vjp=vjp)


def _kept(*names):
    def vjp(pull, memory, cotangents, x, given):
        parts = {"shape": np.shape(x), "x": np.asarray(x).tobytes(), "training": given["training"]}
        parts["cotangents"] = str(cotangents)
        key = tuple(parts[name] for name in names)
        kept = memory.setdefault("answers", {})
        if key not in kept:
            kept[key] = pull(cotangents, x, **given)
        return tuple({n: np.array(a) for n, a in arrays.items()} for arrays in kept[key])

    return Wrong(vjp=vjp)


def _arrays_only(pull, memory, cotangents, x, given):
    if not isinstance(x, np.ndarray) or not isinstance(given.get("lengths", x), np.ndarray):
        raise TypeError("arrays only")
    return pull(cotangents, x, **given)


def _contiguous(pull, memory, cotangents, x, given):
    if not all(a.flags.c_contiguous for a in cotangents.values()):
        raise ValueError("strides")
    return pull(cotangents, x, **given)


def _back(change):
    return Wrong(back=change)


def _halved(found, memory):
    return type(found)(
        found.model, {n: a.astype("float16").astype(a.dtype) for n, a in found.weights.items()}, found.metadata
    )


def _single(found, memory):
    return found.copy("float32")


def _without_metadata(found, memory):
    return type(found)(found.model, found.weights)


def _one(found, memory):
    return memory.setdefault("back", found)


def _shared_metadata(found, memory):
    return type(found)(found.model, found.weights, memory.setdefault("metadata", found.metadata))


def _exchanged(found, memory):
    """Weights of one shape are exchanged."""
    names = list(found.weights)
    for k, a in enumerate(names):
        for b in names[k + 1 :]:
            if found.weights[a].shape == found.weights[b].shape:
                swapped = found.weights | {a: found.weights[b], b: found.weights[a]}
                return type(found)(found.model, swapped, found.metadata)
    return found


def _zero_biases(found, memory):
    weights = {n: a * 0 if n.endswith("bias") else a for n, a in found.weights.items()}
    return type(found)(found.model, weights, found.metadata)


def _second(found, memory):
    memory["backs"] = memory.get("backs", 0) + 1
    scale = 1 if memory["backs"] == 1 else 0.5
    return type(found)(found.model, {n: a * a.dtype.type(scale) for n, a in found.weights.items()}, found.metadata)


def _double(found, memory):
    return found.copy("float64")


GRADIENTS = {
    "gradients add up": _of_gradients(_summed(lambda name: True)),
    "gradients of weights add up": _of_gradients(_summed(lambda name: "." in name and not name.endswith((".h", ".c")))),
    "gradients of x add up": _of_gradients(_summed(lambda name: name == "x")),
    "gradients of biases add up": _of_gradients(_summed(lambda name: name.endswith("bias"))),
    "gradients are buffers": _of_gradients(_buffers),
    "gradients of float32 are halves": _float32(lambda n, a: a.astype("float16").astype(a.dtype)),
    "biases have none in float32": _float32(lambda n, a: a * 0 if n.endswith("bias") else a),
    "recurrent kernels have none in float32": _float32(lambda n, a: a * 0 if "recurrent" in n else a),
    "x has none in float32": _float32(lambda n, a: a * 0 if n == "x" else a),
    "gradients of float32 are averaged": _float32(lambda n, a: a / 4),
    "gradients of float32 are clipped": _float32(lambda n, a: np.clip(a, -1, 1)),
    "gradients of float32 are float64": _float32(lambda n, a: a.astype("float64")),
    "each call in training is the first": _counted(lambda memory, training: 0),
    "calls outside training count": _counted(_every),
    "calls of all networks count": _counted(_of_module),
    "every other call draws new masks": _counted(_pairs),
    "the network stays in training": _left_in_training(),
    "calls after gradients are doubled": _call_after(lambda y: y * 2),
    "calls after gradients are float16": _call_after(lambda y: y.astype("float16").astype(y.dtype)),
    "gradients are learned from": _learns(),
    "a missing cotangent is one": _completed(1),
    "a missing cotangent is the last one": _completed(0, remember=True),
    "a missing cotangent is an error": _cotangents(_all_or_none),
    "unknown cotangents are left out": _cotangents(_known),
    "cotangents broadcast": _cotangents(_broadcast),
    "cotangents are taken by position": _cotangents(_by_position),
    "cotangents are written into": _into("cotangents"),
    "cotangents are taken out": Wrong(vjp=_popped),
    "x is written into by gradients": _into("x"),
    "states are written into by gradients": _into("state"),
    "the gradient of x is batch-major": _time_first("x"),
    "cotangents are batch-major": _time_first("cotangents"),
    "results with gradients are batch-major": _time_first("results"),
    "gradients are kept by shape": _kept("shape", "training"),
    "gradients are kept by x": _kept("x", "training"),
    "gradients take arrays only": Wrong(vjp=_arrays_only),
    "cotangents must be contiguous": Wrong(vjp=_contiguous),
    "weights given back are halves": _back(_halved),
    "weights given back are float32": _back(_single),
    "weights given back are float64": _back(_double),
    "metadata are not given back": _back(_without_metadata),
    "metadata given back are shared": _back(_shared_metadata),
    "one checkpoint is given back": _back(_one),
    "weights of one shape are exchanged": _back(_exchanged),
    "biases are not given back": _back(_zero_biases),
    "the second checkpoint is another": _back(_second),
}
