"""Paddle: state dicts.

python -m tests.golden.recipes.paddle        (needs paddlepaddle)
"""

import numpy as np
import paddle
from paddle import nn

from . import write

RNG = np.random.default_rng(17)
PADDLE = f"Paddle {paddle.__version__}"


def filled(net: nn.Layer) -> nn.Layer:
    for parameter in net.parameters():
        parameter.set_value((RNG.standard_normal(parameter.shape) / 2).astype("f"))
    net.eval()
    return net


class Tagger(nn.Layer):
    """A table, recurrent layers of all kinds, in both directions and projected, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 5)
        self.lstm = nn.LSTM(5, 4, num_layers=2, direction="bidirectional")
        self.gru = nn.GRU(8, 3)
        self.rnn = nn.SimpleRNN(3, 6)
        self.both = nn.BiRNN(nn.GRUCell(6, 2), nn.GRUCell(6, 2))
        self.small = nn.LSTM(4, 5, proj_size=3)
        self.out = nn.Linear(3, 2)

    def forward(self, x):
        y = self.words(x)
        for layer in (self.lstm, self.gru, self.rnn, self.both, self.small):
            y = layer(y)[0]
        return self.out(y)


def main() -> None:
    x = RNG.integers(0, 9, (2, 5))
    net = filled(Tagger())
    y = net(paddle.to_tensor(x)).numpy()
    state = net.state_dict()
    write("arrays/paddle", "model.pdparams", lambda path: paddle.save(state, str(path)),
          f"{PADDLE}: recurrent layers of all kinds, recognised", {"x": x}, {"y": y})  # fmt: skip

    class Plain(nn.Layer):
        """Linear layers without biases, of which the file does not say what made them."""

        def __init__(self) -> None:
            super().__init__()
            self.front = nn.Linear(3, 4, bias_attr=False)
            self.gru = nn.RNN(nn.GRUCell(4, 5))
            self.head = nn.Linear(5, 5, bias_attr=False)

        def forward(self, x):
            return self.head(self.gru(self.front(x))[0])

    plain, x = filled(Plain()), RNG.standard_normal((2, 6, 3)).astype("f")
    arrays = {name: tensor.numpy() for name, tensor in plain.state_dict().items()}
    write("arrays/paddle_npz", "model.npz", lambda path: np.savez(path, **arrays),
          f"{PADDLE}: a state dict in .npz", {"x": x}, {"y": plain(paddle.to_tensor(x)).numpy()},
          arrays="paddle", settings={"front.type": "dense", "head.type": "dense"})  # fmt: skip


if __name__ == "__main__":
    main()
