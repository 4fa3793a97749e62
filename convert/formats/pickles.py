"""What Python pickles and `torch.save` saves, read as data.

A pickle is a program for a stack machine. This one knows the instructions of protocols 2 to 5, and what it makes itself
is plain data, tensors and NumPy's arrays. Whatever else a pickle would import or call is noted by its name and never
looked for: an `argparse.Namespace` beside the weights is read past. What no training saves, and only harms, is refused
all the same, so that nobody loads the file elsewhere.
"""

import re
import struct
from collections.abc import Callable
from typing import Any, NoReturn

from rnnspec import limits
from rnnspec.convert.formats.pickled import Name, Other, Storage, StoredArray, StoredDtype, StoredTensor
from rnnspec.errors import SpecError
from rnnspec.shown import shown

_DICTS = ("builtins.dict", "collections.OrderedDict", "collections.Counter")
_TENSORS = tuple(f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3"))
_AROUND = (  # makes of a tensor, its first argument, another with the same numbers
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor",
    "torch.nn.parameter.Parameter",
)
_SUBCLASS = "torch._tensor._rebuild_from_type_v2"  # (function, class, its arguments, …)
_PLAIN = re.compile(  # tensors of these classes hold numbers and nothing else
    r"torch\.(Tensor|nn\.parameter\.\w+|((cuda|sparse|cuda\.sparse)\.)?\w*Tensor)"
)
_EMPTY_ARRAY = re.compile(r"numpy\.(_?core)\.multiarray\._reconstruct")
_ARRAY = re.compile(r"numpy\.(_?core)\.numeric\._frombuffer")
_TRAPS = re.compile(
    r"(os|posix|nt|subprocess|shutil|socket|sys|pty|runpy|importlib|ctypes|webbrowser)\..*"
    r"|builtins\.(eval|exec|execfile|compile|open|__import__|breakpoint|input)"
)
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_MARK = object()
_SCALARS = (str, bytes, int, float, type(None), Name, Storage, StoredTensor, StoredArray, StoredDtype, Other)
_OBJECTS = (Name, StoredTensor, StoredArray, StoredDtype, Other)


class Pickle:
    """One pickle in `data`, from `at` on, which is behind it once it was loaded."""

    def __init__(self, data: bytes, where: str, at: int = 0) -> None:
        self.data, self.where, self.at = data, where, at
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}  # by key, those met
        self.copied = 0

    def load(self) -> Any:
        """Dicts, lists, tuples and scalars, with tensors and arrays among them, and names of what is anything else.

        Raises:
            SpecError: cut off or damaged; a dict with a nest as key, or with one twice.
        """
        while (code := self.take(1)) != b".":
            if code not in _INSTRUCTIONS:
                raise SpecError(f"{self.where}: no pickle of protocol 2 to 5: {code!r} at byte {self.at - 1:,}")
            _INSTRUCTIONS[code](self)
        return self.pop()

    def damaged(self, what: str) -> NoReturn:
        """Refuse the file. Raises SpecError: always."""
        raise SpecError(f"{self.where}: a damaged pickle ({what} at byte {self.at:,}); copy the file again")

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            self.damaged("cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, size: int) -> str:
        return self.take(size).decode("utf-8", "backslashreplace")

    def line(self) -> str:
        """The text up to the end of the line."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            self.damaged("a name without an end")
        name = self.text(end - self.at)
        self.at += 1
        return name

    def pop(self, kind: type | tuple[type, ...] = object) -> Any:
        """The top of the stack, taken off."""
        if not self.stack or self.stack[-1] is _MARK or not isinstance(self.stack[-1], kind):
            self.damaged("the stack holds something else")
        return self.stack.pop()

    def items(self) -> list[Any]:
        """What was put onto the stack since the last mark."""
        found: list[Any] = []
        while self.stack and self.stack[-1] is not _MARK:
            found.append(self.stack.pop())
        if not self.stack:
            self.damaged("no mark on the stack")
        self.stack.pop()
        return found[::-1]

    def top(self, kind: type | tuple[type, ...]) -> Any:
        """The top of the stack."""
        found = self.pop(kind)
        self.stack.append(found)
        return found

    # What the instructions do

    def put(self, key: int) -> None:
        """Remember the top of the stack under a number."""
        self.memo[key] = self.top(object)

    def get(self, key: int) -> None:
        if key not in self.memo:
            self.damaged("nothing is remembered under a number")
        self.stack.append(self.memo[key])

    def row(self, size: int) -> None:
        """A tuple of the topmost values, onto the stack."""
        self.stack.append(tuple([self.pop() for _ in range(size)][::-1]))

    def remember(self) -> None:
        """Remember the top of the stack under the next number."""
        self.put(len(self.memo))

    def imported(self, module: str, name: str) -> None:
        """A name in a module, onto the stack; nothing is imported. Raises SpecError: it is there to harm."""
        full = f"{_PYTHON_2.get(module, module)}.{name}"
        if _TRAPS.fullmatch(full):
            found = shown(full.removeprefix("builtins."))
            raise SpecError(f"{self.where}: a pickle with {found}, code that is never run; trust nothing of this file")
        self.stack.append(Name(full))

    def extend(self, items: list[Any]) -> None:
        """More items into the list on top, or into something else, where they are lost."""
        target = self.top((list, *_OBJECTS))
        if isinstance(target, list):
            target.extend(items)

    def frozen(self) -> None:
        """A frozenset of what was put onto the stack."""
        self.items()
        self.stack.append(Other("builtins.frozenset"))

    def update(self, items: list[Any]) -> None:
        """Keys and values in turn, into a dict. Raises SpecError: a nest as key, or a key twice."""
        target = self.top((dict, *_OBJECTS))
        if len(items) % 2:
            self.damaged("a key without a value")
        if not isinstance(target, dict):
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            parts = key if isinstance(key, tuple) else (key,)
            if len(parts) > limits.KEY_PARTS or not all(isinstance(part, _SCALARS) for part in parts):
                raise SpecError(f"{self.where}: a dict with a nest as key, which is never loaded; save the state dict")
            if key in target:
                raise SpecError(f"{self.where}: {shown(str(key))} is there twice; save the state dict again")
            target[key] = value

    def call(self) -> None:
        arguments, what = self.pop(tuple), self.pop((Name, Other))
        self.stack.append(self.made(what.name, arguments))

    def call_with_names(self) -> None:
        """A call whose arguments have names, which no tensor has."""
        self.pop(dict)
        self.pop(tuple)
        self.stack.append(Other(self.pop((Name, Other)).name))

    def made(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What a call would make."""
        if name in _TENSORS:
            return self.tensor(arguments)
        if name in _AROUND and arguments and isinstance(arguments[0], StoredTensor | Other):
            return arguments[0]
        if name == _SUBCLASS and len(arguments) > 2 and isinstance(arguments[0], Name):
            inner, kind, inside = arguments[:3]
            if not isinstance(kind, Name) or not _PLAIN.fullmatch(kind.name):
                return Other(f"{kind.name if isinstance(kind, Name) else name}, a Tensor")
            if inner.name != _SUBCLASS and isinstance(inside, tuple):
                return self.made(inner.name, inside)
        if name in _DICTS:
            return self.ordered(*arguments[:1])
        if name == "collections.defaultdict":
            return {}
        if name == "torch.Size" and len(arguments) == 1 and isinstance(arguments[0], tuple):
            return arguments[0]
        if name in (*_AROUND, _SUBCLASS):
            self.damaged("a tensor is missing")
        return self.of_numpy(name, arguments)

    def of_numpy(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """An array of NumPy's, or what it is made of; anything else by its name alone."""
        match name, arguments:
            case "numpy.dtype", (str(kind), *_):
                return StoredDtype(kind)
            case "_codecs.encode", (str(text), "latin1") if max(text, default="") <= "\xff":  # bytes, in protocol 2
                return text.encode("latin1")
            case "copyreg._reconstructor", (Name(kind), *_):
                return Other(kind)
            case _, (Name("numpy.ndarray"), *_) if _EMPTY_ARRAY.fullmatch(name):
                return StoredArray()
            case _, (bytes(data), StoredDtype() as dtype, tuple(shape), str(order)) if _ARRAY.fullmatch(name):
                return StoredArray(self.shape(shape), dtype, order == "F", data)
        return Other(name)

    def shape(self, sizes: tuple[Any, ...]) -> tuple[int, ...]:
        """Sizes of axes."""
        if not all(type(size) is int and size >= 0 for size in sizes):
            self.damaged("no shape of an array")
        return sizes

    def ordered(self, pairs: Any = ()) -> dict[Any, Any]:
        """A dict, empty, from a dict, or from pairs."""
        if isinstance(pairs, dict):
            return pairs
        if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            self.damaged("no pairs for a dict")
        self.copied += len(pairs)
        if self.copied > len(self.data):
            self.damaged("the same pairs again and again")
        self.stack.append({})
        self.update([each for pair in pairs for each in pair])
        return self.stack.pop()

    def tensor(self, arguments: tuple[Any, ...]) -> StoredTensor:
        """(storage, offset, shape, strides, …); in version 3 the seventh is the dtype."""
        storage, offset, shape, strides = (*arguments, None, None, None, None)[:4]
        counts = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
        if not isinstance(storage, Storage) or not all(type(count) is int and count >= 0 for count in counts):
            self.damaged("no storage, offset, shape and strides of a tensor")
        if len(shape) != len(strides):
            self.damaged("a tensor with more or fewer strides than axes")
        dtype = arguments[6].name if len(arguments) > 6 and isinstance(arguments[6], Name) else None
        return StoredTensor(storage, offset, shape, strides, dtype)

    def stored(self) -> None:
        """("storage", type, key, location, size, view), in place of the numbers; view: None, or (key, start, size)."""
        found = self.pop(tuple)
        if len(found) < 5 or found[0] != "storage" or not isinstance(found[1], Name):
            self.damaged("no storage")
        start, size = found[5][1:] if _is_view(found[5:]) else (0, found[4])
        if not isinstance(found[2], str) or not all(type(count) is int and count >= 0 for count in (start, size)):
            self.damaged("no key and size of a storage")
        storage = Storage(found[2], found[1].name.rpartition(".")[2], start, size)
        self.storages.setdefault(storage.key, storage)
        self.stack.append(storage)

    def built(self) -> None:
        """The state of an object: the numbers of an array; of all else, attributes, which hold no numbers of it."""
        state = self.pop()
        match self.top((dict, *_OBJECTS)), state:
            case StoredArray() as array, (int(), tuple(shape), StoredDtype() as dtype, fortran, bytes(data)):
                array.shape, array.dtype, array.fortran, array.data = self.shape(shape), dtype, bool(fortran), data
            case StoredDtype() as dtype, (int(), "<" | ">" | "|" as order, None, *_):
                dtype.order = order
            case StoredDtype() as dtype, _:
                dtype.name = "V"  # of several fields


def _is_view(rest: tuple[Any, ...]) -> bool:
    return len(rest) == 1 and isinstance(rest[0], tuple) and len(rest[0]) == 3


def _push(value: Callable[[Pickle], Any]) -> Callable[[Pickle], None]:
    return lambda p: p.stack.append(value(p))


_INSTRUCTIONS: dict[bytes, Callable[[Pickle], Any]] = {
    b"\x80": lambda p: p.take(1),  # the protocol
    b"N": _push(lambda p: None),
    b"\x88": _push(lambda p: True),
    b"\x89": _push(lambda p: False),
    b"K": _push(lambda p: p.number("<B")),
    b"M": _push(lambda p: p.number("<H")),
    b"J": _push(lambda p: p.number("<i")),
    b"\x8a": _push(lambda p: int.from_bytes(p.take(p.number("<B")), "little", signed=True)),
    b"G": _push(lambda p: p.number(">d")),
    b"X": _push(lambda p: p.text(p.number("<I"))),
    b"U": _push(lambda p: p.text(p.number("<B"))),  # Python 2's str
    b"]": _push(lambda p: []),
    b"}": _push(lambda p: {}),
    b")": _push(lambda p: ()),
    b"\x8f": _push(lambda p: Other("builtins.set")),
    b"(": _push(lambda p: _MARK),
    b"\x85": lambda p: p.row(1),
    b"\x86": lambda p: p.row(2),
    b"\x87": lambda p: p.row(3),
    b"t": lambda p: p.stack.append(tuple(p.items())),
    b"a": lambda p: p.extend([p.pop()]),
    b"e": lambda p: p.extend(p.items()),
    b"s": lambda p: p.update([p.pop(), p.pop()][::-1]),
    b"u": lambda p: p.update(p.items()),
    b"q": lambda p: p.put(p.number("<B")),
    b"r": lambda p: p.put(p.number("<I")),
    b"h": lambda p: p.get(p.number("<B")),
    b"j": lambda p: p.get(p.number("<I")),
    b"\x90": lambda p: p.extend(p.items()),
    b"\x91": Pickle.frozen,
    b"0": lambda p: p.pop(),
    b"1": lambda p: p.items(),
    b"2": lambda p: p.stack.append(p.top(object)),
    b"B": _push(lambda p: p.take(p.number("<I"))),
    b"C": _push(lambda p: p.take(p.number("<B"))),
    b"\x8c": _push(lambda p: p.text(p.number("<B"))),
    b"\x8d": _push(lambda p: p.text(p.number("<Q"))),
    b"\x8e": _push(lambda p: p.take(p.number("<Q"))),
    b"\x96": _push(lambda p: p.take(p.number("<Q"))),
    b"\x94": Pickle.remember,
    b"\x95": lambda p: p.take(8),  # how long what follows is
    b"c": lambda p: p.imported(p.line(), p.line()),
    b"\x93": lambda p: p.imported(*[p.pop(str), p.pop(str)][::-1]),
    b"R": Pickle.call,
    b"\x81": Pickle.call,  # NEWOBJ
    b"\x92": Pickle.call_with_names,  # NEWOBJ_EX
    b"Q": Pickle.stored,
    b"b": Pickle.built,
}
