"""Settings of cells from the environment, validated without torch."""

from __future__ import annotations

import os
import re

from neurovisionlab.core.errors import ResourceError, mould

_MOST_THREADS = 1024  # OpenMP crashes with several thousand


def num_threads() -> int:
    """Return the CPU threads of a cell: NVL_THREADS, by default one per core.

    Raises:
        ResourceError: NVL_THREADS is not a valid number.
    """
    wish = os.environ.get("NVL_THREADS")
    if wish is None:
        return num_cores()
    most = max(_MOST_THREADS, num_cores())
    if not re.fullmatch("[0-9]{1,9}", wish) or not 1 <= int(wish) <= most:
        expected = f"a whole number of at least 1, at most {most:,}"
        raise ResourceError(mould("NVL_THREADS", expected, repr(wish[:50]), str(num_cores())))
    return int(wish)


def check_limit_s() -> float:
    """Return the seconds without a message after which a check ends: NVL_CHECK_S, by default 120.

    Raises:
        ResourceError: NVL_CHECK_S is not a valid number.
    """
    wish = os.environ.get("NVL_CHECK_S", "120")
    if not re.fullmatch("[0-9]{1,6}", wish) or int(wish) < 1:
        expected = "a whole number of seconds, at least 1"
        raise ResourceError(mould("NVL_CHECK_S", expected, repr(wish[:50]), "600"))
    return float(wish)


def num_cores() -> int:
    """Return the number of cores available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wants_compiling() -> bool:
    """Return whether NVL_COMPILE requests a trial of torch.compile.

    Raises:
        ResourceError: NVL_COMPILE is neither 0 nor 1.
    """
    return _is_set("NVL_COMPILE")


def wants_trials() -> bool:
    """Return whether NVL_TRY_FORMATS asks for both memory formats to be tried.

    Raises:
        ResourceError: it is neither 0 nor 1.
    """
    return _is_set("NVL_TRY_FORMATS")


def _is_set(name: str) -> bool:
    wish = os.environ.get(name, "0")
    if wish not in ("0", "1"):
        raise ResourceError(mould(name, "0 or 1", repr(wish[:50]), "1"))
    return wish == "1"
