"""Mutants of the library: how it reads architectures and files, what weights start from, and the tables beside."""

from collections.abc import Iterator

from rnnspec.conformance.mutants.calls import CALLS
from rnnspec.conformance.mutants.export import EXPORT
from rnnspec.conformance.mutants.mutant import Mutant, Rows
from rnnspec.conformance.mutants.suite import RUNNER, TOLERANCE

_READING: Rows = {
    "config:_decode": [
        (
            "CONFIG-1",
            "unknown keys are left out",
            "for key in data:\n        if key not in fields:",
            "data = {key: value for key, value in data.items() if key in fields}\n"
            "    for key in ():\n        if False:",
        ),
        (
            "CONFIG-1",
            "missing sizes are 1",
            "if field.required and name not in data:\n",
            "if name == 'units': data.setdefault('units', 1)\n        if field.required and name not in data:\n",
        ),
        ("CONFIG-1", "errors do not name their place", "{where}: unknown key {quoted(key)}", "unknown key"),
        (
            "CONFIG-1",
            "a kind that is unknown is the most similar one",
            "if not isinstance(tag, str) or tag not in kinds:\n",
            "tag = (difflib.get_close_matches(str(tag), kinds, n=1) or [tag])[0]\n        if tag not in kinds:\n",
        ),
        (
            "NAME-1",
            "dots in names are replaced",
            "data = dict(data)",
            "data = {k: v.replace('.', '_') if k == 'name' else v for k, v in data.items()}",
        ),
        (
            "GRU-6",
            "`reset_after` is true where it is missing",
            "data = dict(data)",
            "data = ({'reset_after': True} if data.get('type') == 'gru' else {}) | data",
        ),
        (
            "GRU-6",
            "`reset_after` is false where it is missing",
            "data = dict(data)",
            "data = ({'reset_after': False} if data.get('type') == 'gru' else {}) | data",
        ),
        (
            "MODEL-1",
            "`inputs` beside an embedding is left out",
            "data = dict(data)",
            "data = dict(data)\n"
            "    if [e for e in data.get('layers', ()) if e.get('type') == 'embedding']: data.pop('inputs', None)",
        ),
    ],
    "config:_plain": [
        (
            "CONFIG-1",
            "strings of digits are numbers",
            "msgspec.convert(value, plain)",
            "msgspec.convert(value, plain, strict=False)",
        ),
    ],
    "config:_value": [
        (
            "NAME-1",
            "of two layers with one name the second counts",
            'return tuple(_decode(kind.items, item, f"{where}[{i}]") for i, item in enumerate(value))',
            'found = [_decode(kind.items, item, f"{where}[{i}]") for i, item in enumerate(value)]\n'
            "        return tuple({getattr(item, 'name', i): item for i, item in enumerate(found)}.values())",
        ),
    ],
    "layers.base:Layer.__post_init__": [
        ("NAME-1", "names may have spaces", "A-Za-z0-9_-]*", "A-Za-z0-9_ -]*"),
    ],
    "layers.embedding:Embedding.outputs": [
        ("MODEL-1", "an embedding takes features", "if inputs is not None:", "if False:"),
    ],
    "model:check_follows": [
        ("MODEL-3", "a recurrent layer may follow the last output", "if not sequence:", "if False:"),
    ],
    "schema:schema": [
        ("CONFIG-2", "the schema has no activations with parameters", "(Cell, Function, Layer)", "(Cell, Layer)"),
        (
            "CONFIG-2",
            "the schema lets unknown keys pass",
            'component["description"] = component["description"]',
            'component.pop("additionalProperties", None)\n        component["description"] = component["description"]',
        ),
        ("CONFIG-2", "the schema has the first kind of each only", "for cls in classes]}", "for cls in classes[:1]]}"),
    ],
}

