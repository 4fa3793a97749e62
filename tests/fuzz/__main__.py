"""A long run; see the package."""

import argparse
import faulthandler
import resource
import sys
import time

from hypothesis import HealthCheck, given, settings

from tests.fuzz.foreign import FOREIGN
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS as OURS
from tests.fuzz.targets import attempt

TARGETS = OURS | FOREIGN

HANG = 60  # seconds after which one file is said to hang
ROOM = 2**30  # bytes of address space beyond what is taken at the start

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=sys.modules["tests.fuzz"].__doc__)
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)}; default: all")
options = parser.parse_args()

with open("/proc/self/statm") as sizes:
    taken = int(sizes.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, resource.RLIM_INFINITY))
tried = refused = 0


def explore(name: str) -> None:
    """500 files for one target, others each time."""
    target = TARGETS[name]

    @settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=mutated(tuple(target.seeds()), target.structured))
    def run(data: bytes) -> None:
        global tried, refused
        faulthandler.dump_traceback_later(HANG, exit=True)
        tried += 1
        refused += bool(attempt(target, data))
        faulthandler.cancel_dump_traceback_later()

    run()


end = time.monotonic() + 60 * options.minutes
while time.monotonic() < end:
    for name in options.targets or TARGETS:
        explore(name)
        print(f"{name}: {tried:,} files, {refused:,} refused", flush=True)
