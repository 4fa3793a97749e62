"""What could stand in the place of a node of a syntax tree, one token apart."""

import ast
import copy
from collections.abc import Iterator
from typing import Any

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Break: ast.Continue,
    ast.Continue: ast.Break,
}
_NEGATED = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)  # another operator negates the comparison
_PAIRS = (
    ("all", "any"),
    ("amax", "amin"),
    ("argmax", "argmin"),
    ("backward", "forward"),
    ("c", "h"),
    ("ceil", "floor"),
    ("cummax", "cummin"),
    ("first", "last"),
    ("float32", "float64"),
    ("gt", "ge"),
    ("max", "min"),
    ("maximum", "minimum"),
    ("mean", "sum"),
    ("ones", "zeros"),
    ("ones_like", "zeros_like"),
    ("reduce_all", "reduce_any"),
    ("reduce_max", "reduce_min"),
    ("reduce_mean", "reduce_sum"),
    ("sigmoid", "tanh"),
)
_NAMES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


def others(node: ast.AST, known: set[str]) -> Iterator[ast.AST]:
    """Each node that could stand in its place; `known`: the names that its function has before."""
    match node:
        case ast.Compare(ops=ops):
            for k, operator in enumerate(ops):
                yield _with(node, ops=[*ops[:k], _OPERATORS[type(operator)](), *ops[k + 1 :]])
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(operator)]())
        case ast.AugAssign(op=operator):
            yield ast.Pass()
            if type(operator) in _OPERATORS:
                yield _with(node, op=_OPERATORS[type(operator)]())
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            yield from (ast.Constant(value), ast.UnaryOp(ast.USub(), ast.Constant(value + 1)))
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _constants(value))
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            yield _with(node, id=_NAMES[name])
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in _NAMES:
            yield _with(node, attr=_NAMES[name])
        case ast.Call(func=function) if not (isinstance(function, ast.Name) and function.id == "isinstance"):
            yield from _calls(node, known)
        case ast.Slice(lower=lower, upper=upper):
            for end in ("lower", "upper"):
                if (bound := {"lower": lower, "upper": upper}[end]) and not isinstance(
                    bound, ast.Constant | ast.UnaryOp
                ):
                    yield _with(node, **{end: ast.BinOp(bound, ast.Add(), ast.Constant(1))})
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not _negated(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[test]) if not _negated(test):
            yield _with(node, ifs=[ast.UnaryOp(ast.Not(), test)])
        case ast.Return(value=value) | ast.Assign(value=value) if isinstance(value, ast.Tuple) and len(value.elts) > 1:
            first, second, *rest = value.elts
            if _differ(first, second):
                yield _with(node, value=ast.Tuple([second, first, *rest], ast.Load()))
        case ast.Return(value=ast.Name(id=name)):
            yield from (_with(node, value=ast.Name(k, ast.Load())) for k in sorted(known - {name, "self", "cls"})[:1])
        case ast.Break() | ast.Continue():
            yield _OPERATORS[type(node)]()
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Name(id=name)]) if name in known:
            yield ast.Pass()


def _constants(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        if value > 0:
            yield value - 1
    elif isinstance(value, float):
        yield value + 1
    elif isinstance(value, str) and value and not any(map(str.isspace, value)):  # the others are for people
        yield _NAMES.get(value, f"{value}_")


def _calls(call: ast.Call, known: set[str]) -> Iterator[ast.AST]:
    """Two neighbouring arguments exchanged; a method without arguments left out, where it is one of a value."""
    for k, (a, b) in enumerate(zip(call.args, call.args[1:], strict=False)):
        if _differ(a, b):
            yield _with(call, args=[*call.args[:k], b, a, *call.args[k + 2 :]])
    if isinstance(call.func, ast.Attribute) and not call.args and not call.keywords:
        value = call.func.value
        root = value
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in known:  # the others are modules, most of them
            yield value


def _differ(a: ast.expr, b: ast.expr) -> bool:
    return not isinstance(a, ast.Starred) and not isinstance(b, ast.Starred) and ast.dump(a) != ast.dump(b)


def _negated(test: ast.expr) -> bool:
    """Whether one of the test's own changes negates it."""
    alone = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _NEGATED)
    return alone or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
