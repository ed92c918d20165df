"""Records that nobody's cell can have left are refused; those of a former version are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lab.fakes import fake_plan, fake_result
from neurovisionlab.core.costs import Costs
from neurovisionlab.core.errors import DataError, SpecError
from neurovisionlab.core.expand import expand
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.predictions import Predictions, check_predictions
from neurovisionlab.core.records import CellRecord, Failure
from neurovisionlab.data.audit import Audit
from neurovisionlab.lab.store import Plan

FORMER = json.loads((Path(__file__).parents[1] / "golden" / "former_run.json").read_text("utf-8"))
KINDS: dict[str, type[Frozen]] = {
    "study": Plan,
    "record": CellRecord,
    "costs": Costs,
    "audit": Audit,
}
FAILURE = {
    "cell_id": "digits-vit-tiny-s0-0123456789ab",
    "kind": "Killed",
    "message": "by the system",
    "traceback": "",
    "is_user_error": False,
    "failed_at": "2026-01-01T00:00:00+00:00",
}
HUGE = 10**400


def read(kind: str, document: Any) -> Frozen:
    model = Failure if kind == "failure" else KINDS[kind]
    return model.model_validate_json(json.dumps(document))


def changed(kind: str, path: str, value: Any) -> Any:
    """Return a document of the former run with one value replaced."""
    document = deepcopy(FAILURE if kind == "failure" else FORMER[kind])
    *inner, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = document
    for key in inner:
        place = place[key]
    place[last] = value
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_records_of_a_former_version_are_read(kind: str) -> None:
    found = read(kind, FORMER[kind])
    # costs and audits had no version then
    now = FORMER[kind] | ({"schema_version": 2} if kind in ("costs", "audit") else {})
    if kind == "record":
        now = _in_tables(now) | {"preprocessing": None}
    assert json.loads(found.model_dump_json()) == now
    assert read(kind, now) == found


def _in_tables(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of 0.1 with tables in the place of a field for each evaluation."""
    parts = {"train": "num_train", "val": "num_val", "test": "num_test"}
    scores = {part: record.pop(f"{part}_scores") for part in ("val", "test")}
    return record | {
        "num_images": {part: record.pop(field) for part, field in parts.items()},
        "scores": scores,
    }