_FILES: Rows = {
    "checkpoint:Checkpoint.to_bytes": [
        (
            "FILE-1",
            "the architecture has an entry of its own",
            "{_KEY: text}",
            '{_KEY: text, "model": json.dumps(header["model"])}',
        ),
        ("FILE-1", "the entry has another name", "{_KEY: text}", '{"model": text}'),
        ("FILE-1", "the user's metadata is left out", '"metadata": self.metadata}', '"metadata": {}}'),
        (
            "FILE-1",
            "defaults are left out",
            "self.model.to_builtins()",
            "{k: v for k, v in self.model.to_builtins().items() if v is not None}",
        ),
        ("FILE-2", "keys are in the order of the dictionaries", "sort_keys=True, ", ""),
        ("FILE-2", "there are spaces in the JSON", 'separators=(",", ":"), ', ""),
        (
            "FILE-2",
            "the file knows when it was written",
            '"metadata": self.metadata}',
            '"metadata": self.metadata, "written": __import__("time").time()}',
        ),
        (
            "FILE-2",
            "the bytes are those in memory",
            "np.ascontiguousarray(self.weights[name])",
            "self.weights[name].ravel(order='K').reshape(self.weights[name].shape)",
        ),
    ],
    "checkpoint:write_atomically": [
        (
            "FILE-3",
            "the file is written in place",
            "handle, temporary, claim = _temporary(path)",
            "handle, temporary = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), str(path)\n"
            "    claim = contextlib.ExitStack()",
        ),
        ("FILE-3", "what could not be finished stays", "os.unlink(temporary)", "pass"),
        (
            "FILE-3",
            "the old file is removed first",
            "os.chmod(temporary",
            "path.unlink(missing_ok=True)\n            os.chmod(temporary",
        ),
        (
            "FILE-3",
            "a copy stays beside it",
            "os.replace(temporary, path)",
            "__import__('shutil').copy(temporary, str(path) + '.copy')\n            os.replace(temporary, path)",
        ),
    ],
    "checkpoint:check_weights": [
        ("FILE-4", "missing tensors are not noticed", "if name not in weights:", "if False:"),
        (
            "FILE-4",
            "tensors left over are not noticed",
            "if name not in shapes:",
            "if name not in shapes: continue\n        if False:",
        ),
        (
            "FILE-4",
            "only the number of elements counts",
            "if tuple(array.shape) != shapes[name]:",
            "if array.size != np.prod(shapes[name]):",
        ),
        ("FILE-5", "dtypes may differ", " or len(dtypes) > 1:", ":"),
        (
            "FILE-5",
            "any dtype will do",
            "if str(array.dtype) not in _DTYPES.values() or len(dtypes) > 1:",
            "if len(dtypes) > 1:",
        ),
        ("FILE-5", "NaN is taken, infinity is not", "np.isfinite(ends)", "(~np.isinf(ends))"),
        ("FILE-5", "infinity is taken, NaN is not", "np.isfinite(ends)", "(~np.isnan(ends))"),
    ],
    "checkpoint:load": [
        ("FILE-1", "the user's metadata is not read", 'header["metadata"]', "{}"),
        (
            "FILE-7",
            "pickles are loaded",
            "path = regular(path)",
            "path = regular(path)\n    data = path.read_bytes()\n"
            "    if data[:1] == b'\\x80': __import__('pickle').loads(data)",
        ),
    ],
    "tensors:scan": [
        (
            "FILE-6",
            "the error of the library underneath goes through",
            'raise SpecError(f"{path}: safetensors, truncated or damaged at {size:,} bytes ({error})") from None',
            "raise",
        ),
    ],
    "tensors:Tensors._read": [
        (
            "FILE-1",
            "tensors are big-endian",
            "np.dtype(DTYPES[entry.dtype])",
            'np.dtype(DTYPES[entry.dtype]).newbyteorder(">")',
        ),
    ],
    "checkpoint:read_header": [
        (
            "FILE-7",
            "the header is evaluated",
            'header = strict_json.parse(text, f"{where}: metadata {_KEY!r}")',
            "header = eval(text, {'true': True, 'false': False, 'null': None})",
        ),
        (
            "FILE-6",
            "what is not JSON is left to Python",
            'header = strict_json.parse(text, f"{where}: metadata {_KEY!r}")',
            "header = json.loads(text)",
        ),
        ("FILE-6", "any version is read", "if type(version) is not int or version != SPEC_VERSION:", "if False:"),
        (
            "FILE-6",
            "newer versions are refused, and called damaged",
            "written for spec version {found}, this is {SPEC_VERSION}; update rnnspec",
            "the file is damaged",
        ),
        ("FILE-6", "a list is taken for a header", "if not isinstance(header, dict):", "if False:"),
    ],
    "checkpoint:_foreign": [
        ("FILE-6", "every foreign file is called damaged", "return next(", 'return "damaged" or next('),
    ],
}

