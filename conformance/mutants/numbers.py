"""Mutants that go wrong at extreme numbers, at certain sizes, on kinks, and nowhere else."""

from collections.abc import Iterator

from rnnspec.conformance.mutants.mutant import Mutant, Rows

_EXTREMES: Rows = {
    "reference.ops:NumpyOps.recurrent": [
        ("UNROLL-13", "x is read at invalid steps", "self.masked(x, valid)", "x"),
        ("UNROLL-13", "x is set to 0 in unmasked calls only", "self.masked(x, valid)", "self.masked(x, Valid())"),
        ("UNROLL-13", "lengths set x to 0, and masks do not", "valid), valid", "valid._replace(mask=None)), valid"),
        ("UNROLL-13", "masks set x to 0, and lengths do not", "valid), valid", "valid._replace(lengths=None)), valid"),
    ],
    "reference.ops:NumpyOps.masked": [
        ("UNROLL-13", "x is multiplied by the mask", "np.where(mask[:, :, None], x, 0)", "x * mask[:, :, None]"),
        ("UNROLL-13", "x is divided out", "np.where(mask[:, :, None], x, 0)", "x - x * ~mask[:, :, None]"),
    ],
    "reference.ops:NumpyOps.unroll": [
        ("UNROLL-14", "a reset multiplies the state", "np.where(begins[:, t, None], start[name], state[name])",
         "start[name] * begins[:, t, None] + state[name] * ~begins[:, t, None]"),
        ("UNROLL-14", "a reset subtracts the state", "np.where(begins[:, t, None], start[name], state[name])",
         "state[name] + begins[:, t, None] * (start[name] - state[name])"),
        ("UNROLL-15", "the state is lost every 256 steps", "self._t = t\n",
         "self._t = t\n        if t and t % 256 == 0: state = {k: s * 0 for k, s in state.items()}\n"),
        ("UNROLL-15", "the state is kept in half precision after 128 steps", "self._t = t\n",
         'self._t = t\n        if t == 128: state = {k: s * 1.001 for k, s in state.items()}\n'),
        ("UNROLL-15", "gradients go through 64 steps", "self._t = t\n",
         "self._t = t\n        if t % 64 == 63: state = {k: s - s + getattr(s, 'value', s) for k, s in state.items()}\n"),
        ("UNROLL-15", "a step adds a little", "self._t = t\n",
         "self._t = t\n        state = {k: s + 3e-6 for k, s in state.items()}\n"),
        ("UNROLL-15", "steps after the thousandth are left out", "keep = mask[:, t, None]",
         "keep = mask[:, t, None] & (t < 1000)"),
        ("UNROLL-15", "steps from 512 on are left out", "keep = mask[:, t, None]",
         "keep = mask[:, t, None] & (t < 512)"),
    ],
    "reference.ops:steps": [
        ("UNROLL-15", "lengths are int8", "< valid.lengths[:, None]", "< valid.lengths.astype('int8')[:, None]"),
        ("UNROLL-15", "lengths are uint8", "< valid.lengths[:, None]", "< valid.lengths.astype('uint8')[:, None]"),
        ("UNROLL-15", "lengths end at 255", "< valid.lengths[:, None]", "< np.minimum(valid.lengths, 255)[:, None]"),
        ("UNROLL-15", "lengths have 8 bits of mantissa", "< valid.lengths[:, None]",
         "< np.where(valid.lengths > 255, valid.lengths // 4 * 4, valid.lengths)[:, None]"),
        ("UNROLL-15", "steps are counted in int8", "np.arange(time) <", "np.arange(time).astype('int8') <"),
    ],
    "reference.ops:NumpyOps.hold": [
        ("UNROLL-14", "a held output is multiplied away at a reset",
         "np.where((mask | begins)[:, t, None], y[:, t], last)",
         "y[:, t] + last * ~(mask | begins)[:, t, None]"),
    ],
    "reference.ops:NumpyOps.sigmoid": [
        ("ACT-3", "σ is e/(1 + e)", "np.where(x >= 0, 1, e) / (1 + e)", "np.exp(x) / (1 + np.exp(x))"),
        ("ACT-3", "σ is exactly 0 from −5 on", "np.where(x >= 0, 1, e) / (1 + e)",
         "np.where(x < -5, 0, np.where(x >= 0, 1, e) / (1 + e))"),
        ("ACT-3", "σ is 1 from 8 on", "np.where(x >= 0, 1, e) / (1 + e)",
         "np.where(x > 8, 1, np.where(x >= 0, 1, e) / (1 + e))"),
        ("ACT-3", "σ is a table from −6 to 6", "np.where(x >= 0, 1, e) / (1 + e)", "(lambda x: 1 / (1 + np.exp(-x)))(np.clip(x, -6, 6))"),
        ("ACT-3", "σ is hard far out", "np.where(x >= 0, 1, e) / (1 + e)",
         "np.where(np.abs(x) > 20, np.clip(x * 1e-4 + 0.5, 0, 1), np.where(x >= 0, 1, e) / (1 + e))"),
    ],
    "reference.ops:NumpyOps.tanh": [
        ("ACT-3", "tanh overflows", "np.tanh(x)", "(np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)"),
        ("ACT-3", "tanh is e^x − e^−x over their sum", "np.tanh(x)",
         "(np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))"),
        ("ACT-3", "tanh is a rational function beyond its range", "np.tanh(x)",
         "np.where(np.abs(x) < 5, np.tanh(np.clip(x, -5, 5)), x * (27 + x * x) / (27 + 9 * x * x))"),
    ],
    "reference.ops:NumpyOps.softplus": [
        ("ACT-3", "softplus overflows", "np.logaddexp(x, np.zeros((), x.dtype))", "np.log(1 + np.exp(x))"),
        ("ACT-3", "softplus has no upper branch", "np.logaddexp(x, np.zeros((), x.dtype))",
         "np.log(1 + np.exp(np.clip(x, -80, 80)))"),
        ("ACT-3", "softplus is linear from 5 on", "np.logaddexp(x, np.zeros((), x.dtype))",
         "np.where(x > 5, x, np.logaddexp(x, np.zeros((), x.dtype)))"),
    ],
    "reference.ops:NumpyOps.log_softmax": [
        ("ACT-3", "log_softmax overflows", "x = x - x.max(-1, keepdims=True)", "pass"),
        ("ACT-3", "log_softmax is the logarithm of softmax", "return x - np.log(np.exp(x).sum(-1, keepdims=True))",
         "return np.log(np.exp(x) / np.exp(x).sum(-1, keepdims=True))"),
        ("ACT-3", "log_softmax ends at −100", "return x - np.log(np.exp(x).sum(-1, keepdims=True))",
         "return np.maximum(x - np.log(np.exp(x).sum(-1, keepdims=True)), -100)"),
        ("ACT-3", "log_softmax has an epsilon", "return x - np.log(np.exp(x).sum(-1, keepdims=True))",
         "return np.log(np.exp(x) / np.exp(x).sum(-1, keepdims=True) + 1e-12)"),
    ],
    "reference.ops:NumpyOps.softmax": [
        ("ACT-3", "softmax overflows", "np.exp(self.log_softmax(x))", "np.exp(x) / np.exp(x).sum(-1, keepdims=True)"),
    ],
    "activations:Celu.apply": [
        ("ACT-3", "celu has a slope far below", "- 1.0) * self.alpha)", "- 1.0 + ops.relu(-x - 90.0) * 1e-3) * self.alpha)"),
    ],
    "activations:_NAMED[relu6]": [("ACT-3", "relu6 has no upper kink", "ops.clip(x, 0.0, 6.0)", "ops.relu(x)")],
    "activations:_NAMED[hard_silu]": [
        ("ACT-3", "hard_silu has no upper kink", "ops.clip(x * (1 / 6) + 0.5, 0.0, 1.0)", "ops.relu(x * (1 / 6) + 0.5)"),
        ("ACT-3", "hard_silu has no lower kink", ", 0.0, 1.0)", ", -1.0, 1.0)"),
    ],
    "activations:HardSigmoid.apply": [
        ("ACT-3", "hard_sigmoid has no upper kink", "ops.clip(x * self.alpha + self.beta, 0.0, 1.0)",
         "ops.relu(x * self.alpha + self.beta)"),
        ("ACT-3", "hard_sigmoid has no lower kink", ", 0.0, 1.0)", ", -1.0, 1.0)"),
    ],
    "activations:_NAMED[hard_tanh]": [("ACT-3", "hard_tanh has no upper kink", "x, -1.0, 1.0", "x, -1.0, 4.0")],
    "activations:_NAMED[sparse_plus]": [
        ("ACT-3", "sparse_plus is a parabola for good", "ops.clip(x, -1.0, 1.0) + 1.0) * 0.25 + ops.relu(x - 1.0)",
         "ops.relu(x + 1.0)) * 0.25"),
        ("ACT-3", "sparse_plus ends at 1", " + ops.relu(x - 1.0)", ""),
    ],
    "activations:_NAMED[sparse_sigmoid]": [
        ("ACT-3", "sparse_sigmoid has no upper kink", "ops.clip(x * 0.5 + 0.5, 0.0, 1.0)", "ops.relu(x * 0.5 + 0.5)"),
    ],
    "activations:_NAMED[log_sigmoid]": [
        ("ACT-3", "log_sigmoid ends at −16", "-ops.softplus(-x)", "ops.clip(-ops.softplus(-x), -16.0, 0.0)"),
    ],
    "activations:_NAMED[mish]": [
        ("ACT-3", "mish ends at 20", "x * ops.tanh(ops.softplus(x))", "ops.clip(x, -20.0, 20.0) * ops.tanh(ops.softplus(x))"),
    ],
    "activations:_NAMED[gelu_tanh]": [
        ("ACT-3", "gelu_tanh is 0 from −2 on", "x * (ops.tanh(", "ops.where(ops.greater(-x, 2.0), x * 0.0, x) * (ops.tanh("),
    ],
    "activations:_NAMED[softsign]": [
        ("ACT-3", "softsign saturates at 50", "x / (ops.relu(x)", "ops.clip(x, -50.0, 50.0) / (ops.relu(x)"),
    ],
    "activations:_NAMED[tanh_shrink]": [
        ("ACT-3", "tanh_shrink ends at 10", "x - ops.tanh(x)", "ops.clip(x - ops.tanh(x), -10.0, 10.0)"),
    ],
    "reference.ops:NumpyOps.layer_norm": [
        ("NORM-4", "the variance is E[a²] − E[a]²", "(a * a).mean(-1, keepdims=True) + x.dtype.type(epsilon)",
         "(x * x).reshape(a.shape).mean(-1, keepdims=True) - x.reshape(a.shape).mean(-1, keepdims=True) * x.reshape(a.shape).mean(-1, keepdims=True) + x.dtype.type(epsilon)"),
        ("NORM-4", "a variance of 0 gives NaN", " + x.dtype.type(epsilon)", ""),
        ("NORM-4", "one feature is not normalised", "y = a.reshape(x.shape)", "y = (x if a.shape[-1] == 1 else a.reshape(x.shape))"),
    ],
}  # fmt: skip
_SIZES: Rows = {
    "reference.net:Net.__call__": [
        ("MODEL-6", "time_major is guessed from the shape", "if self.time_major:",
         "if self.time_major and x.shape[0] != x.shape[1]:"),
        ("MODEL-6", "final states of one row lose it", "return self._swapped(y), new",
         "return self._swapped(y), ({k: s[0] for k, s in new.items()} if len(x) == 1 else new)"),
        ("MODEL-6", "one feature is squeezed", "return self._swapped(y), new",
         "return (y[..., 0] if not isinstance(y, tuple) and y.shape[-1] == 1 else self._swapped(y)), new"),
        ("MODEL-6", "one step is squeezed", "return self._swapped(y), new",
         "return (y[:, 0] if not isinstance(y, tuple) and y.ndim == 3 and y.shape[1] == 1 else self._swapped(y)), new"),
        ("MODEL-6", "a batch without valid steps gives NaN", "return self._swapped(y), new",
         "return (self._swapped(y) * np.nan if lengths is not None and len(x) > 1 and not lengths.any() else self._swapped(y)), new"),
    ],
    "reference.ops:NumpyOps.linear": [
        ("MODEL-6", "square kernels are read transposed", "kernel.reshape(-1, kernel.shape[-1]).T",
         "(kernel.reshape(-1, kernel.shape[-1]) if kernel.shape[-1] == kernel.size // kernel.shape[-1] else kernel.reshape(-1, kernel.shape[-1]).T)"),
        ("MODEL-6", "square gates are read transposed", "kernel.reshape(-1, kernel.shape[-1]).T",
         "(kernel.swapaxes(-1, -2) if kernel.ndim == 3 and kernel.shape[1] == kernel.shape[2] else kernel).reshape(-1, kernel.shape[-1]).T"),
        ("MODEL-6", "columns after the 32nd are left out", "y = x @ kernel.reshape(-1, kernel.shape[-1]).T",
         "y = x[..., :32] @ kernel.reshape(-1, kernel.shape[-1])[:, :32].T"),
        ("MODEL-6", "rows after the 128th are 0", "return y if bias is None else y + bias.reshape(-1)",
         "y = y if bias is None else y + bias.reshape(-1)\n    return np.concatenate([y[..., :128], y[..., 128:] * 0], -1) if y.ndim == 3 or y.shape[-1] > 128 else y"),
        ("MODEL-6", "with a multiple of 8 units the bias is left out",
         "return y if bias is None else y + bias.reshape(-1)",
         "return y if bias is None or bias.shape[-1] % 8 == 0 else y + bias.reshape(-1)"),
        ("MODEL-6", "with an even number of columns the last is left out", "y = x @ kernel.reshape(-1, kernel.shape[-1]).T",
         "y = (x @ kernel.reshape(-1, kernel.shape[-1]).T) if x.shape[-1] % 2 or x.shape[-1] == 2 else x[..., :-1] @ kernel.reshape(-1, kernel.shape[-1])[:, :-1].T"),
        ("MODEL-6", "a product with one column broadcasts", "y = x @ kernel.reshape(-1, kernel.shape[-1]).T",
         "y = x @ kernel.reshape(-1, kernel.shape[-1]).T if x.shape[-1] > 1 else x + kernel.reshape(-1)"),
    ],
    "reference.ops:NumpyOps.unroll": [
        ("MODEL-6", "rows after the 32nd stop", "keep = mask[:, t, None]",
         "keep = mask[:, t, None] & (np.arange(batch) < 32)[:, None]"),
        ("MODEL-6", "steps after the 32nd repeat the last", "y = np.stack([*outputs.values()], 1)",
         "y = np.stack([*outputs.values()], 1)[:, [min(t, 32) for t in range(time)]]"),
        ("MODEL-6", "one step is not run", "keep = mask[:, t, None]", "keep = mask[:, t, None] & (time > 1)"),
        ("MODEL-6", "one row is run without its mask", "keep = mask[:, t, None]", "keep = mask[:, t, None] | (batch == 1)"),
    ],
    "reference.ops:NumpyOps._noise": [
        ("DROP-4", "features after the 16th repeat", "words = philox.philox(counter,",
         "words = philox.philox((blocks % 4, *counter[1:]),"),
        ("DROP-4", "rows after the eighth repeat", "words = philox.philox(counter,",
         "words = philox.philox((blocks, rows % 8, *counter[2:]),"),
        ("DROP-4", "steps after the eighth repeat", 't if per == "step" else 0', 't % 8 if per == "step" else 0'),
        ("DROP-4", "rows are features and features rows", "words = philox.philox(counter,",
         "words = philox.philox((rows, blocks, *counter[2:]),"),
        ("DROP-5", "31 bits of the seed count", "(seed & 0xFFFFFFFF,", "(seed & 0x7FFFFFFF,"),
        ("DROP-5", "a negative seed counts without its sign", "(seed & 0xFFFFFFFF,", "(abs(seed) & 0xFFFFFFFF,"),
        ("DROP-5", "a seed beyond 2³² is folded", "(seed & 0xFFFFFFFF,", "((seed ^ seed >> 32) & 0xFFFFFFFF,"),
        ("DROP-5", "a seed of 0 is no seed", "(seed & 0xFFFFFFFF,", "((seed or 1) & 0xFFFFFFFF,"),
        ("DROP-5", "a seed beyond 2³² is the largest", "(seed & 0xFFFFFFFF,", "(min(seed, 0xFFFFFFFF) & 0xFFFFFFFF,"),
    ],
    "cells.stack:Stack.prepare": [
        ("NAME-5", "cells are sorted as text", "for k, cell in enumerate(self.cells)",
         "for k, cell in zip(sorted(range(len(self.cells)), key=str), self.cells)"),
    ],
    "cells.stack:Stack.step": [
        ("NAME-5", "states of cells are sorted as text", "scope(state, place))",
         'scope(state, f"cells.{sorted(range(len(self.cells)), key=str)[k]}"))'),
        ("NAME-5", "new states of cells are sorted as text", "new |= under(place, s)",
         'new |= under(f"cells.{sorted(range(len(self.cells)), key=str)[k]}", s)'),
        ("NAME-5", "a place is one digit", 'place = f"cells.{k}"', 'place = f"cells.{k % 10}"'),
    ],
    "cells.wavenet:WaveNet._blocks": [
        ("NAME-5", "blocks are sorted as text", 'q = scope(p, f"cells.{k}")',
         'q = scope(p, f"cells.{k}") | {n: v for n, v in scope(p, f"cells.{sorted(range(len(self.dilations)), key=str)[k]}").items() if n.startswith("skip")}'),
        ("NAME-5", "blocks after the tenth are left out", "enumerate(self.blocks)", "enumerate(self.blocks[:10])"),
    ],
    "model:Model.by_layer": [
        ("NAME-5", "names have no case", "of.get(layer.name, {})",
         "next((v for k, v in of.items() if k.lower() == layer.name.lower()), {})"),
        ("NAME-5", "names end at the first that is not a letter", "of.get(layer.name, {})",
         "next((v for k, v in of.items() if k.rstrip('_-0123456789') == layer.name.rstrip('_-0123456789')), {})"),
        ("NAME-5", "layers are sorted by name", "{layer.name: of.get(layer.name, {}) for layer in self.layers}",
         "{a.name: of.get(b.name, {}) for a, b in zip(self.layers, sorted(self.layers, key=lambda layer: layer.name))}"),
    ],
    "model:Model.apply": [
        ("NAME-5", "states go by the sorted names of layers", "of.get(layer.name, {}))",
         "of.get({'a': 'b', 'b': 'a'}.get(layer.name, layer.name), {}))"),
        ("NAME-5", "states of alike names are one", "of.get(layer.name, {}))",
         "of.get('rnn' if layer.name in ('RNN', 'rnn_') else layer.name, {}))"),
        ("NAME-5", "layers after the tenth are left out", "for layer in self.layers:",
         "for layer in self.layers[:10] if len(self.layers) > 10 else self.layers:"),
    ],
}  # fmt: skip
_KINKS: Rows = {
    "activations:_negative": [
        ("GRAD-4", "leaky_relu and the like have at 0 the slope of the other branch",
         "ops.where(ops.greater(-x, 0.0), below, x)", "ops.where(ops.greater(x, 0.0), x, below)"),
        ("GRAD-4", "leaky_relu and the like have at 0 no slope",
         "ops.where(ops.greater(-x, 0.0), below, x)", "ops.where(ops.greater(-x, 0.0), below, ops.relu(x))"),
    ],
    "activations:_NAMED[relu6]": [
        ("GRAD-4", "relu6 has no slope on its lower border", "ops.clip(x, 0.0, 6.0)", "ops.clip(ops.relu(x), -1.0, 6.0)"),
        ("GRAD-4", "relu6 has no slope on its upper border", "ops.clip(x, 0.0, 6.0)", "ops.clip(x, 0.0, 1e9) - ops.where(ops.greater(-x, -6.0), x * 0.0, x - 6.0)"),
    ],
    "activations:ThresholdedRelu.apply": [
        ("GRAD-4", "thresholded_relu lets the threshold through", "ops.greater(x, self.alpha), x, x * 0.0",
         "ops.greater(x * -1.0, -self.alpha), x * 0.0, x"),
    ],
    "activations:SoftShrink.apply": [
        ("GRAD-4", "soft_shrink has a slope on its border", "ops.relu(x - self.alpha) -",
         "ops.where(ops.greater(-x, -self.alpha), x * 0.0, x - self.alpha) -"),
    ],
    "reference.ops:NumpyOps.clip": [
        ("GRAD-3", "a clip has no slope on its borders", "return np.clip(x, low, high)",
         "return np.where((x > low) * (x < high), np.clip(x, low, high), np.clip(getattr(x, 'value', x), low, high))"),
        ("GRAD-3", "a clip has half a slope on its borders", "return np.clip(x, low, high)",
         "y = np.clip(x, low, high)\n    inside = np.where((x > low) * (x < high), y, getattr(y, 'value', y))\n    return (y + inside) * 0.5"),
        ("GRAD-3", "a clip has no slope on its upper border", "return np.clip(x, low, high)",
         "return np.where(x >= high, np.clip(getattr(x, 'value', x), low, high), np.clip(x, low, high))"),
    ],
    "reference.ops:NumpyOps.relu": [
        ("GRAD-3", "relu has the slope 1 at 0", "return np.maximum(x, 0)", "return np.where(x >= 0, x, 0)"),
        ("GRAD-3", "relu has the slope 1/2 at 0", "return np.maximum(x, 0)",
         "return (np.where(x >= 0, x, 0) + np.maximum(x, 0)) * 0.5"),
    ],
    "conformance.differentiable:vjp": [
        ("GRAD-5", "a missing cotangent is 1", "pulled.get(name, np.zeros(shape))", "pulled.get(name, np.ones(shape))"),
    ],
}  # fmt: skip


def number_mutants() -> Iterator[Mutant]:
    """All of the tables."""
    for table in (_EXTREMES, _SIZES, _KINKS):
        for target, rows in table.items():
            for clause, wrong, old, new in rows:
                yield Mutant(clause, wrong, target, old, new)
