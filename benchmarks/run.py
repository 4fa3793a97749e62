"""Measure the backends against what a user would pick instead: `python benchmarks/run.py --help`."""

import argparse
import json
import multiprocessing
import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from table import tables
from timing import Effort, Result, measure

import rnnspec

SUBJECTS = (
    "torch",
    "torch_variants",
    "tensorflow",
    "tensorflow_variants",
    "onnxruntime",
    "onnxruntime_variants",
    "startup",
)


def run(subject: str, quick: bool, threads: int | None) -> tuple[list[Result], dict[str, float], dict[str, str]]:
    """Measure one subject in this process: its results, its targets and the versions of its packages."""
    module = import_module(f"bench_{subject}")
    effort = Effort(0.4, 5) if quick else Effort(1.5, 5)
    return [measure(c, effort) for c in module.comparisons(quick, threads)], module.TARGETS, module.versions()


def main() -> None:
    """Each subject in a process of its own: the thread pools of two frameworks disturb each other."""
    parser = argparse.ArgumentParser(description="Ratios of medians, ours to the peer's; float32, one run.")
    parser.add_argument("subjects", nargs="*", choices=("all", *SUBJECTS), default="all", help="default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument("--threads", type=int, help="threads of each framework; left to the framework by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE as well")
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    console = Console()
    console.width = max(console.width, 120)  # also where the output is a file
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "threads": arguments.threads,
        "versions": {"python": platform.python_version(), "rnnspec": rnnspec.__version__},
    }
    report: dict[str, Any] = {"machine": machine}
    context = multiprocessing.get_context("spawn")
    for subject in SUBJECTS if "all" in arguments.subjects else arguments.subjects:
        with context.Pool(1) as pool, console.status(f"measuring {subject}"):
            results, targets, versions = pool.apply(run, (subject, arguments.quick, arguments.threads))
        machine["versions"] |= versions
        report[subject] = [result.to_builtins() for result in results]
        console.print(*tables(subject, results, targets), sep="\n")
    console.print(f"{machine['cores']} cores, load {machine['load']:.1f} at the start;", end=" ")
    console.print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()), highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
