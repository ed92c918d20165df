"""One place per word: device names, the network, the time."""

from __future__ import annotations

import ast
import re

import pytest

from house.source import PACKAGE, imports, modules

NETWORK = {"urllib", "http", "requests", "socket", "httpx", "aiohttp", "ftplib", "ssl", "urllib3"}
# names from the network's modules that touch no network
HARMLESS = {"urllib.parse"}
# file: why it may use the network
NETWORK_FILES = {"data/fetch.py": "downloads the published sets"}

CLOCKS = {
    "time": {"time", "perf_counter", "monotonic", "process_time", "thread_time", "clock_gettime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
# file: why it may read the time
CLOCK_FILES = {"learn/clock.py": "the stopwatches"}


def test_only_one_file_says_cuda() -> None:
    saying = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".toml", ".j2"}
        and re.search("cuda", path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert saying == {"learn/device.py"}


def _network_imports(tree: ast.AST) -> set[str]:
    return {
        name
        for name in imports(tree)
        if name.split(".")[0] in NETWORK
        and not any(f"{name}.".startswith(f"{fine}.") for fine in HARMLESS)
    }


def test_the_network_is_used_in_one_place() -> None:
    using = {file: found for file, tree in modules().items() if (found := _network_imports(tree))}
    assert using.keys() <= NETWORK_FILES.keys(), using


def _clock_readings(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            word = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.attr in CLOCKS.get(word, set()):
                found.add(f"{word}.{node.attr}")
    return found | {name for name in imports(tree) if _is_clock(name)}


def _is_clock(name: str) -> bool:
    module, _, member = name.rpartition(".")
    return module == "time" and member in CLOCKS["time"]


def test_the_time_is_read_in_one_place() -> None:
    reading = {file: found for file, tree in modules().items() if (found := _clock_readings(tree))}
    assert reading.keys() <= CLOCK_FILES.keys(), reading
    assert "time.perf_counter" in reading["learn/clock.py"]  # the test can see one


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import time\ntime.sleep(1)", set()),
        ("import time\ntime.time()", {"time.time"}),
        ("from time import monotonic", {"time.monotonic"}),
        ("import datetime\ndatetime.datetime.now()", {"datetime.now"}),
    ],
)
def test_readings_of_the_time_are_seen(code: str, expected: set[str]) -> None:
    assert _clock_readings(ast.parse(code)) == expected


def test_nothing_is_called_utils() -> None:
    vague = {"utils", "helpers", "misc", "common", "util"}
    assert not [file for file in modules() if set(re.split(r"[/.]", file)) & vague]


def test_no_path_of_one_machine_is_in_the_source() -> None:
    for path in (*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml"), *PACKAGE.rglob("*.j2")):
        found = re.findall(r"/(?:work|tmp|root|home/(?!ann/))\w*", path.read_text(encoding="utf-8"))
        assert not found, (path, found)


def _printing(tree: ast.AST) -> set[str]:
    """Return calls that print, other than by way of `out.neutral`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("print", "Console", "typer.echo", "typer.secho", "click.echo") or (
                name in ("sys.stdout.write", "sys.stderr.write")
            ):
                found.add(name)
    return found


def test_commands_print_in_one_place() -> None:
    printing = {file: found for file, tree in modules().items() if (found := _printing(tree))}
    # cli/run_commands.py: bytes of CSV, in whose cells nothing is obeyed
    assert printing == {"out/neutral.py": {"typer.echo"}, "cli/run_commands.py": {"typer.echo"}}