ROW = FORMER["record"]["epochs"][0]
SCORES = FORMER["record"]["test_scores"]
REFUSED = [
    # ("what", "where", value)
    ("record", "epochs", []),
    ("record", "epochs", [ROW, ROW]),
    ("record", "epochs.0.epoch", -5),
    ("record", "epochs.0.epoch", 0),
    ("record", "epochs.0.epoch", 2),
    ("record", "epochs.0.epoch", HUGE),
    ("record", "epochs.0.train_loss", 1e300),
    ("record", "epochs.0.train_loss", "nan"),
    ("record", "epochs.0.train_accuracy_frac", 1.01),
    ("record", "epochs.0.val_accuracy_frac", -0.1),
    ("record", "epochs.0.train_s", -1),
    ("record", "epochs.0.eval_s", float("nan")),
    ("record", "tested_epoch", 2),
    ("record", "diverged_epoch", 7),
    ("record", "cell_id", "../../victim"),
    ("record", "cell_id", "digits-glyphnet-small-s0-000000000000"),
    ("record", "cell_id", "digits/glyphnet-small-s0-afc8fedcc08c"),
    ("record", "cell_id", "digits-glyphnet-small-s0-afc8fedcc08c\n"),
    ("record", "cell_id", "x" * 10_000),
    ("record", "cell_id", ""),
    ("record", "split_id", "../../victim"),
    ("record", "split_id", ""),
    ("record", "finished_at", "x"),
    ("record", "finished_at", "2026-01-01"),
    ("record", "finished_at", "2026-01-01T00:00:00"),
    ("record", "finished_at", "0001-01-01T00:00:00+14:00"),
    ("record", "finished_at", "9999-12-31T23:59:59-14:00"),
    ("record", "finished_at", "9" * 5000),
    ("record", "num_images", 5),
    ("record", "num_images", [1]),
    ("record", "num_images", {"elsewhere": 3}),
    ("record", "scores", 7),
    ("record", "preprocessing", {"image_px": 100_000, "channels": 1, "mean": [0.5], "std": [1.0]}),
    ("record", "preprocessing", {"image_px": 8, "channels": 3, "mean": [0.5], "std": [1.0]}),
    ("record", "preprocessing", {"image_px": 8, "channels": 1, "mean": [0.5] * 2, "std": [1.0]}),
    ("record", "num_test", -1),
    ("record", "num_test", 1),
    ("record", "num_train", HUGE),
    ("record", "status", "better"),
    ("record", "test_scores.accuracy_frac", 1.5),
    ("record", "test_scores.brier", -1),
    ("record", "test_scores.nll", float("inf")),
    ("record", "test_scores.num_images", 3),
    ("record", "test_scores.per_class", []),
    ("record", "test_scores.per_class", SCORES["per_class"][:3]),
    ("record", "test_scores.per_class.0.num_images", -1),
    ("record", "cell.data.class_names", []),
    ("record", "cell.data.class_names", ["a"] * 9),
    ("record", "cell.data.class_names", ["a" * 200_000] * 10),
    ("record", "cell.data.digest", "../../../../etc/x"),
    ("record", "cell.data.name", "a\x1b[2Jb"),
    ("record", "cell.data.name", "a\nb"),
    ("record", "cell.data.height_px", 0),
    ("record", "cell.data.channels", 0),
    ("record", "cell.data.num_images", {"train": -1}),
    ("record", "cell.data.num_images", {"../x": 1}),
    ("record", "cell.model", "vit\x07tiny"),
    ("record", "cell.model", ""),
    ("record", "cell.model", "x" * 100_000),
    ("record", "cell.seed", -1),
    ("record", "cell.fold", 99),
    ("record", "cell.protocol.image_px", "native"),
    ("record", "cell.protocol.color", "native"),
    ("record", "cell.protocol.learning_rate", 1e-3 + 1),  # another cell than its id says
    ("record", "resources.num_parameters", -1),
    ("record", "resources.train_time_s", 1e300),
    ("record", "resources.contention_frac", 2),
    ("record", "resources.clocks.wall_s", -1),
    ("record", "machine.num_cores", -1),
    ("record", "machine.memory_mib", HUGE),
    ("record", "machine.versions", {str(n): "" for n in range(2000)}),
    ("record", "execution", {"memory_format": "channels_last", "compile_s": -1}),
    ("study", "study.vary", {"seeds": [1]}),
    ("study", "study.vary", {"learning_rate": [0.1] * 200_000}),
    ("study", "study.vary", {k: [i / 1e3 for i in range(1, 99)] for k in ("val_frac", "dropout")}),
    ("study", "study.vary", {"mean": [[0.5] * 1000] * 300, "std": [[0.5] * 1000] * 300}),
    ("study", "study.datasets", ["digits", "x\x1b]0;title\x07"]),
    ("study", "study.models", ["vit-tiny\u2028"]),
    ("study", "study.name", "../../x"),
    ("study", "infos.0.1.digest", "x"),
    ("study", "infos.0.1.class_names", []),
    ("costs", "num_parameters", -1),
    ("costs", "latency_p50_ms", -1),
    ("costs", "macs", HUGE),
    ("costs", "throughput_by_batch", {"-1": 3.0}),
    ("costs", "best_batch", 0),
    ("costs", "conditions.windows", {"lunch": FORMER["costs"]["conditions"]["windows"]["speed"]}),
    ("costs", "conditions.windows.speed.contention_frac", -0.5),
    ("costs", "conditions.measured_at", "yesterday"),
    ("costs", "spec.model", "x\ny"),
    ("costs", "spec.num_classes", 0),
    ("audit", "digest", "../x"),
    ("audit", "num_constant", -1),
    ("audit", "parts.0.part", "train\x1b"),
    ("audit", "parts.0.num_images", HUGE),
    ("audit", "parts.0.imbalance_ratio", -1),
    ("audit", "exact.num_within", {"lunch": 1}),
    ("audit", "exact.num_across", {"train": 1}),
    ("audit", "exact.num_across", {"a/b/c": 1}),
    ("audit", "near.num_other_label", -1),
    ("audit", "near.examples", [[-1, 2]]),
    ("failure", "cell_id", "../x"),
    ("failure", "failed_at", "x"),
]


