"""Mutants that only calls in sequence, or arguments in another form, can show (CALL-1 to CALL-10)."""

from rnnspec.conformance.mutants.mutant import Rows

_RUN = "y, new = self.model.apply(self._ops(), self._weights, x, valid, self._state(state, len(x)))"
_RETURN = "return self._swapped(y), new"
_STEP = "return self.model.step(self._ops(), self._weights, x_t, self._state(state, len(x_t)))"

CALLS: Rows = {
    "reference.net:Net.__call__": [
        (
            "CALL-1",
            "a call with arguments of the same shapes is answered from memory",
            _RUN,
            f"memory, key = self.__dict__.setdefault('memory', {{}}), (x.shape, lengths is None, mask is None)\n"
            f"    if key not in memory:\n        {_RUN}\n        memory[key] = y, new\n    y, new = memory[key]",
        ),
        (
            "CALL-1",
            "a call with the same x is answered from memory",
            _RUN,
            f"memory, key = self.__dict__.setdefault('memory', {{}}), x.tobytes()\n"
            f"    if key not in memory:\n        {_RUN}\n        memory[key] = y, new\n    y, new = memory[key]",
        ),
        (
            "CALL-1",
            "the weights shrink a little in every call",
            _RETURN,
            "self._weights = {k: {n: a * self._weights[k][n].dtype.type(0.999) for n, a in p.items()}"
            f" for k, p in self._weights.items()}}\n    {_RETURN}",
        ),
        (
            "CALL-1",
            "the number of rows is that of the first call",
            _RUN,
            f"if self.__dict__.setdefault('rows', len(x)) != len(x): x = np.resize(x, (self.rows, *x.shape[1:]))\n"
            f"    {_RUN}",
        ),
        (
            "CALL-2",
            "lengths are sorted in place",
            "valid = Valid(lengths, mask, reset)\n",
            "if lengths is not None: lengths.sort()\n    valid = Valid(lengths, mask, reset)\n",
        ),
        (
            "CALL-2",
            "the mask is filled up to the last valid step in place",
            "valid = Valid(lengths, mask, reset)\n",
            "valid = Valid(lengths, None if mask is None else mask.copy(), reset)\n"
            "    if mask is not None: mask[...] = np.logical_or.accumulate(mask[:, ::-1], 1)[:, ::-1]\n",
        ),
        (
            "CALL-2",
            "states are taken out of the mapping that was given",
            _RETURN,
            f"if isinstance(state, dict): state.clear()\n    {_RETURN}",
        ),
        (
            "CALL-3",
            "the output is a buffer that the next call fills",
            _RETURN,
            "if not isinstance(y, tuple):\n"
            "        buffer = self.__dict__.setdefault('buffers', {}).setdefault(y.shape, np.empty_like(y))\n"
            f"        buffer[...] = y\n        y = buffer\n    {_RETURN}",
        ),
        (
            "CALL-3",
            "final states are buffers of the network",
            _RETURN,
            "self._last = {k: self.__dict__.setdefault('_last', {}).get((k, v.shape), v) for k, v in new.items()}\n"
            "    for k, v in new.items(): self._last[k][...] = v\n"
            "    self._last = {(k, v.shape): v for k, v in self._last.items()}\n"
            "    new = {k: v for (k, _), v in self._last.items()}\n"
            f"    {_RETURN}",
        ),
        (
            "CALL-5",
            "the mask comes before the lengths",
            "x, lengths=None, mask=None, state: Mapping | None = None, reset=None",
            "x, mask=None, lengths=None, state: Mapping | None = None, reset=None",
        ),
        (
            "CALL-5",
            "any argument is taken",
            "x, lengths=None, mask=None, state: Mapping | None = None, reset=None",
            "x, lengths=None, mask=None, state: Mapping | None = None, reset=None, **others",
        ),
        ("CALL-6", "lengths are arrays only", 'inputs.array(lengths, "lengths")', "lengths[...]"),
        (
            "CALL-6",
            "lengths are read as eight bytes each",
            'inputs.array(lengths, "lengths")',
            'np.ascontiguousarray(lengths).view("int32")[:len(x)]',
        ),
        (
            "CALL-8",
            "lengths are looked at in the first call only",
            "inputs.check_lengths(lengths, *x.shape[:2])",
            "self.__dict__.setdefault('checked', []) or inputs.check_lengths(lengths, *x.shape[:2])\n"
            "        self.checked.append(1)",
        ),
        (
            "CALL-8",
            "masks of any type are made boolean",
            'inputs.array(mask, "mask")',
            'inputs.array(mask, "mask").astype(bool)',
        ),
        (
            "CALL-8",
            "masks are made as large as x",
            'inputs.array(mask, "mask")',
            'np.broadcast_to(inputs.array(mask, "mask"), x.shape[:2])',
        ),
    ],
    "reference.net:Net.step": [
        (
            "CALL-1",
            "a step without states goes on where the last one was",
            _STEP,
            "state = self.__dict__.get('kept') if state is None and len(x_t) == self.__dict__.get('rows') else state\n"
            f"    y, self.kept = {_STEP.removeprefix('return ')}\n    self.rows = len(x_t)\n    return y, self.kept",
        ),
        (
            "CALL-1",
            "each step adds to the weights",
            _STEP,
            "self._weights = {k: {n: a + a.dtype.type(1e-3) for n, a in p.items()} for k, p in self._weights.items()}\n"
            f"    {_STEP}",
        ),
        (
            "CALL-2",
            "a step writes the new states into those that it was given",
            _STEP,
            f"y, new = {_STEP.removeprefix('return ')}\n"
            "    for k in state or {}: state[k][...] = new[k]\n    return y, new",
        ),
        (
            "CALL-5",
            "a step takes any argument",
            "x_t, state: Mapping | None = None",
            "x_t, state: Mapping | None = None, **others",
        ),
        (
            "CALL-8",
            "a step takes a state of one row for all",
            _STEP,
            "state = {k: np.broadcast_to(v, (len(x_t), np.shape(v)[-1])) for k, v in (state or {}).items()} or state\n"
            f"    {_STEP}",
        ),
    ],
    "reference.net:Net.__init__": [
        ("CALL-1", "all networks have the weights of the last", "self._weights =", "type(self)._weights ="),
    ],
    "reference.net:Net._array": [
        (
            "CALL-2",
            "x is scaled in place and back",
            "return x.astype(self.dtype)",
            "if x.flags.writeable and x.dtype.kind == 'f': x *= x.dtype.type(1.1); x /= x.dtype.type(1.1)\n"
            "    return x.astype(self.dtype)",
        ),
        (
            "CALL-6",
            "the byte order of x is not looked at",
            "return x.astype(self.dtype)",
            "return x.view(x.dtype.newbyteorder('=')).astype(self.dtype)",
        ),
        (
            "CALL-6",
            "x is read in the order of its memory",
            "return x.astype(self.dtype)",
            'return x.ravel("K").reshape(x.shape).astype(self.dtype)',
        ),
    ],
    "reference.net:Net._state": [
        (
            "CALL-4",
            "states are taken by their order",
            "return arrays",
            "return dict(zip(arrays and self.model.states(), arrays.values()))",
        ),
        (
            "CALL-7",
            "states of integers are refused",
            "inputs.check_named(state)",
            "inputs.check_named(state)\n"
            "    if any(np.asarray(v).dtype.kind != 'f' for v in state.values()): raise inputs.SpecError('state: integers')",
        ),
        (
            "CALL-8",
            "states lose their imaginary part",
            'inputs.numbers(value, f"state: {name!r}")',
            "np.real(np.asarray(value))",
        ),
    ],
    "inputs:check_lengths": [
        ("CALL-8", "booleans are lengths", "np.issubdtype(lengths.dtype, np.integer)", "lengths.dtype.kind in 'iub'"),
    ],
    "inputs:check_ids": [
        ("CALL-8", "booleans are ids", "np.issubdtype(ids.dtype, np.integer)", "ids.dtype.kind in 'iub'"),
        ("CALL-6", "ids are signed", "np.issubdtype(ids.dtype, np.integer)", "np.issubdtype(ids.dtype, np.signedinteger)"),
    ],
    "checkpoint:Checkpoint.copy": [
        ("CALL-9", "the metadata is one for all", "deepcopy(self.metadata)", "self.metadata"),
        (
            "CALL-9",
            "weights are given back in 24 bits",
            "np.array(array, dtype or array.dtype)",
            'np.array(array, "float32").astype(dtype or array.dtype)',
        ),
        (
            "CALL-3",
            "the weights are those arrays that were given",
            "np.array(array, dtype or array.dtype)",
            "np.asarray(array, dtype or array.dtype)",
        ),
    ],
    "conformance.differentiable:load": [
        ("CALL-7", "weights are rounded to float32", "as_checkpoint(source)", 'as_checkpoint(source).copy("float32")'),
    ],
    "conformance.differentiable:checkpoint": [
        ("CALL-9", "weights are given back as they were given", "net.checkpoint.copy(net.dtype)", "net.checkpoint.copy()"),
        ("CALL-9", "what is given back is what the network has", "net.checkpoint.copy(net.dtype)", "net.checkpoint"),
    ],
    "inputs:check_cotangents": [
        ("CALL-10", "cotangents of nothing are left out", "if name not in shapes:", "if name not in shapes: return\n        if False:"),
    ],
    "conformance.differentiable:vjp": [
        (
            "CALL-10",
            "cotangents broadcast",
            "np.asarray(value) for name, value in cotangents",
            "np.broadcast_to(value, shapes.get(name, np.shape(value))) for name, value in cotangents",
        ),
        ("CALL-10", "a result without a cotangent counts as 1", "np.zeros(shape)", "np.ones(shape)"),
        ("DROP-3", "each call in training draws the first masks", "net.trained += training", "net.trained += 0"),
        ("DROP-3", "calls outside training count", "net.trained += training", "net.trained += 1"),
        (
            "CALL-1",
            "gradients add up from call to call",
            "results, gradients = (_turned(net, arrays) for arrays in found)",
            "results, gradients = (_turned(net, arrays) for arrays in found)\n"
            "    sums = net.__dict__.setdefault('sums', {})\n"
            "    gradients = {k: sums.setdefault(k, 0) + v if k in net.checkpoint.weights else v"
            " for k, v in gradients.items()}\n"
            "    sums.update(gradients)",
        ),
        (
            "LAYOUT-1",
            "the gradient of x is batch-major where time comes first",
            "results, gradients = (_turned(net, arrays) for arrays in found)",
            "results, gradients = found\n    results = _turned(net, results)",
        ),
    ],
}  # fmt: skip
