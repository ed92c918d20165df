"""Costs of a model, measured on random images; the caller runs each part in its own process.

`lab.measurements` runs `measure_part` in fresh processes. Times are medians over rounds; each part
records its conditions. Nothing here depends on trained weights.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurovisionlab.core.costs import CostSpec, Measurements, PartResult, Request, Window
from neurovisionlab.data.augment import AUGMENTATIONS, no_augmentation
from neurovisionlab.data.batches import Batches, Scaling, stage
from neurovisionlab.learn.clock import Contention, Stopwatches, Timer
from neurovisionlab.learn.device import (
    Chance,
    Device,
    DoesNotFitError,
    choose,
    describe_machine,
    is_out_of_memory,
    memory_errors_explained,
    seed_everything,
)
from neurovisionlab.learn.memory import PeakMemory
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.pace import put_into_usual_form
from neurovisionlab.learn.rehearsal import Checked, step_explained
from neurovisionlab.learn.sensors import EnergyCounter, Gpu, energy_counter
from neurovisionlab.learn.state import Trainer, make_movers, new_sums
from neurovisionlab.learn.survey import num_macs
from neurovisionlab.learn.train import run_epoch
from neurovisionlab.learn.zoo import build, check_unchanged, num_parameters, weights_mib

ROUNDS = 5
WARM_UP_STEPS = 3
MIN_LATENCIES, MAX_LATENCIES = 50, 2000
BATCHES = (32, 64, 128, 256, 512)


def measure_part(request: Request, say: Callable[[Any], None] = lambda sign: None) -> PartResult:
    """Measure one part of a model's costs in this process, which must be fresh.

    Raises:
        ModelError: the model cannot be built, or changed since the study was expanded.
    """
    spec = request.spec
    protocol = spec.protocol
    check_unchanged(spec.model, spec.model_digest, protocol.pretrained)
    device = choose(protocol.precision, protocol.deterministic)
    uuid = device.uuid()
    gpu = Gpu.find(uuid) if uuid else None
    seed_everything(0)
    measure = {
        "training": _training,
        "inference memory": _inference_memory,
        "speed": _speed,
    }[request.part]
    measured, window, limit_mib = Measurements(), None, None
    try:
        with memory_errors_explained(device, f"{request.spec.model}, {request.part}"):
            measured, window = measure(request, device, gpu)
    except DoesNotFitError as error:
        limit_mib = error.limit_mib
    return PartResult(
        measured=measured,
        window=window,
        machine=describe_machine(device),
        driver=gpu.driver() if gpu else None,
        does_not_fit_mib=limit_mib,
    )


def _model(spec: CostSpec, device: Device) -> nn.Module:
    shape = ModelShape(spec.image_px, spec.channels, spec.num_classes)
    model = build(spec.model, shape, spec.protocol)
    return model.to(device.torch_device).to(memory_format=torch.channels_last)


# training


def _training(request: Request, device: Device, gpu: Gpu | None) -> tuple[Measurements, Window]:
    """Measure peak memory of a few training steps, then the speed of many, batches included."""
    spec = request.spec
    memory = PeakMemory(device, gpu)
    model = _model(spec, device)
    put_into_usual_form(model, device)
    memory.reset()
    num = spec.protocol.batch_size
    remedy = "--batch 2 or more, or protocol.batch_size = 2" if num == 1 else None
    with step_explained(spec.model, num, remedy):
        steps = _Steps(model, spec, device)
        steps.warm_up(WARM_UP_STEPS)
    peak = memory.read()
    step_s = steps.run(2) / 2
    per_round = max(1, round(request.seconds / ROUNDS / step_s))
    contention, timer = Contention(), Timer()
    seconds = [steps.run(per_round) for _ in range(ROUNDS)]
    images = per_round * spec.protocol.batch_size
    measured = Measurements(
        train_images_per_s=images / statistics.median(seconds),
        train_peak_mib=peak.peak_mib,
        train_reserved_mib=peak.reserved_mib,
        train_process_mib=peak.process_mib,
        memory_method=memory.method,
    )
    window = _window(contention, timer, (WARM_UP_STEPS + 2, per_round * ROUNDS), seconds)
    return measured, window


class _Steps:
    """Training steps on random images, timed like those of a cell."""

    def __init__(self, model: nn.Module, spec: CostSpec, device: Device) -> None:
        self._model, self._spec, self._device = model, spec, device
        self._clocks = Stopwatches(device.synchronize)
        # a learning rate near zero: with random labels a high one would diverge; the cost is the
        # same
        calm = spec.protocol.model_copy(update={"schedule": "constant", "learning_rate": 1e-12})
        self._trainer = Trainer(calm, device, seed_everything(0), self._clocks)
        self._movers = make_movers(model, self._trainer, steps=1)

    def warm_up(self, num_steps: int) -> None:
        """Run steps that validate the model's logits."""
        model = Checked(self._model, self._spec.model, self._spec.num_classes)
        batches = _random_batches(self._spec, num_steps, self._device, self._trainer.chance)
        sums = new_sums(self._device)
        for _ in run_epoch(model, batches, self._trainer, self._movers, sums):
            pass

    def run(self, num_steps: int) -> float:
        """Run steps; return their seconds."""
        batches = _random_batches(self._spec, num_steps, self._device, self._trainer.chance)
        sums = new_sums(self._device)
        before_s = self._clocks.seconds("training")
        for _ in run_epoch(self._model, batches, self._trainer, self._movers, sums):
            pass
        return self._clocks.seconds("training") - before_s


