"""Mutants of the suite itself: its tolerance, its runner, its declarations."""

from rnnspec.conformance.mutants.mutant import Rows

TOLERANCE: Rows = {
    "accuracy:errors": [
        ("ACC-1", "errors are absolute", "/ np.maximum(1, np.abs(expected))", ""),
        (
            "ACC-1",
            "errors are relative for small numbers too",
            "np.maximum(1, np.abs(expected))",
            "np.maximum(1e-3, np.abs(expected))",
        ),
        (
            "ACC-1",
            "errors are relative to the largest number",
            "np.maximum(1, np.abs(expected))",
            "max(1, np.abs(expected).max())",
        ),
        ("ACC-3", "NaN is left out", "np.isfinite(distance), distance, np.inf", "np.isfinite(distance), distance, 0"),
    ],
    "accuracy:error": [
        ("ACC-1", "the mean counts", ".max(initial=0)", ".mean()"),
        ("ACC-3", "shapes broadcast", "if np.shape(actual) != expected.shape:", "if False:"),
        (
            "ACC-3",
            "only the number of elements counts",
            "if np.shape(actual) != expected.shape:\n",
            "if np.size(actual) == expected.size: actual = np.reshape(actual, expected.shape)\n"
            "    if np.shape(actual) != expected.shape:\n",
        ),
    ],
    "accuracy:worst": [
        ("ACC-1", "states do not count", "for name in expected}", 'for name in expected if "." not in name}'),
        (
            "ACC-1",
            "only what is there is compared",
            "if set(actual) != set(expected):",
            "expected = {k: expected[k] for k in actual}\n    if False:",
        ),
    ],
    "accuracy:allowed": [
        ("ACC-2", "the factor is 16", "8 * condition", "16 * condition"),
        ("ACC-2", "κ is left out", "8 * condition", "8"),
        ("ACC-4", "the class is left out", " * LOOSENESS[looseness]", ""),
        (
            "ACC-4",
            "classes are powers of two",
            "LOOSENESS[looseness]",
            '{"exact": 1, "approximate": 2, "reduced": 4}[looseness]',
        ),
    ],
    "accuracy:rounding": [
        ("ACC-2", "T is left out", "max(steps, 1)", "1"),
        ("ACC-2", "K is left out", "max(terms, 1)", "1"),
        ("ACC-2", "rounding grows with K T", "** 0.5", "** 1.0"),
        ("ACC-2", "float64 has its own roundoff", "_UNIT[dtype]", '{"float32": 2.0**-24, "float64": 2.0**-53}[dtype]'),
    ],
    "accuracy:condition": [
        ("ACC-2", "κ may be 0", "max(0.5, ", "max(0.0, "),
        ("ACC-2", "κ is at least 1", "max(0.5, ", "max(1.0, "),
    ],
    "accuracy:terms": [
        ("ACC-2", "K is the first axis", "shape[-1] for", "shape[0] for"),
    ],
    "conformance.oracle:rounded": [
        ("ACC-1", "64 bits are kept", "exponent - 40", "exponent - 64"),
    ],
    "conformance.case:Case.summed": [
        ("ACC-2", "gradients may be off no more than results", "* max(1.0, largest)", "* 0 + 1.0"),
    ],
    "conformance.variant:declaration": [
        ("ACC-4", "any class may be declared", "if found.looseness not in LOOSENESS:", "if False:"),
        (
            "CONF-5",
            "a package has its file where a module has it",
            '"conformance.json" if path.stem == "__init__" else f"{path.stem}.conformance.json"',
            'f"{path.stem}.conformance.json"',
        ),
        ("CONF-5", "nobody is held to the file", "strict=True", "strict=False"),
        (
            "CONF-6",
            "a file that is wrong counts as none",
            'raise SpecError(f"{path}: {error}") from None',
            "return Declaration()",
        ),
    ],
}