_STARTING: Rows = {
    "checkpoint:Checkpoint.initialize": [
        ("INIT-1", "tensors are keyed by their number in the model", "zlib.crc32(name.encode())", "len(weights)"),
        ("INIT-1", "the seed is left out", "key=[seed, ", "key=[0, "),
        (
            "INIT-1",
            "tensors are keyed by their place in the layer",
            "zlib.crc32(name.encode())",
            'zlib.crc32(name.rsplit(".", 1)[-1].encode())',
        ),
        ("INIT-1", "numbers are drawn in float32", ".astype(dtype)", '.astype("float32").astype(dtype)'),
    ],
    "initializers:glorot_uniform": [
        ("INIT-1", "Glorot counts the units of one gate", "np.prod(shape[:-1])", "shape[-2]"),
        (
            "INIT-1",
            "Glorot's normal rule",
            "rng.uniform(-limit, limit, shape)",
            "rng.normal(0, limit / np.sqrt(3), shape)",
        ),
        ("INIT-1", "He's rule", "(shape[-1] + np.prod(shape[:-1]))", "shape[-1]"),
    ],
    "initializers:orthogonal": [
        ("INIT-1", "recurrent kernels are normal", "q = q * np.sign(np.diag(r))", "q = rng.normal(0, 0.1, q.shape)"),
        ("INIT-1", "the signs are those of the QR decomposition", "q = q * np.sign(np.diag(r))", ""),
        (
            "INIT-1",
            "each gate is orthogonal by itself",
            "rows, columns = int(np.prod(shape[:-1])), shape[-1]",
            "if len(shape) > 2: return np.stack([orthogonal(shape[1:], rng) for _ in range(shape[0])])\n"
            "    rows, columns = shape",
        ),
    ],
    "initializers:recurrent": [
        ("INIT-1", "gamma starts at 0", "np.ones(shape)", "np.zeros(shape)"),
        ("INIT-1", "diagonal kernels start at 1", "rng.uniform(-1, 1, shape)\n", "np.ones(shape)\n"),
        ("INIT-1", "biases are small and random", "else np.zeros(shape)", "else rng.normal(0, 0.01, shape)"),
        (
            "INIT-3",
            "biases start at 0 with torch's scheme",
            'if scheme == "torch":',
            'if scheme == "torch" and "bias" not in name:',
        ),
        ("INIT-3", "the bound is 1/√inputs", "else shape[1]", "else shape[-1]"),
        ("INIT-3", "the bound is 1/units", "np.sqrt(units)", "units"),
        (
            "INIT-3",
            "layer norms are drawn too",
            'if name.endswith("gamma"):',
            'if name.endswith("gamma") and scheme != "torch":',
        ),
    ],
    "initializers:dense": [
        ("INIT-3", "dense layers are as Keras has them", 'if scheme == "torch":', "if False:"),
        ("INIT-3", "the bound of dense layers is 1/√outputs", "np.sqrt(inputs)", "np.sqrt(shape[0])"),
    ],
    "layers.embedding:Embedding.initialize": [
        ("INIT-1", "embeddings are normal", "rng.uniform(-0.05, 0.05, shape)", "rng.normal(0, 0.05, shape)"),
        (
            "INIT-3",
            "embeddings are uniform with torch's scheme",
            "rng.standard_normal(shape)",
            "rng.uniform(-1, 1, shape)",
        ),
    ],
    "layers.recurrent:Recurrent.initialize": [
        ("INIT-1", "learned states are drawn", "return np.zeros(shape)", "return rng.uniform(-0.05, 0.05, shape)"),
    ],
    "cells.lstm:LSTM.initialize": [
        ("INIT-2", "the forget bias starts at 0", "= 1\n", "= 0\n"),
        ("INIT-2", "the second gate's bias starts at 1", 'self.gates.index("forget")', "1"),
        ("INIT-2", "the input gate's bias starts at 1", 'self.gates.index("forget")', "0"),
        ("INIT-2", "without a bias nothing starts at 1", '("bias" if self.bias else "gates_beta")', '"bias"'),
        ("INIT-3", "the forget bias starts at 1 with torch's scheme", 'scheme == "keras" and name', "name"),
    ],
}


def library_mutants() -> Iterator[Mutant]:
    """All of the tables."""
    for table in (_READING, _FILES, _STARTING, CALLS, EXPORT, TOLERANCE, RUNNER):
        for target, rows in table.items():
            for clause, wrong, old, new in rows:
                yield Mutant(clause, wrong, target, old, new)