# this many distinct batches suffice: the cost of a step does not depend on repetition
_MOST_BATCHES_HELD = 8


def _random_batches(
    spec: CostSpec, num: int, device: Device, chance: Chance
) -> Iterator[tuple[Tensor, Tensor]]:
    protocol, rng = spec.protocol, np.random.default_rng(0)
    held = protocol.batch_size * min(num, _MOST_BATCHES_HELD)
    shape = (held, spec.source_px, spec.source_px, spec.channels)
    images_NHWC = rng.integers(0, 256, shape, dtype=np.uint8)
    labels_N = rng.integers(0, spec.num_classes, held)
    batches = Batches(
        staged=stage(images_NHWC, labels_N, to_grey=False, device=device.torch_device),
        batch_size=protocol.batch_size,
        image_px=spec.image_px,
        channels=spec.channels,
        scaling=Scaling((0.5,), (0.25,) if protocol.scaling == "standardize" else (1.0,)),
        augment=AUGMENTATIONS.get(protocol.augmentation, no_augmentation),
    )
    return _repeated(batches, num, chance)


def _repeated(batches: Batches, num: int, chance: Chance) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield `num` batches, going through the images again and again."""
    while num > 0:
        for batch in itertools.islice(batches.shuffled(chance.order, chance.noise), num):
            yield batch
            num -= 1


# inference


def _inference_memory(
    request: Request, device: Device, gpu: Gpu | None
) -> tuple[Measurements, Window]:
    """Measure peak memory of weights and one image: no gradients, optimiser or data set."""
    memory = PeakMemory(device, gpu)
    model = _model(request.spec, device).eval()
    memory.reset()
    contention, timer = Contention(), Timer()
    answer = _Answer(model, request.spec, device)
    for _ in range(ROUNDS):
        answer.seconds(1)
    measured = Measurements(infer_peak_mib=memory.read().peak_mib)
    return measured, _window(contention, timer, (0, ROUNDS), None)


def _speed(request: Request, device: Device, gpu: Gpu | None) -> tuple[Measurements, Window]:
    """Measure latency of single images, throughput by batch size, energy at the best, and sizes."""
    model = _model(request.spec, device).eval()
    answer = _Answer(model, request.spec, device)
    one_s = min(answer.seconds(1) for _ in range(5))
    num = int(min(max(request.seconds / one_s, MIN_LATENCIES), MAX_LATENCIES))
    for _ in range(num // 10):
        answer.seconds(1)
    contention, timer = Contention(), Timer()
    latencies_s = [answer.seconds(1) for _ in range(num)]
    medians_s = [float(np.median(some)) for some in np.array_split(latencies_s, ROUNDS)]
    by_batch = _throughputs(answer, num / sum(latencies_s), request.seconds / 4)
    best = max(by_batch, key=lambda batch: by_batch[batch])
    p50_ms, p95_ms, p99_ms = 1000 * np.percentile(latencies_s, (50, 95, 99))
    counter = energy_counter(gpu, is_cpu=device.torch_device.type == "cpu")
    # counters have steps of up to 0.1 s: measure for at least a second
    num_images = by_batch[best] * max(1.0, request.seconds)
    energy_j = _energy(answer, counter, best, num_images)
    window = _window(contention, timer, (5 + num // 10, num), medians_s)
    measured = Measurements(
        latency_p50_ms=float(p50_ms),
        latency_p95_ms=float(p95_ms),
        latency_p99_ms=float(p99_ms),
        throughput_images_per_s=by_batch[best],
        best_batch=best,
        throughput_by_batch=by_batch,
        energy_j_per_image=energy_j,
        energy_note=counter.note,
        gpu_temperature_c=gpu.temperature_c() if gpu else None,
        gpu_clock_mhz=gpu.clock_mhz() if gpu else None,
        num_parameters=num_parameters(model),
        weights_mib=weights_mib(model),
        macs=_macs(request.spec),
    )
    return measured, window


def _macs(spec: CostSpec) -> int | None:
    shape = ModelShape(spec.image_px, spec.channels, spec.num_classes)
    return num_macs(spec.model, shape, spec.protocol)


class _Answer:
    """A model evaluated on batches of random images on the device, with synchronised timing."""

    def __init__(self, model: nn.Module, spec: CostSpec, device: Device) -> None:
        self._model, self._spec, self._device = model, spec, device
        self._images: dict[int, Tensor] = {}

    @torch.inference_mode()
    def seconds(self, batch: int) -> float:
        """Return the seconds of one forward pass on `batch` images."""
        if batch not in self._images:
            spec = self._spec
            size = (batch, spec.channels, spec.image_px, spec.image_px)
            self._images = {batch: torch.rand(size, device=self._device.torch_device)}
        images_BCHW = self._images[batch]
        self._device.synchronize()
        timer = Timer()
        with self._device.autocast():
            self._model(images_BCHW)
        self._device.synchronize()
        return timer.seconds()


def _throughputs(answer: _Answer, at_one: float, seconds: float) -> dict[int, float]:
    """Return {batch size: images/s}, rising while it gains 5 % and stays within the time limit."""
    found = {1: at_one}
    for batch in BATCHES:
        expected_s = batch / max(found.values())
        if batch > BATCHES[0] and expected_s > 4 * seconds:
            break
        try:
            answer.seconds(batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            break  # smaller batches did fit: the best of them counts
        timer = Timer()
        times_s: list[float] = []
        while timer.seconds() < seconds or len(times_s) < 3:
            times_s.append(answer.seconds(batch))
        before = max(found.values())
        found[batch] = batch / statistics.median(times_s)
        if found[batch] < 1.05 * before and batch > BATCHES[0]:
            break
    return found


def _energy(answer: _Answer, counter: EnergyCounter, batch: int, num_images: float) -> float | None:
    """Return joules per image over about `num_images`; None without a counter."""
    if counter.read is None:
        return None
    num = max(1, round(num_images / batch))
    before_j = counter.read()
    for _ in range(num):
        answer.seconds(batch)
    after_j = counter.read()
    if before_j is None or after_j is None:
        return None
    return (after_j - before_j) / (num * batch)


def _window(
    contention: Contention,
    timer: Timer,
    calls: tuple[int, int],
    rounds_s: list[float] | None,
) -> Window:
    spread = None
    if rounds_s is not None:
        low_s, median_s, high_s = np.percentile(rounds_s, (25, 50, 75))
        spread = float((high_s - low_s) / median_s)
    num_warm_up, num_repeats = calls
    return Window(
        window_s=timer.seconds(),
        contention_frac=contention.frac(),
        num_warm_up=num_warm_up,
        num_repeats=num_repeats,
        spread_frac=spread,
    )
