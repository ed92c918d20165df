"""A finished cell's model asked about other images than its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from neurovisionlab.core.errors import DataError, ModelError, mould
from neurovisionlab.core.evaluations import Evaluation, EvaluationResult, Question
from neurovisionlab.core.metrics import score
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.core.records import CellRecord, Preprocessing
from neurovisionlab.core.spec import DataInfo
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.images import ImageSet
from neurovisionlab.data.shared_labels import SharedLabels, shared_labels
from neurovisionlab.data.sources import load
from neurovisionlab.learn.clock import now_iso
from neurovisionlab.learn.device import describe_machine, memory_errors_explained
from neurovisionlab.learn.restore import restore


def evaluate(question: Question, say: Callable[[object], None], home: DataHome) -> EvaluationResult:
    """Ask a finished cell's model about a set.

    Args:
        question: what is asked.
        say: not used; work of an executor is given it.
        home: where data sets lie.

    Raises:
        NvlError: the cell cannot come back (`restore`), the images changed, or none has a label
            that the model knows.
    """
    spec, record = question.spec, question.record
    images = load(question.ref, home)
    if images.digest != spec.data.digest:
        got = f"{images.digest[:12]}: they changed meanwhile"
        expected = f"the images of digest {spec.data.digest[:12]}"
        raise DataError(mould(spec.data.name, expected, got, "it again"))
    shared = shared_labels(spec.data.name, images.class_names, record.cell.data.class_names)
    part_N = asked_indices(images, spec.part)
    indices_N = part_N[shared.table_C[images.labels_N[part_N]] >= 0]
    if not len(indices_N):
        expected = f"images of {', '.join(shared.names[:8])} in the {spec.part} part"
        there = [part for part, num in spec.data.num_images.items() if num]
        remedy = " or ".join(f"--part {part}" for part in there if part != spec.part)
        raise DataError(mould(spec.data.name, expected, "none", remedy or "another set"))
    restored = restore(record, question.weights)
    with memory_errors_explained(restored.device, record.cell_id):
        logits_NC = restored.logits(images.images_NHWC[indices_N])
    if not np.isfinite(logits_NC).all():
        got, remedy = "NaN or infinity", "another cell, or precision fp32"
        raise ModelError(mould(record.cell_id, "finite answers", got, remedy))
    predictions = Predictions(logits_NC, shared.table_C[images.labels_N[indices_N]], indices_N)
    evaluation = Evaluation(
        spec=spec,
        labels=tuple(dict.fromkeys(shared.names)),
        num_left_out=len(part_N) - len(indices_N),
        scores=score(predictions.logits_NC, predictions.labels_N),
        notes=tuple(matching_notes(images.info(), record, shared, spec.part)),
        machine=describe_machine(restored.device),
        evaluated_at=now_iso(),
    )
    return EvaluationResult(evaluation, predictions)


def asked_indices(images: ImageSet, part: str) -> NDArray[np.int64]:
    """Return the indices of a part of a set, of all its images for "all"."""
    if part == "all":
        return np.arange(len(images.labels_N), dtype=np.int64)
    return images.part(part)


def matching_notes(
    info: DataInfo, record: CellRecord, shared: SharedLabels, part: str
) -> Iterator[Statement]:
    """Yield how labels, sizes and colours of a set are brought to what the model knows."""
    own = record.cell.data
    if part != "test" and (info.digest == own.digest or info.name == own.name):
        yield state("evaluations.own_images")
    known = len(own.class_names)
    num_shared = len(dict.fromkeys(shared.names))
    if num_shared < len(info.class_names) or num_shared < known:
        counts = {"num_of_set": len(info.class_names), "num_of_model": known}
        yield state("evaluations.some_labels", num_shared=num_shared, **counts)
    if shared.respelt:
        more = ("…",) if len(shared.respelt) > 3 else ()
        yield state("evaluations.respelt", names=(*shared.respelt[:3], *more))
    preprocessing: Preprocessing | None = record.preprocessing
    if preprocessing is None:
        return
    side = preprocessing.image_px
    if (info.width_px, info.height_px) != (side, side):
        size = {"width_px": info.width_px, "height_px": info.height_px}
        yield state("evaluations.resized", side_px=side, **size)
    if info.channels > preprocessing.channels:
        yield state("evaluations.to_grey")
    elif info.channels < preprocessing.channels:
        yield state("evaluations.to_colour")
