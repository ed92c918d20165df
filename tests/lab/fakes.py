"""Cells, plans and results made up in milliseconds, and real cells on tiny images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurovisionlab.core.costs import Conditions, Costs, Window, cost_spec
from neurovisionlab.core.evaluations import Evaluation, EvaluationResult, EvaluationSpec
from neurovisionlab.core.metrics import score
from neurovisionlab.core.predictions import CellResult, Predictions, SplitIndices
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.records import (
    EVALUATED,
    CellRecord,
    Clocks,
    EpochRow,
    Machine,
    ResourceUse,
)
from neurovisionlab.core.spec import CellSpec, DataInfo, Study
from neurovisionlab.core.statements import state
from neurovisionlab.data.home import DataHome
from neurovisionlab.lab.plan import Plan, make_plan

# the smallest file of weights: a head of two bytes, which names no tensor
WEIGHTS = (2).to_bytes(8, "little") + b"{}"
HOSTILE_NAMES = ("<script>alert(1)</script>", "a&b_%$\"'", "Щітка", "き")


def fake_plan(class_names: tuple[str, ...] = ("a", "b", "c"), **study: Any) -> Plan:
    """Return a plan over a data set that exists nowhere; `study` overrides its fields."""
    fields: dict[str, Any] = {
        "name": "fake",
        "datasets": ("digits",),
        "models": ("resnet18",),
        "seeds": (0, 1),
    }
    wanted = Study(**(fields | study))
    infos = []
    for number, (name, refs) in enumerate(wanted.data_refs().items()):
        info = DataInfo(
            name=name,
            digest=f"{number:064x}",
            height_px=16,
            width_px=16,
            channels=1,
            class_names=class_names,
            num_images={"train": 30, "test": 12},
            source="made up",
            licence="none",
        )
        infos += [(ref, info) for ref in dict.fromkeys(refs)]
    return Plan(study=wanted, infos=tuple(infos))


def fake_machine() -> Machine:
    """Return a machine that nobody owns."""
    return Machine(
        device="cpu",
        cpu=None,
        num_cores=2,
        num_threads=1,
        memory_mib=2048,
        os="an-os",
        python="3.11",
        versions={"torch": "0"},
    )


def fake_predictions(cell: CellSpec, part: str, skill: float) -> Predictions:
    """Return logits that are right more often the larger `skill` is."""
    rng = np.random.default_rng([cell.seed, len(part)])
    total = sum(cell.data.num_images.values())
    num = min(12, total)
    labels_N = np.arange(num, dtype=np.int64) % cell.num_classes
    logits_NC = rng.normal(size=(num, cell.num_classes)).astype(np.float32)
    logits_NC[np.arange(num), labels_N] += np.float32(skill)
    first = {"val": 18, "test": 30}[part]
    return Predictions(logits_NC, labels_N, np.arange(first, first + num, dtype=np.int64) % total)


def fake_result(
    cell: CellSpec, skill: float = 2.0, diverged: bool = False, weights: bytes | None = WEIGHTS
) -> CellResult:
    """Return what a finished cell would have left."""
    told = {} if diverged else {p: fake_predictions(cell, p, skill) for p in ("val", "test")}
    scores = {part: score(p.logits_NC, p.labels_N) for part, p in told.items()}
    row = EpochRow(
        epoch=1,
        learning_rate=0.001,
        train_loss=None if diverged else 1.0,
        train_accuracy_frac=0.5,
        val_loss=1.0,
        val_accuracy_frac=0.5,
        train_s=1.5,
        eval_s=0.5,
    )
    num_images = sum(cell.data.num_images.values())
    record = CellRecord(
        cell_id=cell.cell_id,
        cell=cell,
        status="diverged" if diverged else "done",
        epochs=(row,),
        diverged_epoch=1 if diverged else None,
        tested_epoch=None if diverged else 1,
        split_id="0123456789abcdef",
        num_images={"train": 18} | dict.fromkeys(EVALUATED, min(12, num_images)),
        scores=scores,
        resources=ResourceUse(
            num_parameters=1234567,
            weights_mib=4.5,
            train_time_s=1.5 + cell.seed,
            train_images_per_s=12.0,
            clocks=Clocks(training_s=1.5, wall_s=2.0),
        ),
        machine=fake_machine(),
        finished_at="2026-01-01T00:00:00+00:00",
    )
    split = SplitIndices.of(*(np.arange(a, b, dtype=np.int64) for a, b in _SIDES))
    return CellResult(record, split, told, None if diverged else weights)


def fake_costs(cell: Any, contention: float = 0.0, **fields: Any) -> Costs:
    """Return costs that nobody measured; `fields` override them."""
    window = Window(
        window_s=1, contention_frac=contention, num_warm_up=1, num_repeats=5, spread_frac=0
    )
    warnings = ("speed: other processes took 40% of the processors",) if contention else ()
    settings: dict[str, Any] = {
        "num_parameters": 1000,
        "weights_mib": 4.0,
        "macs": 2_000_000,
        "train_images_per_s": 9.0,
        "train_peak_mib": 100.0,
        "infer_peak_mib": 10.0,
        "latency_p50_ms": 2.0,
        "latency_p99_ms": 3.0,
        "throughput_images_per_s": 500.0,
        "energy_note": "not measurable: nobody counts",
    }
    return Costs(
        spec=cost_spec(cell),
        **(settings | fields),
        conditions=Conditions(
            machine=fake_machine(),
            windows={"speed": window},
            training_batch=64,
            memory_method="a ruler",
            warnings=warnings,
            measured_at="2026-01-01T00:00:00+00:00",
        ),
    )


_SIDES = ((0, 18), (18, 30), (30, 42))


def tiny_cells(
    folder: Path, models: tuple[str, ...] = ("vit-tiny",), **protocol: Any
) -> tuple[tuple[CellSpec, ...], DataHome]:
    """Return real cells on the .npz images in `folder`, and where data lie."""
    settings: dict[str, Any] = {"image_px": 16, "epochs": 2, "batch_size": 16}
    study = Study(
        name="tiny",
        datasets=(f"npz:{folder}",),
        models=models,
        protocol=Protocol(**(settings | protocol)),
    )
    home = DataHome.find(folder)
    return make_plan(study, home).cells(), home


def asked_of_its_own(record: CellRecord) -> EvaluationSpec:
    """Return a question about all images of a cell's own data set."""
    moment = record.finished_at
    return EvaluationSpec(
        cell_id=record.cell_id, trained_at=moment, data=record.cell.data, part="all"
    )


def answered(
    spec: EvaluationSpec, right_frac: float = 0.75, num: int = 40, num_classes: int = 3
) -> EvaluationResult:
    """Return what a model that is right so often would have answered about the first images."""
    labels_N = np.arange(num, dtype=np.int64) % num_classes
    answered_N = np.where(np.arange(num) < right_frac * num, labels_N, (labels_N + 1) % num_classes)
    logits_NC = np.eye(num_classes, dtype=np.float32)[answered_N]
    predictions = Predictions(logits_NC, labels_N, np.arange(num, dtype=np.int64))
    evaluation = Evaluation(
        spec=spec,
        labels=tuple("abc"),
        num_left_out=2,
        scores=score(logits_NC, labels_N),
        notes=(state("evaluations.to_grey"),),
        machine=fake_machine(),
        evaluated_at="2026-01-01T00:00:00+00:00",
    )
    return EvaluationResult(evaluation, predictions)
