"""Queries about models in separate processes, so that crashing model code ends only its process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurovisionlab.core.errors import ModelError, mould
from neurovisionlab.core.model_names import is_of_main
from neurovisionlab.lab.executors import Done, Failed, Work, local
from neurovisionlab.learn.settings import check_limit_s

_DEATHS = ("Killed", "Stopped", "Crashed", "Exited")


def asked(question: Work, subject: Any, name: str, preload: Sequence[str]) -> Any:
    """Return the result of `question(subject, say)`, run in a separate process.

    Args:
        question: function to run.
        subject: its argument.
        name: name of the model, for messages.
        preload: modules that the fork server imports.

    Raises:
        ModelError: the model was refused, crashed, ended its process, or exceeded the time limit.
        RuntimeError: a bug, with the traceback from the process.
    """
    limit_s = check_limit_s()
    execute = local(preload, with_main=is_of_main(name), limit_s=limit_s)
    for _, outcome in execute([subject], question):
        if isinstance(outcome, Done):
            return outcome.result
        if isinstance(outcome, Failed):
            raise _explained(name, outcome, limit_s)
    raise AssertionError("an executor ends each cell with Done or Failed")


def _explained(name: str, failed: Failed, limit_s: float) -> Exception:
    if failed.is_user_error:
        return ModelError(failed.message)
    if failed.kind == "TimedOut":
        expected, remedy = f"an answer within {limit_s:g} s", "to mend it, or NVL_CHECK_S=600"
        return ModelError(mould(name, expected, "none", remedy))
    if failed.kind in _DEATHS:
        remedy = "to mend it, or another model (`nvl models`)"
        return ModelError(mould(name, "a model that answers", failed.message, remedy))
    return RuntimeError(failed.trace)
