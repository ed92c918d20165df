"""Processes wherever one starts them: from pipes, without a guard, beside odd folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import workers
from neurovisionlab.core.errors import ResourceError
from neurovisionlab.lab import processes
from neurovisionlab.lab.executors import Done, local

TESTS = str(Path(__file__).parents[1])
SRC = str(Path(processes.__file__).parents[2])
RUN_CELLS = """
from lab import workers
from neurovisionlab.lab.executors import local
print(len({outcome.result for _, outcome in local()([2, 3], workers.process_of)}), "done")
"""


def _python(*words: str, code: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package and the tests' workers on its path."""
    return subprocess.run(
        [sys.executable, *words],
        input=code,
        env=os.environ | {"PYTHONPATH": f"{SRC}:{TESTS}"} | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("print('top')" + RUN_CELLS)
    done = _python(str(script))
    assert (done.stdout, done.stderr) == ("top\n2 done\n", "")


@pytest.mark.parametrize("words", [("-",), ("-i",)])
def test_a_script_from_a_pipe_and_a_session_run(words: tuple[str, ...]) -> None:
    done = _python(*words, code=RUN_CELLS)
    assert "2 done" in done.stdout
    assert "Error" not in done.stderr


def test_a_script_given_as_text_runs() -> None:
    assert _python("-c", RUN_CELLS).stdout == "2 done\n"


OWN_WORK = """
from neurovisionlab.lab.executors import local

def work(cell, say):
    return cell + 1

{guard}
    print([outcome.result for _, outcome in local()([1], work)])
"""


def test_work_of_the_main_program_itself_runs_under_a_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(OWN_WORK.format(guard='if __name__ == "__main__":'))
    done = _python(str(script))
    assert (done.stdout, done.stderr) == ("[2]\n", "")


def test_work_of_the_main_program_itself_asks_for_a_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(OWN_WORK.format(guard="if True:"))
    done = _python(str(script))
    assert 'expected work under `if __name__ == "__main__":`' in done.stderr


@pytest.mark.parametrize("length", [60, 90, 120, 200])
def test_a_long_name_of_the_temporary_folder_is_no_obstacle(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - 1))
    folder.mkdir()
    done = _python("-c", RUN_CELLS, TMPDIR=str(folder))
    assert (done.stdout, done.stderr) == ("2 done\n", "")
    assert list(folder.iterdir()) == []  # nothing is left behind


def test_no_folder_short_enough_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(processes.tempfile, "tempdir", str(long))
    monkeypatch.setattr(processes, "_SHORT_FOLDERS", (str(tmp_path / "none"),))
    with pytest.raises(ResourceError, match="TMPDIR: expected a folder one can write to, of at"):
        processes._choose_a_folder_for_the_socket()
    assert processes.tempfile.tempdir == str(long)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_held_open_for_processes(tmp_path: Path, closed: str) -> None:
    script = tmp_path / "script.py"
    kept = tmp_path / "kept.txt"
    script.write_text(
        f"import sys\nsys.stdout = open({str(kept)!r}, 'w')\n{RUN_CELLS}\nsys.stdout.close()\n"
    )
    subprocess.run(
        ["sh", "-c", f'"{sys.executable}" "{script}" {closed}'],
        env=os.environ | {"PYTHONPATH": f"{SRC}:{TESTS}"},
        timeout=120,
        check=True,
        capture_output=True,
    )
    assert kept.read_text() == "2 done\n"


def test_held_streams_are_nothing_and_open_ones_stay() -> None:
    code = (
        "import os; os.close(0); os.close(2)\n"
        "from neurovisionlab.lab.processes import hold_standard_streams as hold\n"
        "hold(); hold()\n"
        "print([os.readlink(f'/proc/self/fd/{n}') == os.devnull for n in range(3)])"
    )
    assert _python("-c", code).stdout == "[True, False, True]\n"


ENDS_WHILE_A_CHILD_TALKS = """
from lab import workers
from neurovisionlab.lab.executors import local
outcomes = local()([1], workers.chatter_much)
print(len(next(outcomes)[1].content), flush=True)
raise RuntimeError("the listener's own bug")
"""


def test_a_listener_that_fails_does_not_wait_for_the_child_at_its_end() -> None:
    done = _python("-c", ENDS_WHILE_A_CHILD_TALKS)  # hung for ever: the pipe was full
    assert done.stdout == "100000\n"
    assert "the listener's own bug" in done.stderr


def test_too_few_files_are_one_clear_error() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))" + RUN_CELLS
    done = _python("-c", "from lab import workers\nimport neurovisionlab.lab.executors\n" + code)
    assert "processes: expected to start one for each cell, got" in done.stderr
    assert "ulimit -n" in done.stderr


def test_this_process_keeps_its_main_program() -> None:
    before = sys.modules["__main__"]
    assert list(local()([1], workers.count_here)) == [(1, Done(1))]
    assert sys.modules["__main__"] is before
