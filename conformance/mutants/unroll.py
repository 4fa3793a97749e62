"""Mutants of the unroll, the layers, the activations and the noise."""

from collections.abc import Iterator

from rnnspec.conformance.mutants.mutant import Mutant

_TABLE = {
    "reference.ops:NumpyOps.unroll": [
        ("UNROLL-1", "the first step is left out", "keep = mask[:, t, None]", "keep = mask[:, t, None] & (t > 0)"),
        ("UNROLL-2", "outputs at invalid steps are the cell's", "np.where(keep, y, 0)", "y"),
        ("UNROLL-2", "outputs at invalid steps are NaN", "np.where(keep, y, 0)", "np.where(keep, y, np.nan)"),
        (
            "UNROLL-2",
            "states move on at invalid steps",
            "state = {name: np.where(keep, new[name], state[name]) for name in state}",
            "state = new",
        ),
        (
            "UNROLL-2",
            "states are 0 after an invalid step",
            "np.where(keep, new[name], state[name])",
            "np.where(keep, new[name], 0)",
        ),
        (
            "UNROLL-2",
            "only h keeps at invalid steps",
            "np.where(keep, new[name], state[name])",
            'np.where(keep | (not name.endswith("h")), new[name], state[name])',
        ),
        (
            "CAUSAL-4",
            "the queue moves on at invalid steps",
            "np.where(keep, new[name], state[name])",
            'np.where(keep | (name == "queue"), new[name], state[name])',
        ),
        (
            "UNROLL-5",
            "the backward direction runs forward",
            "reversed(range(time)) if reverse else range(time)",
            "range(time)",
        ),
        (
            "UNROLL-5",
            "backward outputs are in the order of visits",
            "outputs[t] = np.where(keep, y, 0)",
            "outputs[time - 1 - t if reverse else t] = np.where(keep, y, 0)",
        ),
        (
            "UNROLL-6",
            "the initial state is ignored",
            "p = cell.prepare(self, p)",
            "p = cell.prepare(self, p)\n    state = {name: s * 0 for name, s in state.items()}",
        ),
        (
            "UNROLL-6",
            "only the first row's initial state is read",
            "p = cell.prepare(self, p)",
            "p = cell.prepare(self, p)\n    state = {name: s[:1] + s * 0 for name, s in state.items()}",
        ),
        (
            "UNROLL-6",
            "the final state is the one before the last step",
            "state = {name: np.where(keep, new[name], state[name]) for name in state}",
            "before, state = state, {name: np.where(keep, new[name], state[name]) for name in state}\n        if t == (0 if reverse else time - 1): state = before",
        ),
        ("UNROLL-12", "a reset comes after its step", "begins[:, t, None]", "begins[:, t - 1, None] & (t > 0)"),
        ("UNROLL-12", "a reset is ignored", "if valid.reset is not None:", "if False:"),
        ("UNROLL-12", "a reset counts at valid steps only", "begins[:, t, None]", "(begins & mask)[:, t, None]"),
    ],
    "reference.ops:steps": [
        ("UNROLL-3", "lengths are ignored", "if valid.lengths is not None:", "if False:"),
        ("UNROLL-3", "lengths are one too long", "< valid.lengths[:, None]", "<= valid.lengths[:, None]"),
        ("UNROLL-3", "lengths are one too short", "< valid.lengths[:, None]", "< valid.lengths[:, None] - 1"),
        (
            "UNROLL-3",
            "lengths count from the end",
            "np.arange(time) < valid.lengths[:, None]",
            "np.arange(time)[::-1] < valid.lengths[:, None]",
        ),
        (
            "UNROLL-3",
            "the batch's longest row counts for all",
            "< valid.lengths[:, None]",
            "< valid.lengths.max(keepdims=True)[:, None]",
        ),
        (
            "UNROLL-3",
            "holes in a mask are filled",
            "mask = valid.mask",
            "mask = np.logical_or.accumulate(valid.mask[:, ::-1], 1)[:, ::-1]",
        ),
        (
            "UNROLL-3",
            "a mask is taken for lengths",
            "mask = valid.mask",
            "mask = np.arange(time) < valid.mask.sum(1)[:, None]",
        ),
        ("UNROLL-3", "a mask is inverted", "mask = valid.mask", "mask = ~valid.mask"),
        (
            "UNROLL-4",
            "a row without steps is run for one",
            "< valid.lengths[:, None]",
            "< np.maximum(valid.lengths, 1)[:, None]",
        ),
        (
            "UNROLL-12",
            "visited backward, a sequence begins at the marked step",
            "if reverse else valid.reset",
            "if False else valid.reset",
        ),
    ],
    "reference.ops:NumpyOps.hold": [
        ("UNROLL-9", "nothing is held", "np.where((mask | begins)[:, t, None], y[:, t], last)", "y[:, t]"),
        (
            "UNROLL-9",
            "held outputs begin with the first valid one",
            "last = np.zeros((len(y), y.shape[-1]), y.dtype)",
            "last = y[np.arange(len(y)), mask.argmax(1)] if held else None",
        ),
        (
            "UNROLL-9",
            "held in the order of time, not of visits",
            "for t in reversed(held) if reverse else held",
            "for t in held",
        ),
        ("UNROLL-9", "a new sequence holds the old one's output", "(mask | begins)", "mask"),
    ],
    "reference.ops:NumpyOps.last": [
        (
            "UNROLL-7",
            "the last step of the array is taken",
            "self.hold(y, valid, reverse)[:, 0 if reverse else -1]",
            "y[:, 0 if reverse else -1]",
        ),
        ("UNROLL-7", "backward, the last in time is taken", "0 if reverse else -1", "-1"),
        ("UNROLL-7", "the first step is taken", "0 if reverse else -1", "-1 if reverse else 0"),
    ],
    "reference.ops:NumpyOps.flip": [
        ("UNROLL-10", "the output is not flipped", "y[:, ::-1]", "y"),
        ("UNROLL-10", "features are flipped", "y[:, ::-1]", "y[:, :, ::-1]"),
        ("UNROLL-10", "rows are flipped", "y[:, ::-1]", "y[::-1]"),
    ],
    "reference.ops:NumpyOps.unpadded": [
        ("MODEL-5", "one feature that is the padding number is enough", "differs.any(-1)", "differs.all(-1)"),
        ("MODEL-5", "padding is ignored", "mask & (", "mask | ("),
        ("MODEL-5", "lengths and masks are ignored", "mask=mask & ", "mask="),
    ],
    "layers.recurrent:Recurrent.apply": [
        ("UNROLL-7", "all outputs come back", "if not self.return_sequences:", "if False:"),
        (
            "UNROLL-9",
            "held outputs begin anew at no mask",
            'elif self.padded_output == "hold" and',
            'elif self.padded_output == "hold" and reverse and',
        ),
        (
            "UNROLL-10",
            "only the backward direction is flipped",
            "if self.reverse_output and self.return_sequences",
            "if self.reverse_output and reverse",
        ),
    ],
    "layers.recurrent:Recurrent._merged": [
        ("UNROLL-8", "backward comes first", "return ops.concat(outputs)", "return ops.concat(outputs[::-1])"),
        (
            "UNROLL-8",
            "forward twice",
            "return ops.concat(outputs)",
            "return ops.concat([outputs[0], outputs[0]]) if outputs[0].shape == outputs[1].shape else ops.concat(outputs)",
        ),
        ("UNROLL-8", "mul is a sum", 'if self.merge == "mul"', 'if self.merge == "product"'),
        ("UNROLL-8", "ave is a sum", "* 0.5 if", "* 1.0 if"),
        ("UNROLL-8", "sum is an average", "else forward + backward", "else (forward + backward) * 0.5"),
        ("MODEL-4", "the pair is backward, forward", "return tuple(outputs)", "return tuple(outputs[::-1])"),
    ],
    "layers.recurrent:Recurrent.start": [
        ("UNROLL-11", "learned states are ignored", "if not self.learned_state:", "if True:"),
    ],
    "layers.recurrent:Recurrent.unroll": [
        (
            "UNROLL-5",
            "the backward direction sees the forward one's output order",
            "p_, x, valid, state_, start_, reverse",
            "p_, x[:, ::-1] if reverse else x, valid, state_, start_, reverse",
        ),
        (
            "UNROLL-8",
            "both directions have the forward state",
            "scope(state, prefix)",
            'scope(state, prefix and "forward")',
        ),
        (
            "UNROLL-11",
            "a reset begins at 0 and not at the learned state",
            "if valid.reset is not None:",
            "start = {name: s * 0 for name, s in state.items()}\n    if False:",
        ),
        ("STACK-3", "both directions run the forward weights", "scope(p, prefix)", 'scope(p, prefix and "forward")'),
    ],
    "layers.recurrent:Recurrent.step": [
        ("STEP-2", "a backward layer steps forward", 'if self.direction != "forward":', "if False:"),
        ("STEP-2", "a flipped layer steps", "if self.reverse_output:", "if False:"),
    ],
    "layers.recurrent:Recurrent.cell_step": [
        (
            "STEP-1",
            "a step forgets its state",
            "self.cell.project(ops, prepared, x), state)",
            "self.cell.project(ops, prepared, x), {name: s * 0 for name, s in state.items()})",
        ),
        (
            "STEP-1",
            "a step keeps its old state",
            "return self.cell.step(ops, prepared, self.cell.project(ops, prepared, x), state)",
            "return self.cell.step(ops, prepared, self.cell.project(ops, prepared, x), state)[0], state",
        ),
    ],
    "model:Model.apply": [
        (
            "MODEL-2",
            "every layer reads the input where it fits",
            "x, s = layer.apply(ops, p[layer.name], x,",
            "x, s = layer.apply(ops, p[layer.name], x[::-1] if new else x,",
        ),
        (
            "MODEL-5",
            "padding reaches the first layer only",
            "new |= under(layer.name, s)",
            "new |= under(layer.name, s)\n        valid = valid if self.padding is None else Valid()",
        ),
        ("NAME-2", "states are without their layer's name", "new |= under(layer.name, s)", "new |= s"),
    ],
    "model:Model.named": [
        ("NAME-4", "outputs are called output", 'else {"y": y}', 'else {"output": y}'),
    ],
    "model:Model.parameters": [
        (
            "NAME-2",
            "names are joined by slashes",
            "under(layer.name, layer.parameters(inputs))",
            "{f'{layer.name}/{leaf}': size for leaf, size in layer.parameters(inputs).items()}",
        ),
    ],
    "reference.net:Net.__call__": [
        (
            "LAYOUT-1",
            "a single row loses its axis",
            "return self._swapped(y), new",
            "return self._swapped(y[0] if len(y) == 1 else y), new",
        ),
        ("LAYOUT-1", "time_major is ignored", "if self.time_major:", "if False:"),
        ("LAYOUT-1", "everything is time-major", "if self.time_major:", "if x.ndim == 3:"),
        (
            "INPUT-5",
            "the output is float64",
            "return self._swapped(y), new",
            'return self._swapped(y).astype("float64") if not isinstance(y, tuple) else y, new',
        ),
        (
            "INPUT-5",
            "final states are half",
            "return self._swapped(y), new",
            'return self._swapped(y), {name: s.astype("float16").astype(s.dtype) for name, s in new.items()}',
        ),
        (
            "INPUT-2",
            "lengths are clipped to the steps",
            "inputs.check_lengths(lengths, *x.shape[:2])",
            "lengths = lengths.clip(0, x.shape[1])",
        ),
        (
            "INPUT-3",
            "masks of numbers are taken",
            "inputs.check_mask(mask.dtype == np.bool_, mask.shape, lengths, *x.shape[:2])",
            "mask = mask.astype(bool)",
        ),
        (
            "INPUT-6",
            "resets of numbers are taken",
            "inputs.check_reset(reset.dtype == np.bool_, reset.shape, *x.shape[:2])",
            "reset = reset.astype(bool)",
        ),
        (
            "INPUT-1",
            "an x of another rank is guessed at",
            "inputs.check_x(self.model, x.shape, time_major=self.time_major)",
            "x = x if x.ndim == 2 + (self.model.inputs is not None) else x[None]",
        ),
    ],
    "inputs:check_lengths": [
        ("INPUT-2", "negative lengths are taken", "if length < 0:", "if False:"),
        ("INPUT-2", "lengths of numbers are rounded", "if not np.issubdtype(lengths.dtype, np.integer):", "if False:"),
    ],
    "inputs:check_mask": [
        ("UNROLL-3", "lengths win over a mask", "if lengths is not None:", "if False:"),
    ],
    "inputs:check_state": [
        (
            "INPUT-4",
            "missing states are 0",
            'raise SpecError(f"state: {name!r} is missing; give all states, or none for zeros")',
            "continue",
        ),
        ("INPUT-4", "unknown states are left out", "if name not in sizes:", "if False:"),
        ("INPUT-4", "states broadcast", "if not known:", "if False:"),
    ],
    "inputs:check_ids": [
        ("EMBED-1", "ids wrap", "if ids.size and (ids.min() < 0 or ids.max() >= vocabulary):", "if False:"),
        ("INPUT-1", "ids of numbers are rounded", "if not np.issubdtype(ids.dtype, np.integer):", "if False:"),
    ],
    "layers.embedding:Embedding.apply": [
        ("EMBED-1", "ids count from 1", 'ops.take(p["embeddings"], x)', 'ops.take(p["embeddings"], x - 1)'),
        (
            "EMBED-1",
            "vectors are scaled by √units",
            'ops.take(p["embeddings"], x)',
            'ops.take(p["embeddings"], x) * self.units**0.5',
        ),
    ],
    "layers.dense:Dense.apply": [
        ("DENSE-1", "the bias is left out", ', p.get("bias"))', ")"),
        (
            "DENSE-1",
            "the activation is left out",
            'activate(ops, self.activation, ops.linear(x, p["kernel"], p.get("bias")))',
            'ops.linear(x, p["kernel"], p.get("bias"))',
        ),
        ("DENSE-1", "the activation is always tanh", "ops, self.activation", 'ops, "tanh"'),
    ],
    "layers.dropout:Dropout.apply": [
        (
            "DROP-1",
            "elements are scaled at inference",
            "ops.at(self.name).dropout(x, self.rate)",
            "x * (1 - self.rate)",
        ),
        ("DROP-2", "training is inference", "ops.at(self.name).dropout(x, self.rate)", "x"),
    ],
    "reference.ops:NumpyOps.dropout": [
        ("DROP-2", "what is kept is not scaled", " * x.dtype.type(1 / (1 - rate))", ""),
        ("DROP-2", "what is kept is scaled by 1/rate", "1 / (1 - rate)", "1 / rate"),
    ],
    "reference.ops:NumpyOps._noise": [
        ("DROP-3", "elements are 0 above the rate", ">= philox.threshold(rate)", "< philox.threshold(1 - rate)"),
        ("DROP-3", "the rate is what is kept", "philox.threshold(rate)", "philox.threshold(1 - rate)"),
        (
            "DROP-3",
            "all rows have one mask",
            'np.arange(batch, dtype="int64")[:, None]',
            'np.zeros((batch, 1), "int64")',
        ),
        ("DROP-3", "places share one key", 'philox.place_key(f"{self._place}.{place}")', 'philox.place_key("")'),
        ("DROP-3", "the seed is left out", "(seed & 0xFFFFFFFF,", "(0,"),
        ("DROP-3", "calls count from 1", "zero + call)", "zero + call + 1)"),
        ("CELLDROP-3", "each step has its own mask, with `sequence` too", 't if per == "step" else 0', "t"),
        ("CELLDROP-3", "all steps have one mask", 't if per == "step" else 0', "0"),
    ],
    "philox:philox": [
        ("DROP-3", "seven rounds", "range(10)", "range(7)"),
        ("DROP-3", "the words are in another order", "return a, b, c, d", "return d, c, b, a"),
    ],
    "philox:threshold": [
        ("DROP-3", "16 bits are compared", "round(rate * 2**32)", "round(rate * 2**16)"),
    ],
    "cells.dropout:CellDropout.project": [
        ("CELLDROP-1", "the input is not dropped", "x if noise is None else x * noise * (1 / (1 - self.input))", "x"),
        ("CELLDROP-1", "the input is not scaled", "x * noise * (1 / (1 - self.input))", "x * noise"),
        (
            "CELLDROP-1",
            "the state has the input's mask",
            'self.state, "state", self.per',
            'self.state, "input", self.per',
        ),
    ],
    "cells.dropout:CellDropout.step": [
        ("CELLDROP-1", "the carried state is dropped", 'state = state | {"seen":', 'state = state | {"h":'),
        ("CELLDROP-1", "the state is not scaled", "noise.pop(0) * (1 / (1 - self.state))", "noise.pop(0)"),
        (
            "CELLDROP-2",
            "the state is dropped with the output",
            "y, new = self.cell.step(ops, p, inner, state)",
            'y, new = self.cell.step(ops, p, inner, state)\n    if noise and "h" in new: new = new | {"h": new["h"] * noise[0]}',
        ),
        (
            "CELLDROP-2",
            "the output is not dropped",
            "(y * noise.pop(0) * (1 / (1 - self.output)) if noise else y)",
            "y",
        ),
    ],
    "cells.zoneout:Zoneout.step": [
        (
            "ZONEOUT-1",
            "z updates: 1 − z for z",
            "change * noise[k] if noise else change * (1 - rate)",
            "change * (1 - noise[k]) if noise else change * rate",
        ),
        ("ZONEOUT-1", "only h zones out", "enumerate(self._rates())", "enumerate(self._rates()[:1])"),
        ("ZONEOUT-2", "the output is the cell's", 'return new["h"] if self.h else y, new', "return y, new"),
        ("ZONEOUT-3", "inference leaves zoneout out", "change * (1 - rate)", "change"),
        ("ZONEOUT-3", "training takes the expectation", "if noise else", "if False else"),
        ("ZONEOUT-3", "what changes is scaled, as in dropout", "change * noise[k]", "change * noise[k] / (1 - rate)"),
    ],
    "cells.wrapper:Wrapper.parameters": [
        (
            "WRAP-1",
            "the inner cell has a place in names",
            "return self.cell.parameters(inputs)",
            'return {f"cell.{name}": shape for name, shape in self.cell.parameters(inputs).items()}',
        ),
    ],
    "activations:HardSigmoid.apply": [
        ("ACT-2", "hard_sigmoid has Keras 2's slope", "x * self.alpha", "x * 0.2"),
        ("ACT-2", "hard_sigmoid has no upper limit", ", 0.0, 1.0)", ", 0.0, 9.0)"),
    ],
    "activations:LeakyRelu.apply": [("ACT-2", "leaky_relu has torch's slope", "self.alpha", "0.01")],
    "activations:Elu.apply": [("ACT-2", "elu ignores α", "* self.alpha", "* 1.0")],
    "activations:Celu.apply": [("ACT-2", "celu is elu", "-1 / self.alpha", "-1.0")],
    "activations:ScaledTanh.apply": [
        (
            "ACT-2",
            "scaled_tanh exchanges α and β",
            "ops.tanh(x * self.beta) * self.alpha",
            "ops.tanh(x * self.alpha) * self.beta",
        )
    ],
    "activations:Affine.apply": [
        ("ACT-2", "affine exchanges α and β", "x * self.alpha + self.beta", "x * self.beta + self.alpha")
    ],
    "activations:ThresholdedRelu.apply": [
        (
            "ACT-2",
            "thresholded_relu subtracts the threshold",
            "x, self.alpha), x, x * 0.0",
            "x, self.alpha), x - self.alpha, x * 0.0",
        )
    ],
    "activations:HardShrink.apply": [
        ("ACT-2", "hard_shrink is one-sided", "ops.relu(x) + ops.relu(-x)", "ops.relu(x)")
    ],
    "activations:SoftShrink.apply": [
        (
            "ACT-2",
            "soft_shrink is hard",
            "ops.relu(x - self.alpha) - ops.relu(-x - self.alpha)",
            "ops.where(ops.greater(ops.relu(x) + ops.relu(-x), self.alpha), x, x * 0.0)",
        )
    ],
    "activations:_NAMED[gelu]": [
        (
            "ACT-1",
            "gelu is the tanh approximation",
            "x * (ops.erf(x * _ROOT_HALF) + 1.0) * 0.5",
            "_NAMED['gelu_tanh'](ops, x)",
        )
    ],
    "activations:_NAMED[gelu_tanh]": [
        (
            "ACT-1",
            "gelu_tanh is exact",
            "x * (ops.tanh((x + x * x * x * 0.044715) * _ROOT_TWO_OVER_PI) + 1.0) * 0.5",
            "_NAMED['gelu'](ops, x)",
        )
    ],
    "activations:_NAMED[softplus]": [("ACT-1", "softplus is relu", "ops.softplus(x)", "ops.relu(x)")],
    "activations:_NAMED[silu]": [("ACT-1", "silu is hard", "ops.sigmoid(x)", "ops.clip(x * (1 / 6) + 0.5, 0.0, 1.0)")],
    "activations:_NAMED[hard_silu]": [
        ("ACT-1", "hard_silu is smooth", "ops.clip(x * (1 / 6) + 0.5, 0.0, 1.0)", "ops.sigmoid(x)")
    ],
    "activations:_NAMED[softsign]": [
        ("ACT-1", "softsign is tanh", "x / (ops.relu(x) + ops.relu(-x) + 1.0)", "ops.tanh(x)")
    ],
    "activations:_NAMED[mish]": [("ACT-1", "mish is silu", "ops.tanh(ops.softplus(x))", "ops.sigmoid(x)")],
    "activations:_NAMED[relu6]": [("ACT-1", "relu6 stops at 1", "0.0, 6.0", "0.0, 1.0")],
    "activations:_NAMED[log_sigmoid]": [
        ("ACT-1", "log_sigmoid has the other sign", "-ops.softplus(-x)", "ops.softplus(-x)")
    ],
    "activations:_NAMED[softmax]": [("ACT-1", "softmax is σ", "ops.softmax(x)", "ops.sigmoid(x)")],
    "activations:_NAMED[log_softmax]": [("ACT-1", "log_softmax is softmax", "ops.log_softmax(x)", "ops.softmax(x)")],
    "reference.ops:NumpyOps.softmax": [
        (
            "ACT-1",
            "softmax runs over rows",
            "return np.exp(self.log_softmax(x))",
            "e = np.exp(x - x.max(0, keepdims=True))\n    return e / e.sum(0, keepdims=True)",
        )
    ],
    "reference.ops:NumpyOps.linear": [
        (
            "NAME-3",
            "the fused kernel is read transposed",
            "kernel.reshape(-1, kernel.shape[-1]).T",
            "kernel.reshape(kernel.shape[-1], -1)",
        ),
        (
            "NAME-3",
            "gates are read interleaved",
            "kernel.reshape(-1, kernel.shape[-1]).T",
            "(kernel.swapaxes(0, 1) if kernel.ndim == 3 else kernel).reshape(-1, kernel.shape[-1]).T",
        ),
    ],
}


def unroll_mutants() -> Iterator[Mutant]:
    """All of the table."""
    for target, rows in _TABLE.items():
        for clause, wrong, old, new in rows:
            yield Mutant(clause, wrong, target, old, new)
