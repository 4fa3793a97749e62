"""The cases of Flax: parameter trees of linen and nnx, in msgpack and npz, one row each."""

from dataclasses import dataclass

from .case import Arrays, Case


@dataclass(frozen=True)
class Last(Case):
    """The state that the framework returned is that of the last recurrent layer alone."""

    def final_state(self, state: Arrays) -> Arrays:
        layer = list(state)[-1].split(".")[0]
        return super().final_state({f"rnn{k.removeprefix(layer)}": v for k, v in state.items() if k.startswith(layer)})


def both(path: str, row: type[Case] = Case, **options) -> list[Case]:
    """A row for each file of the same tree."""
    return [row(f"flax/{path}", file, states="final_state", **options) for file in ("params.msgpack", "params.npz")]


# fmt: off
ROWS = [
    *both("char_rnn", Last, outputs={"logits": "Dense_0"}),
    *both("gru"),
    *both("lstm"),
    *both("nnx_gru"),
    *both("nnx_optimized_lstm"),
    *both("optimized_lstm"),
    *both("simple"),
    *both("simple_relu_residual", settings={"activation": "relu", "residual": True}),
]
