"""Mutants of the cells' equations: the piece of the source, and what stands in its place."""

from collections.abc import Iterator

from rnnspec.conformance.mutants.mutant import Mutant

_TABLE = {
    "cells.gated:Gated.project": [
        ("GATES-1", "the bias is left out", 'ops.linear(x, p["kernel"], p.get("bias"))', 'ops.linear(x, p["kernel"])'),
        (
            "GATES-1",
            "the bias is counted twice",
            'ops.linear(x, p["kernel"], p.get("bias"))',
            'ops.linear(x, p["kernel"], p.get("bias")) + (ops.flat(p["bias"]) if self.bias else 0.0)',
        ),
        (
            "NORM-2",
            "the bias is normalised with W x",
            'ops.linear(x, p["kernel"]), len',
            'ops.linear(x, p["kernel"], p.get("bias")), len',
        ),
        ("NORM-2", "the bias is left out", 'return z + ops.flat(p["bias"]) if self.bias else z', "return z"),
        (
            "NORM-2",
            "W x is not normalised",
            'norm.apply(ops, p, "kernel", ops.linear(x, p["kernel"]), len(self.gates))',
            'ops.linear(x, p["kernel"])',
        ),
    ],
    "cells.gated:Gated.preactivations": [
        ("GATES-1", "the recurrent product is left out", "return projected + r\n", "return projected + r * 0.0\n"),
        ("GATES-1", "the recurrent product is subtracted", "return projected + r\n", "return projected - r\n"),
        ("NORM-1", "W x and R h are normalised apart", "projected + r, gates)", "r, gates) + projected"),
        (
            "NORM-1",
            "nothing is normalised",
            'return norm.apply(ops, p, "gates", projected + r, gates)',
            "return projected + r",
        ),
        ("NORM-2", "R h is not normalised", 'norm.apply(ops, p, "recurrent", r, gates)', "r"),
    ],
    "cells.gated:Gated.product": [
        (
            "GATES-2",
            "the diagonal of the first gate counts for all",
            "ops.flat(kernel)",
            "ops.concat([ops.flat(kernel[:1])] * gates)",
        ),
        (
            "GATES-2",
            "units see their neighbour's past",
            "(ops.concat([h] * gates) if gates > 1 else h)",
            "ops.concat([ops.concat(list(ops.split(h, (1, int(h.shape[-1]) - 1))[::-1]))] * gates)",
        ),
    ],
    "cells.gated:Gated.clipped": [
        ("GATES-3", "gates are not clipped", "ops.clip(a, -self.clip_gates, self.clip_gates)", "a"),
        ("GATES-3", "gates are clipped from above only", "-self.clip_gates, self", "-1e9, self"),
        (
            "GATES-3",
            "gates are clipped at twice the limit",
            "-self.clip_gates, self.clip_gates)",
            "-2 * self.clip_gates, 2 * self.clip_gates)",
        ),
    ],
    "cells.layer_norm:LayerNorm.apply": [
        ("NORM-3", "all gates are normalised together", 'gates if self.over == "gate" else 1', "1"),
        ("NORM-3", "each gate is normalised by itself", 'gates if self.over == "gate" else 1', "gates"),
        ("NORM-3", "β is left out", 'p.get(f"{place}_beta")', "None"),
        ("NORM-1", "γ is left out", 'p[f"{place}_gamma"]', 'p[f"{place}_gamma"] * 0.0 + 1.0'),
        ("NORM-1", "ε is Keras's 1e-3", "self.epsilon", "1e-3 * 1.7"),
        ("NORM-1", "ε is forgotten", "self.epsilon", "0.0"),
        (
            "NORM-1",
            "W x + R h is shifted by β before it is scaled by γ",
            'p.get(f"{place}_beta")',
            '(p[f"{place}_beta"] * p[f"{place}_gamma"] if f"{place}_beta" in p else None)',
        ),
    ],
    "cells.layer_norm:LayerNorm.of_cell": [
        ("LSTM-9", "the norm of the cell has no β", 'p["cell_beta"]', "None"),
        ("LSTM-9", "the norm of the cell has no γ", 'p["cell_gamma"]', 'p["cell_gamma"] * 0.0 + 1.0'),
    ],
    "reference.ops:NumpyOps.layer_norm": [
        (
            "NORM-1",
            "the variance is the unbiased one",
            "(a * a).mean(-1, keepdims=True)",
            "(a * a).sum(-1, keepdims=True) / (a.shape[-1] - 1)",
        ),
        (
            "NORM-1",
            "ε is outside the root",
            "np.sqrt((a * a).mean(-1, keepdims=True) + x.dtype.type(epsilon))",
            "(np.sqrt((a * a).mean(-1, keepdims=True)) + x.dtype.type(epsilon))",
        ),
        ("NORM-1", "the mean is not subtracted", "a = a - a.mean(-1, keepdims=True)", "a = a + 0"),
        (
            "NORM-1",
            "it is divided by the variance",
            "np.sqrt((a * a).mean(-1, keepdims=True) + x.dtype.type(epsilon))",
            "((a * a).mean(-1, keepdims=True) + x.dtype.type(epsilon))",
        ),
    ],
    "cells.rnn:RNN.step": [
        ("RNN-1", "the activation is always tanh", "ops, self.activation", 'ops, "tanh"'),
        (
            "RNN-1",
            "the activation is forgotten",
            "activate(ops, self.activation, self.clipped(ops, a))",
            "self.clipped(ops, a)",
        ),
        ("RNN-2", "the output is the old state", "return h, ", 'return state["h"], '),
        ("RNN-2", "the state keeps the preactivation", '{"h": h}', '{"h": a}'),
    ],
    "cells.lstm:LSTM.step": [
        ("LSTM-1", "the input gate is tanh", 'self._gate(ops, i_f[0], p.get("peephole_i"), c)', "ops.tanh(i_f[0])"),
        ("LSTM-1", "the forget gate is tanh", 'self._gate(ops, i_f[-1], p.get("peephole_f"), c)', "ops.tanh(i_f[-1])"),
        ("LSTM-2", "the candidate is σ", "activate(ops, self.cell_activation,", "activate(ops, self.gate_activation,"),
        ("LSTM-2", "the candidate is always tanh", "ops, self.cell_activation", 'ops, "tanh"'),
        ("LSTM-2", "the output gate is left out", "h = o * activate", "h = activate"),
        ("LSTM-3", "the forget gate is left out", "c = f * c + ", "c = c + "),
        ("LSTM-3", "the input gate is left out", "* g\n", "* 0.0 + g\n"),
        ("LSTM-3", "the forget gate forgets: 1 − f for f", "c = f * c + ", "c = (-f + 1.0) * c + "),
        ("LSTM-4", "the output activation is left out", "activate(ops, self.output_activation, seen)", "seen"),
        ("LSTM-4", "the output activation is always tanh", "ops, self.output_activation", 'ops, "tanh"'),
        (
            "LSTM-4",
            "the output reads the old c",
            "ops, self.output_activation, seen",
            'ops, self.output_activation, state["c"]',
        ),
        ("LSTM-5", "the output is c", "return h, ", "return seen, "),
        (
            "LSTM-5",
            "h and c are exchanged",
            '{"h": h, "c": c}',
            '{"h": c, "c": h} if h.shape == c.shape else {"h": h, "c": c}',
        ),
        ("LSTM-6", "a forget bias of 1 is added", "i_f[-1], p.get", "i_f[-1] + 1.0, p.get"),
        (
            "LSTM-7",
            "the output's peephole sees the old c",
            'p.get("peephole_o"), c)',
            'p.get("peephole_o"), state["c"])',
        ),
        ("LSTM-7", "the input's peephole is left out", 'p.get("peephole_i")', "None"),
        ("LSTM-7", "the forget's peephole is left out", 'p.get("peephole_f")', "None"),
        ("LSTM-7", "the output's peephole is left out", 'p.get("peephole_o")', "None"),
        ("LSTM-8", "the coupled gate is f for i", "c = g + f * (c - g)", "c = c + f * (g - c)"),
        ("LSTM-8", "the coupled gates do not add up to 1", "c = g + f * (c - g)", "c = f * c + g"),
        (
            "LSTM-9",
            "the normalised c is not stored",
            'if self.layer_norm and norm == "carry":',
            'if self.layer_norm and norm == "none":',
        ),
        (
            "LSTM-9",
            "the normalised c is stored",
            'seen = self.layer_norm.of_cell(ops, p, c) if self.layer_norm and norm == "output" else c',
            'seen = c = self.layer_norm.of_cell(ops, p, c) if self.layer_norm and norm == "output" else c',
        ),
        (
            "LSTM-9",
            "the output reads c without its norm",
            'if self.layer_norm and norm == "output" else c',
            'if self.layer_norm and norm == "none" else c',
        ),
        ("LSTM-10", "the cell is not clipped", "c = ops.clip(c, -self.clip_cell, self.clip_cell)", "pass"),
        (
            "LSTM-10",
            "the clip of the cell is not stored",
            '{"h": h, "c": c}',
            '{"h": h, "c": f * state["c"] + self._gate(ops, i_f[0], p.get("peephole_i"), state["c"]) * g if self.clip_cell and not norm and not self.coupled_input_forget else c}',
        ),
        (
            "LSTM-10",
            "the old cell is clipped",
            "c = f * c + ",
            "c = f * (c if self.clip_cell is None else ops.clip(c, -self.clip_cell, self.clip_cell)) + 0.0 * c + ",
        ),
        (
            "LSTM-10",
            "the output's peephole sees c before the clip",
            "c = ops.clip(c, -self.clip_cell, self.clip_cell)",
            'u, c = c, ops.clip(c, -self.clip_cell, self.clip_cell)\n        o = o + (u - c) * p["peephole_o"] if self.peephole else o',
        ),
        (
            "LSTM-11",
            "the projection sees c",
            'h = ops.linear(h, p["projection"])',
            'h = ops.linear(c, p["projection"])',
        ),
        (
            "LSTM-11",
            "the projection has a tanh",
            'h = ops.linear(h, p["projection"])',
            'h = ops.tanh(ops.linear(h, p["projection"]))',
        ),
        (
            "LSTM-12",
            "the projection is not clipped",
            "h = ops.clip(h, -self.clip_projection, self.clip_projection)",
            "pass",
        ),
        (
            "LSTM-12",
            "the clip comes before the projection",
            'h = ops.linear(h, p["projection"])',
            'h = ops.linear(h if self.clip_projection is None else ops.clip(h, -self.clip_projection, self.clip_projection), p["projection"])\n        return h, {"h": h, "c": c}',
        ),
    ],
    "cells.lstm:LSTM._gate": [
        (
            "GATES-3",
            "the peephole term escapes the clip",
            "self.clipped(ops, a if peephole is None else a + c * peephole)",
            "self.clipped(ops, a) if peephole is None else self.clipped(ops, a) + c * peephole",
        ),
        ("LSTM-1", "the gates' activation is always σ", "ops, self.gate_activation", 'ops, "sigmoid"'),
        ("LSTM-7", "the peepholes are subtracted", "a + c * peephole", "a - c * peephole"),
    ],
    "cells.lstm:LSTM.prepare": [
        ("LSTM-7", "the peepholes come as forget, input, output", '("i", "f", "o")', '("f", "i", "o")'),
        ("LSTM-7", "the peepholes come as input, output, forget", '("i", "f", "o")', '("i", "o", "f")'),
        ("LSTM-7", "the peepholes come as output, forget, input", '("i", "f", "o")', '("o", "f", "i")'),
        ("LSTM-8", "the coupled peepholes are exchanged", '("f", "o") if', '("o", "f") if'),
    ],
    "cells.gru:GRU.step": [
        (
            "GRU-1",
            "the gates are tanh",
            "activate(ops, self.gate_activation, self.clipped(ops, a_ru))",
            "ops.tanh(self.clipped(ops, a_ru))",
        ),
        ("GRU-1", "the gates' activation is always σ", "ops, self.gate_activation", 'ops, "sigmoid"'),
        ("GRU-2", "the reset comes after the product", "x_n, r * seen, 1)", "x_n * 0.0, seen, 1) * r + x_n"),
        ("GRU-2", "there is no reset", "x_n, r * seen, 1)", "x_n, seen, 1)"),
        ("GRU-2", "the update gate resets", "x_n, r * seen, 1)", "x_n, u * seen, 1)"),
        ("GRU-3", "there is no reset", "else:\n        a_n = x_n + r * m", "else:\n        a_n = x_n + m"),
        (
            "GRU-3",
            "the reset comes before the product",
            "else:\n        a_n = x_n + r * m",
            'else:\n        a_n = x_n + self._recurrent_new(ops, p["new"], r * seen, d)',
        ),
        (
            "GRU-3",
            "the reset scales the input too",
            "else:\n        a_n = x_n + r * m",
            "else:\n        a_n = r * (x_n + m)",
        ),
        (
            "GRU-3",
            "the recurrent bias is outside the reset",
            'm = self._recurrent_new(ops, p["new"], seen, d) if self.reset_after else None',
            'm = self._recurrent_new(ops, p["new"], seen, None) if self.reset_after else None\n        x_n = x_n if d is None else x_n + ops.flat(d)',
        ),
        (
            "GRU-3",
            "the recurrent bias is left out",
            'd = self.layer_norm, p["all"].get("recurrent_bias")',
            "d = self.layer_norm, None",
        ),
        (
            "GRU-3",
            "the recurrent bias is counted twice",
            "else:\n        a_n = x_n + r * m",
            "else:\n        a_n = x_n + r * m if d is None else x_n + ops.flat(d) + r * m",
        ),
        ("GRU-4", "u lets the new state in: 1 − u for u", "h = n + u * (h - n)", "h = h + u * (n - h)"),
        ("GRU-4", "the parts do not add up to 1", "h = n + u * (h - n)", "h = u * h + n"),
        ("GRU-4", "the new gate is always tanh", "n = activate(ops, self.activation,", 'n = activate(ops, "tanh",'),
        ("CELLDROP-1", "a GRU carries the dropped state on", "h = n + u * (h - n)", "h = n + u * (seen - n)"),
        ("GRU-5", "the output is the candidate", "return h, ", "return n, "),
        ("GRU-5", "the output is the old state", "return h, ", 'return state["h"], '),
        (
            "GRU-7",
            "the joint norm leaves the reset out",
            'norm.apply(ops, p["new"], "gates", x_n + r * m, 1)',
            'norm.apply(ops, p["new"], "gates", x_n + m, 1)',
        ),
        (
            "GRU-7",
            "the joint norm is left out of the new gate",
            'norm.apply(ops, p["new"], "gates", x_n + r * m, 1)',
            "x_n + r * m",
        ),
    ],
    "cells.gru:GRU._recurrent_new": [
        (
            "GRU-7",
            "the split norm takes the recurrent bias too",
            'self.product(ops, p["recurrent_kernel"], h, 1), 1)\n    return m if d is None else m + ops.flat(d)',
            'self.product(ops, p["recurrent_kernel"], h, 1, d), 1)\n    return m',
        ),
    ],
    "cells.indrnn:IndRNN.step": [
        ("INDRNN-1", "the activation is always tanh", "ops, self.activation", 'ops, "tanh"'),
        ("INDRNN-1", "the recurrence is left out", '+ state["h"] * p["recurrent_kernel"]', ""),
        ("INDRNN-2", "the output is the old state", "return h, ", 'return state["h"], '),
    ],
    "cells.ugrnn:UGRNN.step": [
        ("UGRNN-1", "the new gate is σ", "n = activate(ops, self.activation, n)", "n = ops.sigmoid(n)"),
        ("UGRNN-2", "u lets the new state in: 1 − u for u", "* (h - n)", "* (n - h) + h - n"),
        ("UGRNN-3", "the output is the candidate", "return h, ", "return n, "),
        ("UGRNN-4", "a forget bias of 1 is added", "self.gate_activation, u)", "self.gate_activation, u + 1.0)"),
    ],
    "cells.mgu:MGU.step": [
        ("MGU-1", "the gate sees no past", 'x_f + ops.linear(h, p["recurrent_f"])', "x_f"),
        ("MGU-2", "there is no reset", "ops.linear(f * h,", "ops.linear(h,"),
        (
            "MGU-2",
            "the reset comes after the product",
            'ops.linear(f * h, p["recurrent_n"])',
            'f * ops.linear(h, p["recurrent_n"])',
        ),
        ("MGU-3", "f keeps the old state: 1 − f for f", "h = h + f * (n - h)", "h = n + f * (h - n)"),
        ("MGU-4", "the output is the candidate", "return h, ", "return n, "),
    ],
    "cells.nas:NAS.project": [
        (
            "NAS-1",
            "the bias goes to W x",
            'return ops.linear(x, p["kernel"])',
            'return ops.linear(x, p["kernel"], p.get("bias"))',
        ),
    ],
    "cells.nas:NAS.step": [
        (
            "NAS-2",
            "relu and σ are exchanged",
            "ops.sigmoid(a[0] + m[0]) * ops.relu(a[1] + m[1])",
            "ops.relu(a[0] + m[0]) * ops.sigmoid(a[1] + m[1])",
        ),
        ("NAS-3", "the fourth split is a sum", "a[3] * m[3]", "a[3] + m[3]"),
        (
            "NAS-4",
            "σ and tanh are exchanged",
            "ops.tanh(a[4] + m[4]) * ops.sigmoid(a[5] + m[5])",
            "ops.sigmoid(a[4] + m[4]) * ops.tanh(a[5] + m[5])",
        ),
        ("NAS-5", "σ is left out", "v = ops.sigmoid(", "v = ("),
        ("NAS-6", "the cell is not squashed", 'ops.tanh(s + state["c"]) * t', '(s + state["c"]) * t'),
        ("NAS-7", "the last tanh is left out", "h = ops.tanh(c * ops.tanh(u + v))", "h = c * ops.tanh(u + v)"),
        (
            "NAS-7",
            "the projection is applied to c",
            'h = ops.linear(h, p["projection"])',
            'h = ops.linear(c, p["projection"])',
        ),
        ("NAS-8", "the output is c", "return h, ", "return (c if not self.projection else h), "),
    ],
    "cells.sru:SRU.project": [
        ("SRU-1", "forget and reset are exchanged", 'p["kernel"][1:3]', 'p["kernel"][2:0:-1]'),
        ("SRU-1", "the bias is left out", ', p.get("bias"))', ")"),
        (
            "SRU-4",
            "the highway's product is the candidate's",
            'ops.linear(x, p["kernel"][3:])',
            'ops.linear(x, p["kernel"][:1])',
        ),
    ],
    "cells.sru:SRU.step": [
        (
            "SRU-2",
            "f lets the new state in: 1 − f for f",
            'c = n + f * (state["c"] - n)',
            'c = state["c"] + f * (n - state["c"])',
        ),
        ("SRU-3", "the activation is always tanh", "ops, self.activation", 'ops, "tanh"'),
        (
            "SRU-3",
            "the highway is left out",
            "return x + r * (activate(ops, self.activation, c) - x), ",
            "return r * activate(ops, self.activation, c), ",
        ),
        ("SRU-3", "the state is the output", '{"c": c}', '{"c": r * c}'),
    ],
    "cells.intersection:Intersection.project": [
        ("INTERSECTION-1", "the projected input goes without its bias", ', p["input_bias"])', ")"),
        (
            "INTERSECTION-5",
            "a forget bias of 1 is added to both gates",
            'ops.linear(z, p["kernel"], p["bias"])',
            'ops.linear(z, p["kernel"], p["bias"] + p["bias"] * 0.0 + 1.0)',
        ),
    ],
    "cells.intersection:Intersection.step": [
        ("INTERSECTION-2", "the gates see no past", 'a + ops.linear(h, p["recurrent_kernel"])', "a"),
        (
            "INTERSECTION-3",
            "the state is relu, the output tanh",
            "n, y = ops.tanh(n), activate(ops, self.activation, y)",
            "n, y = ops.relu(n), ops.tanh(y)",
        ),
        (
            "INTERSECTION-3",
            "the state's gate is turned round",
            "n + ops.sigmoid(h_gate) * (h - n)",
            "h + ops.sigmoid(h_gate) * (n - h)",
        ),
        ("INTERSECTION-4", "the gates are exchanged", "h_gate, n, y_gate, y = ", "y_gate, n, h_gate, y = "),
        (
            "INTERSECTION-4",
            "the output is the state",
            "return y + ops.sigmoid(y_gate) * (z - y), ",
            "return n + ops.sigmoid(h_gate) * (h - n), ",
        ),
    ],
    "cells.timefreq:TimeFreqLSTM.project": [
        ("TIMEFREQ-1", "windows are one feature apart", "k * self.frequency_skip for", "k for"),
        (
            "TIMEFREQ-8",
            "the windows are counted from the end",
            "starts = [k * self.frequency_skip for k in range(self.windows(inputs))]",
            "starts = [inputs - self.feature_size - k * self.frequency_skip for k in range(self.windows(inputs))][::-1]",
        ),
    ],
    "cells.timefreq:TimeFreqLSTM.step": [
        ("TIMEFREQ-2", "the last window is left out", 'a = a + ops.linear(outputs[-1], p["frequency_kernel"])', "pass"),
        (
            "TIMEFREQ-2",
            "the last window's old m is seen",
            "ops.linear(outputs[-1], ",
            'ops.linear(state[f"m{k - 1}"], ',
        ),
        ("TIMEFREQ-3", "input and forget are exchanged", "i, f, g, o = ", "f, i, g, o = "),
        (
            "TIMEFREQ-3",
            "the input's peephole is the forget's",
            "self._gate(ops, p, 0, i, c)",
            "self._gate(ops, p, 1, i, c)",
        ),
        (
            "TIMEFREQ-4",
            "the output's peephole sees the old c",
            "self._gate(ops, p, 2, o, c)",
            'self._gate(ops, p, 2, o, state[f"c{k}"])',
        ),
        ("TIMEFREQ-5", "the cell is not clipped", "c = ops.clip(c, -self.clip_cell, self.clip_cell)", "pass"),
        ("TIMEFREQ-6", "the output's tanh is left out", "* ops.tanh(c))", "* c)"),
        (
            "TIMEFREQ-7",
            "the windows' outputs are turned round",
            "return ops.concat(outputs)",
            "return ops.concat(outputs[::-1])",
        ),
    ],
    "cells.causal:CausalConvolution.step": [
        (
            "CAUSAL-1",
            "the newest input comes first",
            "ops.concat([*past[:: 1 + len(between)], x])",
            "ops.concat([*past[:: 1 + len(between)], x][::-1])",
        ),
        ("CAUSAL-1", "the bias is left out", ', p.get("bias"))', ")"),
        (
            "CAUSAL-1",
            "the dilation is one less",
            "ops.concat([*past[:: 1 + len(between)], x])",
            "ops.concat([*(ops.split(part, (inputs, int(part.shape[-1]) - inputs))[0] if between else part for part in past[len(between) :: 1 + len(between)]), x]) if between else ops.concat([*past, x])",
        ),
        ("CAUSAL-2", "the gate is tanh", "* ops.sigmoid(gate)", "* ops.tanh(gate)"),
        ("CAUSAL-2", "filter and gate are exchanged", "a, gate = ops.split(a, 2)", "gate, a = ops.split(a, 2)"),
        (
            "CAUSAL-2",
            "the activation is always tanh",
            "else:\n        y = activate(ops, self.activation, a)",
            "else:\n        y = ops.tanh(a)",
        ),
        ("CAUSAL-3", "the queue is not moved on", "ops.concat([*past[1:], x])", 'state["queue"]'),
    ],
    "cells.wavenet:WaveNet.project": [
        ("WAVENET-1", "the input goes without its bias", ', p["input_bias"])', ")"),
    ],
    "cells.wavenet:WaveNet._blocks": [
        (
            "WAVENET-2",
            "every block reads the input",
            "z, s = convolve(k, block, x)",
            "first = x if not k else first; z, s = convolve(k, block, first)",
        ),
        ("WAVENET-3", "there is no residual connection", "x = x + ops.linear(z, q", "x = ops.linear(z, q"),
        ("WAVENET-4", "only the last block's skip counts", "y = skip if y is None else y + skip", "y = skip"),
    ],
    "cells.wrapper:Residual.step": [
        ("RESIDUAL-1", "the input is left out", "return x + y, new", "return y, new"),
        ("RESIDUAL-1", "the input is added to the state too", "return x + y, new", 'return x + y, new | {"h": x + y}'),
    ],
    "cells.stack:Stack.step": [
        (
            "STACK-1",
            "every cell after the first sees the old output below",
            "cell.project(ops.at(place), p[k], y) if k",
            'cell.project(ops.at(place), p[k], state[f"cells.{k - 1}.h"] if int(y.shape[-1]) == int(state[f"cells.{k - 1}.h"].shape[-1]) else y) if k',
        ),
        (
            "STACK-2",
            "the output is the last cell's c",
            "return y, new",
            'return new.get(f"cells.{len(self.cells) - 1}.c", y), new',
        ),
    ],
}


def cell_mutants() -> Iterator[Mutant]:
    """All of the table."""
    for target, rows in _TABLE.items():
        for clause, wrong, old, new, *_ in rows:
            yield Mutant(clause, wrong, target, old, new)
