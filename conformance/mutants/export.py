"""Mutants of the exporter to ONNX."""

from rnnspec.conformance.mutants.mutant import Rows

EXPORT: Rows = {
    "export.model:trace": [
        ("EXPORT-1", "lengths are int64", '"lengths", "int32"', '"lengths", "int64"'),
        ("EXPORT-1", "ids are int32", '"int64") if model.inputs', '"int32") if model.inputs'),
        (
            "EXPORT-1",
            "the batch is fixed",
            'axes = ["batch"] if step',
            'axes = ["batch"] if step else [1, "time"] if not time_major',
        ),
        (
            "EXPORT-1",
            "final states have the names of the initial ones",
            'f"{name}.out")\n    header',
            'name + ".next")\n    header',
        ),
        ("EXPORT-1", "states are left out", "for name, value in new.items():", "for name, value in ():"),
        ("EXPORT-1", "what was learned is left out", "initial[name][None])", "0 * initial[name][None])"),
        (
            "EXPORT-8",
            "the states of no steps are those after one",
            "empty.kept(graph, value, start[name])",
            "value",
        ),
        ("EXPORT-4", "a step takes lengths", "and not (mask or step)", "and not mask"),
        ("EXPORT-5", "learned states are not in the metadata", "if initial[name].any()", "if False"),
        ("EXPORT-5", "the user's metadata is left out", '"metadata": checkpoint.metadata,', '"metadata": {},'),
        ("EXPORT-5", "the file does not say that it is a step", '"step": step,', '"step": False,'),
        ("EXPORT-5", "states are named by their outputs", '"output": f"{name}.out"', '"output": name'),
        ("EXPORT-5", "the metadata is under another name", "{METADATA_KEY: text}", '{"model": text}'),
        ("EXPORT-7", "lengths are asked for beside a mask", "and not (mask or step)", "and not step"),
        ("EXPORT-7", "a mask is float", '"mask", "bool"', '"mask", "float32"'),
        ("EXPORT-7", "a reset is one per row", '"reset", "bool", ("batch", "time")', '"reset", "bool", ("batch",)'),
    ],
    "export.model:_path": [
        ("EXPORT-5", "of a stack the first path is told", "if len(set(parts.values())) == 1:", "if True:"),
    ],
    "export.recurrent:write": [
        ("EXPORT-2", "`layout` is left out", "layout=0,", ""),
        ("EXPORT-2", "h and c are exchanged", "*stacked, *peephole]", "*reversed(stacked), *peephole]"),
        (
            "EXPORT-2",
            "attributes are left to their defaults",
            "**native.attributes(meaning, len(prefixes)),",
            "**{k: v for k, v in native.attributes(meaning, len(prefixes)).items() if k != 'input_forget'},",
        ),
        (
            "EXPORT-3",
            "a row of length 0 ends in zeros",
            'part if some is None else graph.node("Where", [some, part, start], part.shape)',
            "part",
        ),
        (
            "EXPORT-3",
            "only h is kept in a row of length 0",
            "part if some is None else",
            'part if some is None or n == "c" else',
        ),
        ("EXPORT-7", "the mask is taken for lengths", "x = sequences.rows(graph, x, marked.step)", ""),
    ],
    "export.native:node": [
        (
            "EXPORT-2",
            "nothing is a node of ONNX's own",
            "name = type(cell).__name__",
            'return f"ONNX has no {type(cell).__name__}"',
        ),
        ("EXPORT-2", "a layer norm is left out", "if cell.layer_norm:", "if False:"),
        ("EXPORT-2", "a projection is left out", '("projection", "clip_cell")', '("clip_cell",)'),
        ("EXPORT-7", "nodes of ONNX's own leave resets out", "if valid.reset is not None:", "if False:"),
    ],
    "export.native:_node": [
        ("EXPORT-2", "every GRU resets after the product", "int(cell.reset_after)", "1"),
    ],
    "conventions.onnx:LSTM.to_theirs": [
        (
            "EXPORT-2",
            "the gates of an LSTM stay in our order",
            "_to_theirs(cls.gates,",
            "_to_theirs(rows(LSTM_GATES, i='input', f='forget', c='cell', o='output'),",
        ),
    ],
    "conventions.onnx:GRU.to_theirs": [
        (
            "EXPORT-2",
            "the gates of a GRU stay in our order",
            "_to_theirs(cls.gates,",
            "_to_theirs(rows(cells.GRU.gates, r='reset', z='update', h='new'),",
        ),
    ],
    "export.ops:OnnxOps.recurrent_step": [
        (
            "EXPORT-4",
            "a step is a sequence of one",
            'self.paths[layer.name] = "elementary nodes"\n',
            "valid = Valid()\n    y, new = layer.unroll(self, p, self.graph.unsqueeze(x, 0), valid, state)\n"
            "    return self.graph.squeeze(y[0], 0), new\n",
        ),
    ],
    "export.ops:OnnxOps.relu": [
        (
            "EXPORT-4",
            "relu is a Clip whose lower limit is left empty",
            'self._unary("Relu", x)',
            'self.graph.node("Clip", [x.value(), None, self.graph.scalar(3e38)], x.shape)',
        ),
    ],
    "export.model:export_onnx": [
        (
            "EXPORT-6",
            "the file is written before it is tried",
            "worst = verify(data, checkpoint, tensors)\n",
            "write_atomically(path, data)\n    worst = verify(data, checkpoint, tensors)\n",
        ),
        ("EXPORT-6", "the file is not tried", "worst = verify(data, checkpoint, tensors)\n", "worst = 1e-7\n"),
    ],
    "export.model:serialised": [
        ("EXPORT-9", "all weights go into one file", "<= LARGEST", "<= 2**63"),
    ],
    "export.graph:Graph.model": [
        ("EXPORT-9", "all weights are said to begin at the same place", "end += array.nbytes", "end += 0"),
    ],
    "export.empty:cut": [
        (
            "EXPORT-8",
            "a row that was added is given",
            'return graph.node("Slice", [value, graph.integers(0), rows, graph.integers(0)], value.shape)',
            "return value",
        ),
    ],
    "export.verify:verify": [
        ("EXPORT-6", "the file is tried at one size", "in _SIZES]", "in _SIZES[:1]]"),
        ("EXPORT-6", "any error will do", "if error > allowed:", "if error > 1:"),
        (
            "EXPORT-6",
            "only y is compared",
            "accuracy.worst(actual, expected)",
            "accuracy.worst({'y': actual['y']}, {'y': expected['y']})",
        ),
    ],
    "export.verify:random_inputs": [
        ("EXPORT-6", "all rows have all steps", "np.array([0, time - 2, time][:batch], ", "np.full(batch, time, "),
        ("EXPORT-6", "states are 0", "rng.standard_normal((batch, size)) / 2)", "np.zeros((batch, size)))"),
    ],
}
