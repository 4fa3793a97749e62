"""Cells that torch's own modules are not, as functions of one step in a loop that is called like those."""

from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.convert.torch.functions import called

LOOP = '''
class Loop(nn.Module):
    """Steps one after the other, called as nn.LSTM and its kind are; its parameters are rnnspec's, by gates."""

    def __init__(self, cell, shapes, states=1, bidirectional=False):
        super().__init__()
        self.cell, self.states, self.ends = cell, states, ("", "_reverse") if bidirectional else ("",)
        for end in self.ends:
            for name, shape in shapes.items():
                self.register_parameter(name + end, nn.Parameter(torch.empty(shape)))

    def forward(self, x, state=None):
        packed = isinstance(x, PackedSequence)
        x, many = pad_packed_sequence(x, batch_first=True) if packed else (x, torch.full((len(x),), x.shape[1]))
        units = self.kernel.shape[1]
        state = x.new_zeros(self.states, len(self.ends), len(x), units) if state is None else state
        state = state if isinstance(state, tuple) or state.ndim == 4 else (state,)
        counts = torch.arange(x.shape[1], device=x.device)[:, None, None] < many.to(x.device)[:, None]
        outputs, final = [], []
        for k, end in enumerate(self.ends):
            names = ("kernel", "bias", "recurrent_kernel", "recurrent_bias")
            w, b, w_h, b_h = (getattr(self, name + end, None) for name in names)
            z, w_h = F.linear(x, w.flatten(0, 1), None if b is None else b.flatten()), w_h.flatten(0, 1)
            now, y = [each[k] for each in state], [None] * x.shape[1]
            for t in sorted(range(x.shape[1]), reverse=bool(end)):
                new = self.cell(z[:, t], w_h, b_h, *now)
                now = [torch.where(counts[t], one, other) for one, other in zip(new, now)]
                y[t] = now[0]
            outputs.append(torch.stack(y, 1))
            final.append(torch.stack(now))
        y, final = torch.cat(outputs, -1), torch.stack(final, 1)
        y = pack_padded_sequence(y, many, batch_first=True, enforce_sorted=False) if packed else y
        return y, tuple(final) if self.states > 1 else final[0]
'''


def step(cell: Cell, name: str) -> str:
    """The text of a function of one step: W x + b, the weights and the bias of h, and the states → new states.

    Raises:
        UnsupportedError: an activation of the user's own.
    """
    lines: list[str] = []

    def act(activation, *names: str) -> None:
        lines.extend(f"{each} = {called(activation, each, name)}" for each in names if activation != "linear")

    if isinstance(cell, LSTM):
        lines.append("i, f, g, o = (x + F.linear(h, w)).chunk(4, -1)")
        act(cell.gate_activation, "i", "f", "o")
        act(cell.cell_activation, "g")
        lines += ["c = f * c + i * g", "h = c"]
        act(cell.output_activation, "h")
        return _function(name, "x, w, b, h, c", [*lines, "return o * h, c"])
    if isinstance(cell, RNN):
        lines.append("h = x + F.linear(h, w)")
        act(cell.activation, "h")
        return _function(name, "x, w, b, h", [*lines, "return (h,)"])
    assert isinstance(cell, GRU)
    if cell.reset_after:
        lines += ["r, z, n = x.chunk(3, -1)", "h_r, h_z, h_n = F.linear(h, w).chunk(3, -1)"]
        lines += ["r, z = r + h_r, z + h_z"]
        act(cell.gate_activation, "r", "z")
        lines.append(f"n = n + r * {'(h_n + b)' if cell.bias else 'h_n'}")
    else:
        lines += ["units = h.shape[-1]", "both = x[:, : 2 * units] + F.linear(h, w[: 2 * units])"]
        lines.append("r, z = both.chunk(2, -1)")
        act(cell.gate_activation, "r", "z")
        lines.append("n = x[:, 2 * units :] + F.linear(r * h, w[2 * units :])")
    act(cell.activation, "n")
    return _function(name, "x, w, b, h", [*lines, "return ((1 - z) * n + z * h,)"])


def _function(name: str, arguments: str, lines: list[str]) -> str:
    return "\n    ".join([f"def {name}({arguments}):", *lines])