RUNNER: Rows = {
    "conformance.variant:variants": [
        ("CONF-1", "float32 alone is tried", 'if "dtype" in takes', "if False"),
        ("CONF-1", "the first path alone is tried", "for path in module.PATHS", "for path in module.PATHS[:1]"),
        ("CONF-1", "the path that is taken by default is not tried", "[Variant(module), *(", "[*("),
        ("CONF-1", "every backend has to take a dtype", 'if "dtype" in takes', "if True"),
    ],
    "conformance.variant:Variant.load": [
        ("CONF-1", "backends without `time_major` are given it", "if option not in self.takes:", "if False:"),
    ],
    "conformance.runner:_play": [
        (
            "CONF-1",
            "options are given that nobody takes",
            '{"time_major": True} if case.time_major else {}',
            '{"time_major": case.time_major}',
        ),
        ("CONF-4", "nets are loaded without a seed", '{"seed": case.seed} if case.training else {}', "{}"),
        ("CONF-7", "no case is run again", "== 0:", "== FRESH:"),
        ("CONF-7", "the second run is the first", "fresh = case.fresh(seed=1)", "fresh = case"),
        ("CALL-3", "nobody writes into results", "exchange.watch.spoil()\n            exchange.call", "exchange.call"),
    ],
    "conformance.watch:Watch.answered": [
        ("CONF-1", "only arrays of NumPy are understood", "name: np.asarray(value) for", "name: value[...] for"),
        (
            "ACC-3",
            "arrays are converted to the expected dtype",
            "name: np.asarray(value) for",
            'name: np.asarray(value, "float32") for',
        ),
    ],
    "conformance.watch:Watch.check": [
        ("CALL-2", "nobody looks at what was given", 'self._given, "the', '(), "the'),
        ("CALL-2", "nobody looks at mappings that were given", "in self._mappings:", "in ():"),
        ("CALL-3", "nobody looks at earlier results", "chain.from_iterable(self._answered)", "()"),
    ],
    "conformance.watch:Watch.spoil": [
        ("CALL-3", "results may share memory with what was given", "chain(self._given, *", "chain(*"),
    ],
    "conformance.comparison:wrong": [
        ("ACC-3", "dtypes are not compared", "if array.dtype != dtype:", "if False:"),
        (
            "CONF-2",
            "more results than expected will do",
            "if set(found) != set(expected):",
            "found = {k: found[k] for k in expected if k in found}\n    if set(found) != set(expected):",
        ),
        ("CONF-2", "any numbers will do", "if error <= allowed", "if error < np.inf"),
    ],
    "conformance.comparison:_where": [
        (
            "ACC-1",
            "the place is chosen by another error",
            "accuracy.errors(found, expected).argmax()",
            "np.abs(found - expected).argmax()",
        ),
    ],
    "conformance.runner:_refused": [
        ("CONF-2", "any error will do", "if kind != case.error", "if False"),
        (
            "CONF-2",
            "any exception will do",
            'detail = f"expected {case.error}, found {type(problem).__name__}: {problem}"',
            'detail = ""',
        ),
        ("CONF-2", "the field need not be named", "if word not in text", "if False"),
        ("CONF-2", "more than one line will do", 'if "\\n" in text', "if False"),
        ("CONF-2", "what is wrong may be taken", 'detail = f"accepted; expected {case.error}"', 'detail = ""'),
    ],
    "conformance.runner:run": [
        ("CONF-2", "any exception is a refusal", "except UnsupportedError as refusal:", "except Exception as refusal:"),
        (
            "CONF-3",
            "a crash is a skip",
            'detail = f"{type(problem).__name__}: {problem}"',
            'return Result(case.id, variant.name, "skipped")',
        ),
        (
            "CONF-3",
            "a case that is expected to fail passes",
            'outcome = "expected failure" if detail',
            'outcome = "pass" if detail',
        ),
        ("CONF-3", "a refusal is a pass", '"unsupported", 0.0', '"pass", 0.0'),
        (
            "CONF-5",
            "what is not declared may be refused",
            "if declared or not variant.declared.strict or isinstance(refusal, Absent):",
            "if True:",
        ),
        (
            "CONF-5",
            "without a file nothing may be refused",
            "if declared or not variant.declared.strict or isinstance(refusal, Absent):",
            "if declared:",
        ),
        ("CONF-5", "what is declared unsupported may be answered", "if declared:\n", "if False:\n"),
        (
            "CONF-6",
            "a case that is expected to fail may pass",
            'else "fail"\n        detail',
            'else "pass"\n        detail',
        ),
        (
            "CONF-6",
            "what is declared to fail is not read",
            "known = variant.declared.failure(variant.short, case.id)",
            "known = None",
        ),
    ],
    "conformance.exchange:Exchange.vjp": [
        (
            "CONF-4",
            "gradients are not compared",
            "(results, None), (gradients, case.gradients):",
            "((results, None),):",
        ),
        (
            "CONF-4",
            "results with gradients are not compared",
            "(results, None), (gradients, case.gradients):",
            "((gradients, case.gradients),):",
        ),
        ("CONF-4", "training is inference", "training=case.training", "training=False"),
    ],
    "conformance.exchange:Exchange.refused": [
        (
            "CALL-8",
            "what is accepted is refused",
            'raise AssertionError(f"{what}: accepted; expected SpecError")',
            "pass",
        ),
    ],
    "conformance.runner:_trains": [
        (
            "CONF-4",
            "gradients are tried in training only",
            "if case.training or not (case.gradients and variant.trains):",
            "if True:",
        ),
        ("CONF-4", "no gradients are tried in float32", "zlib.crc32(case.id.encode()) % SINGLE == 0", "False"),
        (
            "CONF-4",
            "no gradients are tried where there is no float64",
            'variant.dtype == "float64" or "dtype" not in variant.takes',
            'variant.dtype == "float64"',
        ),
    ],
    "conformance.declaration:Unsupported.concerns": [
        ("CONF-5", "nothing is taken out again", 'and not matching[-1].startswith("!")', ""),
    ],
    "conformance.declaration:Declaration.refusal": [
        ("CONF-5", "a declaration is for every variant", "if fnmatchcase(variant, entry.variant):", "if True:"),
    ],
    "conformance.declaration:Declaration.failure": [
        ("CONF-6", "an expected failure is for every case", "and fnmatchcase(case, entry.case)", ""),
    ],
    "conformance.case:Case.fresh": [
        ("CONF-7", "the second run has the numbers of the first", 'f"{self.id}-{seed}"', "self.id"),
    ],
}
