"""Which kind of cell a scope holds."""

from rnnspec.convert.tf1.scopes import cell_of, unrolled
from rnnspec.convert.tf1.variables import CellVariables
from rnnspec.errors import SpecError, UnsupportedError


def kind_of(v: CellVariables) -> str | None:
    """A key of `cells.KINDS`, by the names of the variables, by that of the scope, or by the shapes; None: no cell.

    Raises:
        SpecError: a cell, but of which kind cannot be told.
        UnsupportedError: a cell that we do not have.
    """
    words, named = set(v.names), cell_of(v.scope)
    if {"gates/kernel_u", "candidate/kernel_u"} & words:
        return "indy_gru"
    if any(word.startswith("candidate/") and "_projection/" in word for word in words):
        return "cudnn_gru"
    if {"gates/kernel", "gates/bias"} & words:
        return "gru"
    if {"kernel", "recurrent_kernel"} <= words and named != "nas":
        if v.shape("kernel")[-1] != 8 * _units(v, "recurrent_kernel"):
            raise UnsupportedError(f"{v.variables.where}: {v.scope}: a Keras layer; save the model as Keras does")
        return "nas"
    if named:
        return named
    if "kernel" in words and (norms := [word for word in words if word.endswith("/gamma")]):
        return "cifg" if v.shape("kernel")[-1] == 3 * v.shape(norms[0])[0] else "lstm"
    if "kernel_u" in words:
        raise _unclear(v, "indrnn", "indy_lstm")
    if {"kernel", "bias"} <= words and len(v.shape("kernel")) == 2 and len(v.shape("bias")) == 1:
        return _by_shape(v)
    return None


def _units(v: CellVariables, kernel: str) -> int:
    return v.shape("projection")[0] if "projection" in v else v.shape(kernel)[0]


def _by_shape(v: CellVariables) -> str | None:
    """The kind of a cell with one kernel and one bias under a name of the user's."""
    (rows, columns), (bias,) = v.shape("kernel"), v.shape("bias")
    if diagonals := [word for word in v.names if word.startswith("peephole_")]:
        return "cifg" if columns == 3 * v.shape(diagonals[0])[0] else "lstm"
    if "projection" in v:
        return "cifg" if columns == 3 * v.shape("projection")[0] else "lstm"
    if "in_projection/kernel" in v:
        return "intersection"
    if not unrolled(v.scope):
        return None
    if 2 * bias == columns:
        return "sru"
    gates = {"rnn": 1, "ugrnn": 2, "lstm": 4}
    fitting = [kind for kind, count in gates.items() if columns % count == 0 and rows > columns // count]
    if bias != columns or not fitting:
        return None
    if len(fitting) > 1:
        raise _unclear(v, *fitting)
    return fitting[0]


def _unclear(v: CellVariables, *kinds: str) -> SpecError:
    return SpecError(
        f"{v.variables.where}: {v.scope}: its name and shapes fit {' and '.join(kinds)}; "
        f"""say which with --set 'cells={{"{v.scope}": "{kinds[0]}"}}'"""
    )
