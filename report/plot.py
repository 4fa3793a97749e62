"""How errors grow with the number of steps: one SVG for each cell, both axes logarithmic, one line for each variant."""

import math
from html import escape
from itertools import accumulate

from rnnspec import accuracy
from rnnspec.conformance.growth import CELLS, STEPS, UNITS
from rnnspec.report.columns import Column

# In units of the SVG, about pixels on a phone.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 340, 300, 40, 122, 24, 272
GAP = 14  # between two labels
COLOURS = 5  # that page.css has
DASHES = {"fused": "7 3", "generic": "2 2"}
Lines = dict[str, dict[str, list[float]]]


def lines(columns: list[Column]) -> Lines:
    """Variant → cell → the worst error up to each step, over all versions of the variant."""
    found: Lines = {}
    for column in columns:
        name = f"{column.runtime} {column.variant.removesuffix('float32')}".strip()
        for report in column.growth:
            cells = found.setdefault(name, {})
            for cell, errors in report.items():
                worst = map(max, cells.get(cell, errors), errors)
                cells[cell] = list(accumulate(worst, max))
    return found


def allowed(steps: int) -> float:
    """The least that ACC-2 allows in float32 at this number of steps."""
    return accuracy.allowed("float32", UNITS, steps, accuracy.condition(0, UNITS, steps))


def plots(columns: list[Column]) -> str:
    """The SVGs, in a container that sets them side by side or one below the other."""
    found = lines(columns)
    numbers = [error for cells in found.values() for errors in cells.values() for error in errors if error]
    low, high = (math.log10(end(numbers, default=1e-8)) for end in (min, max))
    decades = range(math.floor(low), math.ceil(max(high, math.log10(allowed(STEPS)))) + 1)
    return f'<div class="plots">{"".join(_plot(cell, found, decades) for cell in CELLS)}</div>' if found else ""


def _plot(cell: str, found: Lines, decades: range) -> str:
    def x(step: int) -> float:
        return LEFT + (WIDTH - RIGHT - LEFT) * math.log(step) / math.log(STEPS)

    def y(error: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (math.log10(error) - decades[0]) / (decades[-1] - decades[0])

    def path(errors: list[float]) -> str:
        points = (f"{x(step):.1f} {y(error):.1f}" for step, error in enumerate(errors, 1) if error)
        return "M" + "L".join(points)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{cell}: error over time">']
    parts.append(f'<text x="{LEFT}" y="14" class="title">{cell}</text>')
    for decade in decades:
        at = y(10.0**decade)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{at + 4:.1f}" text-anchor="end">1e{decade:03d}</text>')
    parts += [
        f'<text x="{x(step):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{step}</text>' for step in (1, 10, 50, STEPS)
    ]
    parts.append(f'<path class="allowed" d="{path([allowed(step) for step in range(1, STEPS + 1)])}"/>')
    parts.append(f'<text x="{x(STEPS):.1f}" y="{y(allowed(STEPS)) - 8:.1f}" text-anchor="end">ACC-2 allows</text>')
    drawn = {name: cells[cell] for name, cells in found.items() if cell in cells and cells[cell][-1]}
    ends = {name: y(errors[-1]) for name, errors in drawn.items()}
    runtimes = list(dict.fromkeys(name.split()[0] for name in found))
    for name, at in _spread(ends).items():
        colour = f"c{runtimes.index(name.split()[0]) % COLOURS}"
        dash = next((dash for word, dash in DASHES.items() if word in name.split()), "none")
        parts.append(f'<path class="{colour}" stroke-dasharray="{dash}" d="{path(drawn[name])}"/>')
        parts.append(
            f'<path class="{colour} leader" d="M{WIDTH - RIGHT} {ends[name]:.1f}L{WIDTH - RIGHT + 10} {at:.1f}"/>'
        )
        parts.append(f'<text x="{WIDTH - RIGHT + 13}" y="{at + 4:.1f}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _spread(ends: dict[str, float]) -> dict[str, float]:
    """Where the labels stand: in the order of the lines, none over another, as near to them as may be from above."""
    order = sorted(ends, key=lambda name: ends[name])
    places = [min(ends[name], BOTTOM - GAP * (len(order) - 1 - k)) for k, name in enumerate(order)]
    return dict(zip(order, accumulate(places, lambda last, place: max(place, last + GAP)), strict=True))
