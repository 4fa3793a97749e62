"""The suite on every change of a backend's source: which are caught, and which are not."""

import multiprocessing
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rnnspec import backends
from rnnspec.conformance.generated.changes import Change
from rnnspec.conformance.generated.order import places
from rnnspec.conformance.generated.source import Source, imports, sources
from rnnspec.conformance.generated.survivors import survivors
from rnnspec.conformance.generated.trial import Line, Reached, Trial, killer, reached
from rnnspec.conformance.record import Item, items, title
from rnnspec.conformance.workers import Lost, Workers
from rnnspec.errors import SpecError, UnsupportedError

_TOGETHER = 8  # items that one process runs while they are watched: far apart, so that none finds what another cached
SLACK, FACTOR = 30.0, 30  # seconds that an item may take beyond what it took, and how many times that
_DAY = 86400.0  # a process is ended by the item that takes too long, and not for the time of all


@dataclass(frozen=True)
class Row:
    """What became of a change.

    Attributes:
        package: the package or module that was changed; `change`: "file: function: before → after", in it.
        line: of the statement, in the file.
        outcome: "caught"; "crashed" and "timeout", which are caught too; "unreached" where no case runs the line;
            "known" where it survives and a file says why; "survived".
        by: the case that caught it, how the process ended, why it survives.
        cases: how many reach the line; `tried`: how many of them its trial was given.
    """

    package: str
    change: str
    line: int
    outcome: str
    by: str = ""
    cases: int = 0
    tried: int = 0

    @property
    def file(self) -> str:
        """The file that was changed."""
        return self.change.partition(": ")[0]


def run(
    backend: str,
    packages: list[str],
    pattern: str,
    jobs: int,
    sample: int | None = None,
    seed: int = 0,
    tries: int | None = None,
) -> Iterator[Row]:
    """A row for each change of the packages, as soon as it is known; those of the lists of survivors come last.

    Args:
        sample: only so many changes, drawn with `seed`.
        tries: each on so many cases at most: half of them the latest to catch one, the others as `order` says. Those
            that run the very lines come before those that reach the statement, which may be a table of functions.

    Raises:
        SpecError: there is no such module, or the backend fails a case as it is.
        UnsupportedError: this system cannot fork.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise UnsupportedError("--mutants --backend: a process is forked for each change, which this system cannot do")
    modules = [source for name in packages for source in sources(name)]
    chosen = [(source, change) for source in modules for change in source.changes]
    if sample is not None and sample < len(chosen):
        chosen = [chosen[k] for k in sorted(random.Random(seed).sample(range(len(chosen)), sample))]
    why = {source.package: _listed(source.package) for source in modules}
    chosen.sort(key=lambda pair: _label(*pair) in why[pair[0].package])
    multiprocessing.set_forkserver_preload([killer.__module__, *imports(modules + sources(home(backend)))])
    with Workers(jobs, _DAY, "forkserver", once=True) as workers:
        seen = _watched(backend, modules, pattern, workers)
    lines, always = _by_line(seen)
    seconds = {found.item: found.seconds for found in seen}
    place = {source.name: places(seen, source.name) for source in modules}
    trials = []
    for source, change in chosen:
        at = [(source.name, line) for line in range(change.line, change.end + 1)]
        reaching = set(seconds) if always.intersection(at) else set().union(*(lines[line] for line in at))
        if reaching:
            trials.append((source, change, reaching))
        else:
            known = why[source.package].get(_label(source, change))
            yield _row(source, change, *(("known", known) if known else ("unreached", "")))
    tried: list[int] = []  # on how many, trial by trial
    latest: dict[Item, int] = {}  # item → when it last caught one: it may well catch what is beside that

    def prepared() -> Iterator[Trial]:
        for source, change, reaching in trials:
            near = set().union(*(lines[source.name, k] for k in range(change.near[0], change.near[1] + 1)))
            order = sorted(reaching, key=lambda item: (item not in near, place[source.name][item]))
            killers = sorted(reaching.intersection(latest), key=lambda item: (item not in near, -latest[item]))
            order = list(dict.fromkeys([*(killers[: tries // 2] if tries else killers), *order]))[:tries]
            tried.append(len(order))
            yield Trial(source, change.number, tuple((item, SLACK + FACTOR * seconds[item]) for item in order))

    with Workers(jobs, _DAY, "forkserver", once=True) as workers:
        for k, found in workers.each(killer, prepared()):
            source, change, reaching = trials[k]
            known = why[source.package].get(_label(source, change))
            counts = len(reaching), tried[k]
            if isinstance(found, Lost):
                yield _row(source, change, "timeout" if "SIGALRM" in found.how else "crashed", found.how, *counts)
            elif found:
                latest[found] = k
                yield _row(source, change, "caught", title(found), *counts)
            else:
                yield _row(source, change, *(("known", known) if known else ("survived", "")), *counts)


def faults(packages: list[str], rows: Iterable[Row]) -> list[str]:
    """What the lists of survivors say and is not so."""
    caught = {(row.package, row.change): row.by for row in rows if row.outcome in ("caught", "crashed", "timeout")}
    found = []
    for name in dict.fromkeys(source.package for package in packages for source in sources(package)):
        labels = {_label(source, change) for source in sources(name) for change in source.changes}
        for change in _listed(name):
            if change not in labels:
                found.append(f"{name}: listed as a survivor, and there is no such change: {change}")
            elif by := caught.get((name, change)):
                found.append(f"{name}: listed as a survivor, and caught by {by}: {change}")
    return found


def _watched(backend: str, modules: list[Source], pattern: str, workers: Workers) -> list[Reached]:
    """What each item of the suite does to the backend as it is."""
    asked = items([backend], pattern, workers)
    if not asked:
        raise SpecError(f"--case {pattern}: no case has such an id")
    names = {str(source.path): source.name for source in modules}
    parts = -(-len(asked) // _TOGETHER)
    found: list[Reached] = []
    for k, part in enumerate(workers.map(reached, [(names, asked[k::parts]) for k in range(parts)])):
        if isinstance(part, Lost):
            titles = ", ".join(title(item) for item in asked[k::parts])
            raise SpecError(f"backend {backend!r}: one of {titles}: {part.how}")
        found += part
    for one in found:
        if one.failure:
            raise SpecError(f"backend {backend!r}: {title(one.item)} fails with nothing changed: {one.failure}")
    return found


def _by_line(seen: list[Reached]) -> tuple[dict[Line, set[Item]], set[Line]]:
    """Line of a function → the items that run it; and the lines outside of functions."""
    lines: dict[Line, set[Item]] = defaultdict(set)
    for one in seen:
        for line in one.lines:
            lines[line].add(one.item)
    return lines, set().union(*(one.always for one in seen))


def _listed(package: str) -> dict[str, str]:
    """The survivors that a package or module lists, and why."""
    return survivors(sources(package)[0].path)


def _row(source: Source, change: Change, outcome: str, by: str, cases: int = 0, tried: int = 0) -> Row:
    return Row(source.package, _label(source, change), change.line, outcome, by, cases, tried)


def _label(source: Source, change: Change) -> str:
    return ": ".join(filter(None, (source.label, change.function, change.words)))


def home(backend: str) -> str:
    """The module that a backend's name stands for."""
    return f"rnnspec.backends.{backend}" if backend in backends.REQUIRES else backend
