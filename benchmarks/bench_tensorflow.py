"""rnnspec.backends.tensorflow against Keras's own layers, all inside tf.function with free batch and time."""

from collections.abc import Callable, Iterator

import keras
import tensorflow as tf
from cases import LAYER, Case, layers
from timing import Comparison, Rival, flatten

import rnnspec.backends.tensorflow as backend
from rnnspec import GRU, LSTM, RNN
from rnnspec.conventions import keras as conventions

TARGETS = {"auto": 1.0}
STOCK = {LSTM: keras.layers.LSTM, GRU: keras.layers.GRU, RNN: keras.layers.SimpleRNN}


def versions() -> dict[str, str]:
    """Package → version."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Forward, training and one step."""
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    for layer in layers(quick):
        yield from _comparisons(layer)


def _comparisons(layer: Case) -> Iterator[Comparison]:
    """Each graph is traced once and serves all sizes of its layer."""
    auto = backend.load(layer.checkpoint)
    other = "native" if auto.paths()[LAYER].startswith("generic") else "generic"
    models = {"Keras": _stock(layer), "auto": auto, other: backend.load(layer.checkpoint, path=other)}
    runs = {
        "Keras": lambda x, *h: models["Keras"](x, initial_state=list(h)),
        "auto": lambda x, *h: auto(x, state=_named(layer, h)),
        other: lambda x, *h: models[other](x, state=_named(layer, h)),
    }
    forward = {name: _graph(run, _signature(layer)) for name, run in runs.items()}
    training = {name: _gradients(layer, run, models[name]) for name, run in runs.items()}
    for case in layer.sequences():
        given = [tf.constant(array) for array in (case.x, *case.state.values())]
        cotangents = [tf.constant(array) for array in case.cotangents]
        yield _compare("forward", case, {name: _rival(graph, given) for name, graph in forward.items()})
        rivals = {name: _rival(graph, given + cotangents, _comparable(case, name)) for name, graph in training.items()}
        yield _compare("training", case, rivals)
    if layer.has_step:
        x, *h = [tf.constant(array) for array in (layer.x, *layer.state.values())]
        step = _graph(lambda x_t, *h: auto.step(x_t, _named(layer, h)), _signature(layer, (None,)))
        rivals = {
            "Keras": _rival(forward["Keras"], [x, *h]),
            "net(x)": _rival(forward["auto"], [x, *h]),
            "net.step": _rival(step, [x[:, 0], *h]),
        }
        yield _compare("one step", layer, rivals)


def _compare(what: str, case: Case, rivals: dict[str, Rival]) -> Comparison:
    return Comparison(what, case.name, case.size, rivals)


def _rival(graph: Callable, given: list[tf.Tensor], numbers: Callable = flatten) -> Rival:
    return Rival(lambda: graph(*given), numbers)


def _named(layer: Case, h: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
    return dict(zip(layer.state, h, strict=True))


def _graph(run: Callable, signature: list[tf.TensorSpec]) -> Callable:
    return tf.function(run, input_signature=signature, autograph=False)


def _gradients(layer: Case, run: Callable, model: keras.layers.Layer) -> Callable:
    """Gradients of the input, the initial states and all weights."""
    count = 1 + len(layer.state)

    def gradients(*given: tf.Tensor) -> list[tf.Tensor]:
        inputs, cotangents = list(given[:count]), list(given[count:])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = flatten(run(*inputs))
        return tape.gradient(outputs, inputs + model.trainable_variables, output_gradients=cotangents)

    return _graph(gradients, _signature(layer) + _signature(layer, width=layer.cell.units))


def _signature(layer: Case, leading: tuple[None, ...] = (None, None), width: int | None = None) -> list[tf.TensorSpec]:
    """x, or with `width` what has the shape of the outputs; then the states."""
    state = tf.TensorSpec([None, layer.cell.units])
    return [tf.TensorSpec([*leading, width or layer.inputs])] + [state] * len(layer.state)


def _stock(layer: Case) -> keras.layers.RNN:
    """Keras's layer with the weights of the case."""
    options = {"reset_after": layer.cell.reset_after} if isinstance(layer.cell, GRU) else {}
    stock = STOCK[type(layer.cell)](layer.cell.units, return_sequences=True, return_state=True, **options)
    stock.build((None, None, layer.inputs))
    stock.set_weights(list(conventions.CELLS[type(layer.cell)].to_theirs(layer.weights()).values()))
    return stock


def _comparable(case: Case, name: str) -> Callable:
    """Gradients of input, states, kernels and bias, in Keras's layout; its second bias for a GRU is left out."""
    first = 1 + len(case.state)

    def numbers(gradients: list[tf.Tensor]) -> list:
        *kernels, bias = (gradient.numpy() for gradient in gradients[first : first + 3])
        if name == "Keras":
            bias = bias.reshape(-1, kernels[0].shape[1])[0]
        else:
            to_theirs = conventions.CELLS[type(case.cell)].gates.to_theirs
            kernels, bias = [to_theirs(kernel) for kernel in kernels], to_theirs(bias)
        return [*gradients[:first], *kernels, bias]

    return numbers
