"""Functions stay small: measured, docstrings left out."""

from __future__ import annotations

from house.source import Function, functions

LONGEST = 60
USUAL = 30
MOST_PARAMETERS = 5

# "file.py:name": why it is longer than 60 lines
LONG: dict[str, str] = {}
# "file.py:name": why it takes more than five parameters
MANY_PARAMETERS: dict[str, str] = {
    "cli/run_commands.py:run": "a command's options are its parameters",
    "cli/data_commands.py:audit": "a command's options are its parameters",
    "cli/evaluate_command.py:evaluate": "a command's options are its parameters",
    "cli/measure_command.py:measure": "a command's options are its parameters",
}


def _has_docstring(function: Function) -> bool:
    first = function.body[0]
    value = getattr(getattr(first, "value", None), "value", None)
    return isinstance(value, str)


def _num_lines(function: Function) -> int:
    """Return the lines of a function, from `def` to its end, without its docstring."""
    assert function.end_lineno is not None
    total = function.end_lineno - function.lineno + 1
    if not _has_docstring(function):
        return total
    docstring = function.body[0]
    assert docstring.end_lineno is not None
    return total - (docstring.end_lineno - docstring.lineno + 1)


def _num_parameters(function: Function) -> int:
    given = function.args
    names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_no_function_is_long() -> None:
    long = {name: n for name, f in functions() if (n := _num_lines(f)) > LONGEST}
    assert long.keys() == LONG.keys(), long


def test_nine_functions_in_ten_are_short() -> None:
    lengths = sorted(_num_lines(function) for _, function in functions())
    assert len(lengths) > 200  # the whole package was seen
    assert lengths[int(0.9 * len(lengths))] <= USUAL


def test_functions_take_few_parameters() -> None:
    many = {name: n for name, f in functions() if (n := _num_parameters(f)) > MOST_PARAMETERS}
    assert many.keys() == MANY_PARAMETERS.keys(), many


def test_every_public_function_says_what_it_does() -> None:
    silent = [
        name
        for name, function in functions()
        if not any(part.startswith("_") for part in name.split(":")[1].split("."))
        and "." not in name.split(":")[1]
        and not _has_docstring(function)
    ]
    assert silent == []
