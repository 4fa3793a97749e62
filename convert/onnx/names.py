"""Names of layers, from those of their nodes."""

import re

from rnnspec import limits
from rnnspec.convert.names import unique, valid
from rnnspec.convert.onnx.made import Made
from rnnspec.convert.onnx.streams import Both, Dense, Embedded, Run, Stream

_KINDS = "RNN|GRU|LSTM|MatMul|Gemm|Gather|Add|BiasAdd|Tensordot|Conv|BatchNormalization|LayerNormalization|Mul|Sub|Div"
_OPERATOR = rf"({_KINDS})(_+\d+)?|node_(?i:{_KINDS}|linear)(_+\d+)?"  # the second as torch's newer exporter names them


def layer_names(streams: list[Stream]) -> list[str]:
    """The nodes' names, without what only says their operator and the scopes that all are in: of /model/emb/Gather and
    /model/lstm/LSTM_1 emb and lstm. The kind of layer where nothing is left; numbered where they are the same.
    """
    paths = [_path(stream.name)[-limits.SCOPES :] for stream in streams]
    while (scoped := [path for path in paths if len(path) > 1]) and len({path[0] for path in scoped}) == 1:
        paths = [path[1:] if len(path) > 1 else path for path in paths]
    names: dict[str, None] = {}
    for stream, path in zip(streams, paths, strict=True):
        name = re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(path)).removeprefix("node_").strip("_-") or _kind(stream)
        names[unique(valid(name), names)] = None
    return list(names)


def _path(name: str) -> list[str]:
    return [part for part in re.split(r"[/.:]", name) if part and not re.fullmatch(_OPERATOR, part)]


def _kind(stream: Stream) -> str:
    if isinstance(stream, Embedded):
        return "embedding"
    if isinstance(stream, Dense):
        return "dense"
    if isinstance(stream, Made):
        return str(stream.layer.__struct_config__.tag)
    run = stream.forward if isinstance(stream, Both) else stream
    assert isinstance(run, Run)
    return type(run.part[0]).__name__.lower()
