"""Mutants that leave a field out, or an option in combination with another."""

from collections.abc import Iterator

from rnnspec.conformance.mutants.mutant import Mutant, Rows

_TABLE: Rows = {
    "cells.gated:Gated.project": [
        ("CONFIG-3", "a split norm has a bias always", "if self.bias else z", "if True else z"),
    ],
    "cells.gated:Gated.clipped": [
        ("CONFIG-3", "ugrnn ignores clip_gates", "self.clip_gates is None",
         'self.clip_gates is None or type(self).__name__ == "UGRNN"'),
        ("CONFIG-3", "gru ignores clip_gates where it resets before", "self.clip_gates is None",
         'self.clip_gates is None or getattr(self, "reset_after", None) is False'),
        ("CONFIG-3", "clip_gates is ignored beside a layer norm", "self.clip_gates is None",
         "self.clip_gates is None or self.layer_norm"),
        ("CONFIG-3", "clip_gates is ignored beside a diagonal recurrence", "self.clip_gates is None",
         'self.clip_gates is None or self.recurrence == "diagonal"'),
    ],
    "cells.gated:Gated.preactivations": [
        ("CONFIG-3", "a diagonal recurrence is not normalised", "if norm is None:",
         'if norm is None or self.recurrence == "diagonal":'),
    ],
    "cells.rnn:RNN.step": [
        ("CONFIG-3", "rnn is tanh beside a layer norm", "activate(ops, self.activation,",
         'activate(ops, "tanh" if self.layer_norm else self.activation,'),
    ],
    "cells.lstm:LSTM._gate": [
        ("CONFIG-3", "lstm's gates are σ", "activate(ops, self.gate_activation,", 'activate(ops, "sigmoid",'),
        ("CONFIG-3", "lstm's gates are σ where it is coupled", "activate(ops, self.gate_activation,",
         'activate(ops, "sigmoid" if self.coupled_input_forget else self.gate_activation,'),
        ("CONFIG-3", "peepholes are not clipped", "self.clipped(ops, a if peephole is None else a + c * peephole)",
         "self.clipped(ops, a) if peephole is None else self.clipped(ops, a) + c * peephole"),
    ],
    "cells.lstm:LSTM.step": [
        ("CONFIG-3", "lstm's cell gate is tanh", "activate(ops, self.cell_activation,", 'activate(ops, "tanh",'),
        ("CONFIG-3", "lstm's cell gate is not clipped", "self.clipped(ops, g)", "g"),
        ("CONFIG-3", "lstm's output is tanh", "activate(ops, self.output_activation,", 'activate(ops, "tanh",'),
        ("CONFIG-3", "lstm's output is tanh beside a projection", "activate(ops, self.output_activation,",
         'activate(ops, "tanh" if self.projection else self.output_activation,'),
        ("CONFIG-3", "clip_cell is ignored beside a norm of the cell", "if self.clip_cell is not None:",
         "if self.clip_cell is not None and norm is None:"),
        ("CONFIG-3", "clip_cell is ignored where it is coupled", "if self.clip_cell is not None:",
         "if self.clip_cell is not None and not self.coupled_input_forget:"),
        ("CONFIG-3", "clip_projection clips from above", "-self.clip_projection, self", "-1e9, self"),
    ],
    "cells.gru:GRU.step": [
        ("CONFIG-3", "gru's gates are σ", "activate(ops, self.gate_activation,", 'activate(ops, "sigmoid",'),
        ("CONFIG-3", "gru's gates are σ where it resets before", "activate(ops, self.gate_activation,",
         'activate(ops, self.gate_activation if self.reset_after else "sigmoid",'),
        ("CONFIG-3", "gru's new gate is tanh", "activate(ops, self.activation,", 'activate(ops, "tanh",'),
        ("CONFIG-3", "gru's new gate is tanh where it resets after", "activate(ops, self.activation,",
         'activate(ops, "tanh" if self.reset_after else self.activation,'),
        ("CONFIG-3", "gru's new gate is not clipped", "self.clipped(ops, a_n)", "a_n"),
        ("CONFIG-3", "gru's gates are not clipped", "self.clipped(ops, a_ru)", "a_ru"),
    ],
    "cells.ugrnn:UGRNN.step": [
        ("CONFIG-3", "ugrnn's new gate is tanh", "activate(ops, self.activation,", 'activate(ops, "tanh",'),
        ("CONFIG-3", "ugrnn's gate is σ", "activate(ops, self.gate_activation,", 'activate(ops, "sigmoid",'),
    ],
    "cells.indrnn:IndRNN.step": [
        ("CONFIG-3", "indrnn is relu", "activate(ops, self.activation,", 'activate(ops, "relu",'),
        ("CONFIG-3", "indrnn is tanh", "activate(ops, self.activation,", 'activate(ops, "tanh",'),
    ],
    "cells.mgu:MGU.step": [
        ("CONFIG-3", "mgu's gate is σ", "activate(ops, self.gate_activation,", 'activate(ops, "sigmoid",'),
        ("CONFIG-3", "mgu's new gate is tanh", "activate(ops, self.activation,", 'activate(ops, "tanh",'),
    ],
    "cells.mgu:MGU.project": [
        ("CONFIG-3", "mgu has no bias", 'p.get("bias")', "None"),
    ],
    "cells.nas:NAS.step": [
        ("CONFIG-3", "nas's projection is left out where there is a bias", "if self.projection:",
         "if self.projection and not self.bias:"),
        ("CONFIG-3", "nas's bias is left out beside a projection", 'p.get("bias")',
         'None if self.projection else p.get("bias")'),
        ("CONFIG-3", "nas's c is the projected one", 'return h, {"h": h, "c": c}',
         'return h, {"h": h, "c": c if not self.projection else ops.tanh(c)}'),
    ],
    "cells.sru:SRU.step": [
        ("CONFIG-3", "sru is linear", "activate(ops, self.activation, c)", "c"),
        ("CONFIG-3", "sru is tanh", "activate(ops, self.activation, c)", "ops.tanh(c)"),
    ],
    "cells.sru:SRU.project": [("CONFIG-3", "sru has no bias", 'p.get("bias")', "None")],
    "cells.intersection:Intersection.step": [
        ("CONFIG-3", "intersection is relu", "activate(ops, self.activation, y)", "ops.relu(y)"),
        ("CONFIG-3", "intersection's state is φ", "n, y = ops.tanh(n),", "n, y = activate(ops, self.activation, n),"),
    ],
    "cells.timefreq:TimeFreqLSTM.step": [
        ("CONFIG-3", "timefreq_lstm's clip_cell is ignored beside peepholes", "if self.clip_cell is not None:",
         "if self.clip_cell is not None and not self.peephole:"),
    ],
    "cells.timefreq:TimeFreqLSTM._window": [
        ("CONFIG-3", "windows do not overlap", "sizes = (start, self", "start = min(start // self.frequency_skip * self.feature_size, inputs - self.feature_size)\n    sizes = (start, self"),
    ],
    "cells.causal:CausalConvolution.step": [
        ("CONFIG-3", "a gated convolution is tanh", "activate(ops, self.activation, a) * ops", "ops.tanh(a) * ops"),
        ("CONFIG-3", "a convolution has no bias", 'p["kernel"], p.get("bias"))', 'p["kernel"])'),
        ("CONFIG-3", "a width of 3 is one of 2", "[*past[:: 1 + len(between)], x]",
         "[*[past[0]] * (self.width - 1), x]"),
    ],
    "cells.wavenet:WaveNet._blocks": [
        ("CONFIG-3", "the skip has no bias", 'q["skip_kernel"], q["skip_bias"]', 'q["skip_kernel"]'),
    ],
    "cells.wavenet:WaveNet.project": [
        ("CONFIG-3", "wavenet's input has no bias", 'p["input_kernel"], p["input_bias"]', 'p["input_kernel"]'),
    ],
    "cells.zoneout:Zoneout._rates": [
        ("CONFIG-3", "zoneout of c alone is none", "if rate", "if rate and self.h"),
        ("CONFIG-3", "zoneout of h alone is none", "if rate", "if rate and self.c"),
    ],
    "cells.zoneout:Zoneout.step": [
    ],
    "cells.wrapper:Residual.step": [
        ("CONFIG-3", "a residual connection is an average", "x + y, new", "(x + y) * 0.5, new"),
        ("CONFIG-3", "a residual connection changes the state", "x + y, new",
         'x + y, new | ({"h": new["h"] + x} if "h" in new and "c" not in new else {})'),
    ],
    "layers.dense:Dense.apply": [
        ("CONFIG-3", "dense layers without a bias are linear", "ops, self.activation,",
         'ops, self.activation if self.bias else "linear",'),
    ],
    "layers.recurrent:Recurrent.apply": [
        ("CONFIG-3", "hold is ignored beside a reset", '"hold" and not', '"hold" and valid.reset is None and not'),
        ("CONFIG-3", "hold is ignored where the output is flipped", '"hold" and not',
         '"hold" and not self.reverse_output and not'),
        ("CONFIG-3", "hold is ignored in the backward direction", '"hold" and not', '"hold" and not reverse and not'),
        ("CONFIG-3", "hold is ignored beside learned states", '"hold" and not', '"hold" and not self.learned_state and not'),
        ("CONFIG-3", "hold is ignored with a merge", '"hold" and not', '"hold" and self.merge == "concat" and not'),
        ("CONFIG-3", "the flip is left out with a merge", "if self.reverse_output and",
         'if self.reverse_output and self.merge == "concat" and'),
        ("CONFIG-3", "the flip is left out backward", "if self.reverse_output and",
         'if self.reverse_output and self.direction != "backward" and'),
        ("UNROLL-7", "only forward is last in a merge", "y = ops.last(y, valid, reverse)",
         'y = ops.last(y, valid, reverse and self.merge != "sum")'),
    ],
    "layers.recurrent:Recurrent._merged": [
        ("CONFIG-3", "last outputs are joined and not merged", 'if self.merge == "concat":',
         'if self.merge == "concat" or outputs[0].ndim == 2 and self.merge == "mul":'),
        ("CONFIG-3", "flipped outputs are averaged as a sum", "* 0.5 if", "* (1.0 if self.reverse_output else 0.5) if"),
    ],
    "layers.recurrent:Recurrent.start": [
        ("CONFIG-3", "learned states are ignored in both directions", "if not self.learned_state:",
         'if not self.learned_state or self.direction == "bidirectional":'),
        ("CONFIG-3", "learned states are ignored backward", "if not self.learned_state:",
         'if not self.learned_state or self.direction == "backward":'),
    ],
    "layers.recurrent:Recurrent.unroll": [
        ("CONFIG-3", "a reset is at zero in both directions", "if valid.reset is not None:",
         'start = {k: s * 0 for k, s in state.items()}\n    if valid.reset is not None and self.direction != "bidirectional":'),
    ],
    "reference.net:Net.__call__": [
        ("CONFIG-3", "time_major turns the mask", 'mask = inputs.array(mask, "mask")',
         'mask = inputs.array(mask, "mask")\n        if self.time_major: mask = mask.reshape(mask.shape[::-1]).T'),
        ("CONFIG-3", "time_major turns the reset", 'reset = inputs.array(reset, "reset")',
         'reset = inputs.array(reset, "reset")\n        if self.time_major: reset = reset.reshape(reset.shape[::-1]).T'),
        ("LAYOUT-1", "time_major ignores lengths of pairs", "valid = Valid(lengths, mask, reset)",
         "valid = Valid(None if self.time_major and self.model.separate else lengths, mask, reset)"),
    ],
    "reference.net:Net._swapped": [
        ("CONFIG-3", "time_major leaves a pair as it is", "return tuple(self._swapped(part) for part in y)", "return y"),
    ],
    "model:Model.apply": [
        ("CONFIG-3", "padding ignores a reset", "valid = ops.unpadded(x, self.padding, valid)",
         "valid = ops.unpadded(x, self.padding, valid)._replace(reset=None)"),
    ],
}  # fmt: skip
_TRAINED: Rows = {
    "cells.gated:Gated.seen": [
        ("CELLDROP-1", "ugrnn's state is not dropped", 'state.get("seen", state["h"])',
         'state["h"] if type(self).__name__ == "UGRNN" else state.get("seen", state["h"])'),
    ],
    "cells.dropout:CellDropout.project": [
        ("CELLDROP-3", "a mask for the sequence is drawn anew for the output", '"output", self.per', '"output", "step"'),
        ("CELLDROP-3", "a mask for the sequence is drawn anew for the state", '"state", self.per', '"state", "step"'),
    ],
    "cells.zoneout:Zoneout.step": [
        ("ZONEOUT-1", "zoneout mixes what was dropped", "state[name], new[name] - state[name]",
         'state.get("seen", state[name]) if name == "h" else state[name], new[name] - state[name]'),
    ],
    "layers.recurrent:Recurrent.apply": [
        ("CONFIG-3", "the flip is left out of a pair", "if self.reverse_output and",
         'if self.reverse_output and self.merge != "none" and'),
    ],
    "cells.zoneout:Zoneout.project": [
        ("ZONEOUT-3", "c has h's mask", "ops.noise(x, sizes[name], rate, name,", 'ops.noise(x, sizes[name], rate, "h",'),
    ],
    "cells.stack:Stack.step": [
        ("DROP-3", "cells of a stack share their masks", "cell.project(ops.at(place), p[k], y)", "cell.project(ops, p[k], y)"),
    ],
    "layers.recurrent:Recurrent.unroll": [
        ("DROP-3", "both directions share their masks", "unroll(ops.at(prefix), p_", "unroll(ops, p_"),
    ],
}  # fmt: skip


def field_mutants() -> Iterator[Mutant]:
    """All of the tables."""
    for table in (_TABLE, _TRAINED):
        for target, rows in table.items():
            for clause, wrong, old, new in rows:
                yield Mutant(clause, wrong, target, old, new, trains=table is _TRAINED)