@pytest.mark.parametrize(("kind", "path", "value"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_no_cell_can_leave_is_refused(kind: str, path: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        read(kind, changed(kind, path, value))


def test_a_failure_of_any_length_can_be_written_down() -> None:
    told = Failure(**FAILURE | {"message": "x" * 10**6 + "end"})
    assert len(told.message) < 200_000
    assert told.message.endswith("end")
    assert Failure.model_validate_json(told.model_dump_json()) == told


def _leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list) and len(path) < 5:
            yield from _leaves(value, (*path, key))


ODD = (None, -1, HUGE, 1e308, "", "x\x1b[31m", [], {}, True, "../..", [[[]]], {"a": {"b": 1}})


@pytest.mark.parametrize("kind", KINDS)
def test_odd_values_anywhere_are_a_clear_refusal_or_none(kind: str) -> None:
    num_refused = 0
    for path in _leaves(FORMER[kind]):
        for value in ODD:
            document = changed(kind, ".".join(map(str, path)), value)
            try:
                read(kind, document)
            except ValidationError:
                num_refused += 1
    assert num_refused > 100


def test_a_study_of_which_nothing_is_known_has_no_cells() -> None:
    plan = fake_plan()
    with pytest.raises(SpecError, match="nvl run"):
        expand(plan.study, {})


def test_a_data_set_may_have_another_name_than_when_a_cell_ran() -> None:
    record = fake_result(fake_plan().cells()[0]).record
    other = record.cell.data.changed(name="folder:elsewhere")
    renamed = record.changed(cell=record.cell.changed(data=other))
    assert renamed.cell_id != renamed.cell.cell_id


def test_stored_predictions_must_be_those_of_the_record() -> None:
    made = fake_result(fake_plan().cells()[0])
    record, told = made.record, made.predictions["test"]
    check_predictions(record, "test", told)
    logits, labels, indices = told.logits_NC, told.labels_N, told.indices_N
    broken = logits.copy()
    broken[0, 0] = np.nan
    wrong = {
        "shape": Predictions(logits[:, :2], labels, indices),
        "fewer": Predictions(logits[:5], labels[:5], indices[:5]),
        "lengths": Predictions(logits, labels[:5], indices),
        "dimensions": Predictions(logits[..., None], labels, indices),
        "a number": Predictions(logits, np.int64(3), indices),  # type: ignore[arg-type]
        "type of logits": Predictions(logits.astype(np.float64), labels, indices),  # type: ignore[arg-type]
        "type of labels": Predictions(logits, labels.astype(np.float32), indices),  # type: ignore[arg-type]
        "text": Predictions(logits, labels.astype("U3"), indices),  # type: ignore[arg-type]
        "label": Predictions(logits, labels + 1, indices),
        "negative label": Predictions(logits, labels - 1, indices),
        "index": Predictions(logits, labels, indices + 10**6),
        "negative index": Predictions(logits, labels, indices - 10**6),
        "twice": Predictions(logits, labels, np.zeros_like(indices)),
        "not finite": Predictions(broken, labels, indices),
    }
    for name, given in wrong.items():
        with pytest.raises(DataError, match="expected"):
            check_predictions(record, "test", given)
        assert name
