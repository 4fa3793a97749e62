"""A cell's time loop as one `Scan`, its body traced from the cell's own step."""

from rnnspec.cells import Cell
from rnnspec.export import sequences
from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.ops import Array, Ops, States, leaves, nest_like
from rnnspec.valid import Valid


def write(
    ops: Ops, graph: Graph, cell: Cell, p: dict[str, Array], x: Value, valid: Valid, state: States, start: States,
    reverse: bool,
) -> tuple[Value, States]:  # fmt: skip
    """`Ops.unroll` on x (time, batch, inputs): the input product is done before, for all steps at once."""
    p = cell.prepare(ops, p)
    projected = cell.project(ops, p, x)
    parts = leaves(projected)
    flags = [sequences.valid_steps(graph, valid, x), sequences.begins(graph, valid, reverse)]
    flags = [None if flag is None else sequences.wide(graph, flag) for flag in flags]
    names = list(state)
    for value in start.values():
        _ = value.name  # written here, not inside the body
    number = str(graph.dtype)

    def body(*inputs: Value) -> list[Value]:
        values = iter(inputs)
        old = {name: next(values) for name in names}
        step = nest_like(projected, iter([next(values) for _ in parts]))
        keep, begins = (None if flag is None else next(values) for flag in flags)
        if begins is not None:
            old = {name: ops.where(begins, start[name], old[name]) for name in names}
        y, new = cell.step(ops, p, step, old)
        if keep is not None:
            kept = ops.where(keep, y, graph.scalar(0))
            y, new = kept, {name: ops.where(keep, new[name], old[name]) for name in names}
        return [*(new[name] for name in names), y]

    scanned = [*parts, *(flag for flag in flags if flag is not None)]
    kinds = [number] * len(parts) + ["bool"] * (len(scanned) - len(parts))
    inputs = [(number, state[name].shape) for name in names]
    inputs += [(kind, value.shape[1:]) for kind, value in zip(kinds, scanned, strict=True)]
    results = graph.node(
        "Scan",
        [*state.values(), *scanned],
        *(value.shape for value in state.values()),
        (*x.shape[:2], cell.outputs(int(x.shape[-1]))),
        body=graph.body(inputs, body),
        num_scan_inputs=len(scanned),
        scan_input_directions=[int(reverse)] * len(scanned),
        scan_output_directions=[int(reverse)],
    )
    *final, y = results if names else [results]
    return y, dict(zip(names, final, strict=True))
