"""Costs, measured in real processes; the published errors in them cannot happen here."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from neurovisionlab import api
from neurovisionlab.core.costs import PARTS, Costs, CostSpec, PartResult, Request
from neurovisionlab.core.errors import ModelError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.lab.executors import Done, local
from neurovisionlab.lab.measurements import Effort, measure
from neurovisionlab.learn.clock import Stopwatches
from neurovisionlab.learn.device import DoesNotFitError, choose, memory_errors_explained
from neurovisionlab.learn.measure import PeakMemory, measure_part
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.named_models import source_of
from neurovisionlab.learn.survey import num_macs
from neurovisionlab.out.said import note_text

SECONDS = 0.1


def spec_of(model: str, batch_size: int = 32, channels: int = 1) -> CostSpec:
    """Return what to measure at 28 px."""
    color = "grey" if channels == 1 else "rgb"
    protocol = Protocol.model_validate({"image_px": 28, "color": color, "batch_size": batch_size})
    return CostSpec(
        model=model,
        model_digest=source_of(model).digest(),
        image_px=28,
        channels=channels,
        num_classes=26,
        source_px=28,
        protocol=protocol,
    )


def _part(spec: CostSpec, part: Any) -> PartResult:
    """Measure a part in a process of its own."""
    request = Request(spec=spec, part=part, seconds=SECONDS)
    (found,) = [
        outcome.result
        for _, outcome in local(api.WORKERS)([request], measure_part)
        if isinstance(outcome, Done)
    ]
    assert isinstance(found, PartResult)
    return found


@pytest.fixture(scope="module")
def measured() -> dict[str, Costs]:
    """Return the costs of three models, measured once."""
    models = ["resnet18", "mobilenetv2", "vit-tiny"]
    found = measure(
        [spec_of(model, batch_size=8) for model in models],
        measure_part,
        local(api.WORKERS),
        Effort(SECONDS, 1, 1),
    )
    return {costs.spec.model: costs for costs in found}


def test_every_number_is_there_with_its_conditions(measured: dict[str, Costs]) -> None:
    for costs in measured.values():
        assert costs.num_parameters is not None
        assert costs.weights_mib == pytest.approx(costs.num_parameters * 4 / 2**20, rel=0.02)
        assert costs.macs is not None
        assert costs.train_images_per_s is not None
        assert costs.train_images_per_s > 0
        low, middle, high = costs.latency_p50_ms, costs.latency_p95_ms, costs.latency_p99_ms
        assert low is not None
        assert middle is not None
        assert high is not None
        assert 0 < low <= middle <= high
        assert {1, 32} <= set(costs.throughput_by_batch)
        assert costs.best_batch is not None
        best = costs.throughput_by_batch[costs.best_batch]
        assert costs.throughput_images_per_s == best == max(costs.throughput_by_batch.values())
        conditions = costs.conditions
        assert set(conditions.windows) == set(PARTS)
        assert conditions.windows["speed"].num_repeats >= 50
        assert all(window.num_repeats > 0 for window in conditions.windows.values())
        assert all(w.contention_frac is not None for w in conditions.windows.values())
        assert conditions.machine is not None
        assert conditions.machine.num_threads >= 1
        assert conditions.training_batch == 8
        assert "high-water mark" in conditions.memory_method
        assert Costs.model_validate_json(costs.model_dump_json()) == costs


def test_energy_is_measured_or_said_not_to_be(measured: dict[str, Costs]) -> None:
    for costs in measured.values():
        if costs.energy_j_per_image is None:
            assert note_text(costs.energy_note).startswith("not measurable: ")
        else:
            assert costs.energy_j_per_image > 0


def test_item_9_inference_memory_is_well_below_training_memory(measured: dict[str, Costs]) -> None:
    """The published test memory held the optimiser and the gradients, which were still alive."""
    for model, costs in measured.items():
        assert costs.infer_peak_mib is not None
        assert costs.train_peak_mib is not None
        assert costs.weights_mib is not None
        assert costs.infer_peak_mib < 0.5 * costs.train_peak_mib, model
        # weights, and little else
        assert costs.weights_mib * 0.9 < costs.infer_peak_mib < costs.weights_mib + 32, model
        # weights, gradients and Adam's two averages, at least
        assert costs.train_peak_mib > 3.9 * costs.weights_mib, model


def test_item_12_size_is_tabulated(measured: dict[str, Costs]) -> None:
    """The published study printed sizes and never tabulated them."""
    assert measured["resnet18"].num_parameters == 11_183_578
    assert measured["resnet18"].weights_mib == pytest.approx(42.70, abs=0.01)


@pytest.fixture(scope="module")
def small_mib() -> float:
    """Return the most that training a small network takes, with 32 images a batch."""
    return _train_peak_mib(spec_of("glyphnet"))


def _train_peak_mib(spec: CostSpec) -> float:
    peak_mib = _part(spec, "training").measured.train_peak_mib
    assert peak_mib is not None
    return peak_mib


def test_item_8_nothing_is_carried_over_from_a_model_measured_before(small_mib: float) -> None:
    """The published memory of each data set held 392 MB of the one before."""
    assert _train_peak_mib(spec_of("resnet18")) > 4 * small_mib
    assert _train_peak_mib(spec_of("glyphnet")) == pytest.approx(small_mib, abs=4)


def test_item_10_the_training_clock_runs_in_training_alone_and_waits_for_the_device() -> None:
    """The published clock ran through validation too, without waiting for the GPU."""
    calls: list[str] = []
    clocks = Stopwatches(lambda: calls.append("waited"))
    for _ in range(3):  # epochs
        with clocks.on("training"):
            torch.rand(64, 64) @ torch.rand(64, 64)
        before_s = clocks.seconds("training")
        with clocks.on("evaluation"):
            for _ in range(50):
                torch.rand(256, 256) @ torch.rand(256, 256)
        assert clocks.seconds("training") == before_s
    assert len(calls) == 12  # at each change of hands, and nowhere within


def test_memory_grows_with_the_batch_as_its_images_do(small_mib: float) -> None:
    large_mib = _train_peak_mib(spec_of("glyphnet", batch_size=128))
    # what the first layer alone keeps for its gradient: 16 channels of 28×28 floats an image
    assert large_mib - small_mib > 96 * 16 * 28 * 28 * 4 / 2**20


def test_macs_agree_with_counts_by_hand() -> None:
    shape = ModelShape(28, 1, 10)
    name = f"{__name__}:layers"
    # convolution: 28·28 places × 8 outputs × 9·1 inputs; depthwise: 28·28 × 8 × 9;
    # linear: 8·28·28 × 10
    by_hand = 28 * 28 * 8 * 9 + 28 * 28 * 8 * 9 + 8 * 28 * 28 * 10
    assert num_macs(name, shape, Protocol()) == by_hand


def layers(num_classes: int, channels: int, image_px: int) -> torch.nn.Module:
    """Return a convolution, a depthwise one and a linear layer."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, 8, 3, padding=1),
        torch.nn.Conv2d(8, 8, 3, padding=1, groups=8),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * image_px**2, num_classes),
    )


def test_macs_of_attention_agree_with_a_count_by_hand() -> None:
    """A CPU's fused attention is invisible to the counter; on the meta device it is not."""
    width, depth, tokens, hidden = 192, 6, 4 * 4 + 1, 384  # patches of 7 px, a class token
    patches = 16 * 49 * width
    linear = tokens * (width * 3 * width + width * width + 2 * width * hidden)
    attention = 2 * tokens * tokens * width  # scores, and values weighted by them
    by_hand = patches + depth * (linear + attention) + width * 10
    assert num_macs("vit-tiny", ModelShape(28, 1, 10), Protocol()) == by_hand


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("mobilenetv2", "several images a batch: .* got one; try --batch 2 or more"),
        ("learn.odd_models:tuple", "got a tuple of 2; try to return logits alone"),
    ],
)
def test_a_model_that_cannot_learn_is_said_and_no_question_of_memory(model: str, said: str) -> None:
    request = Request(spec=spec_of(model, batch_size=1), part="training", seconds=SECONDS)
    with pytest.raises(ModelError, match=said):
        measure_part(request)


def test_a_batch_that_does_not_fit_is_a_result_and_no_smaller_one_is_taken() -> None:
    huge = spec_of(f"{__name__}:endless", batch_size=2)
    (costs,) = measure([huge], measure_part, local(api.WORKERS), Effort(SECONDS, 1, 1))
    assert costs.does_not_fit is not None
    assert note_text(costs.does_not_fit).startswith("needs more than ")
    assert costs.train_peak_mib is None
    assert costs.energy_j_per_image is None


class Endless(torch.nn.Module):
    """Asks for more memory than there is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        """Ask."""
        return torch.empty(2**50) * self.weight


def endless(num_classes: int, channels: int, image_px: int) -> torch.nn.Module:
    """Return a model that fits into no memory."""
    return Endless()


def test_other_errors_are_not_taken_for_exhausted_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors_explained(choose(), "x"):
        torch.ones(2, 3) @ torch.ones(2, 3)
    with pytest.raises(DoesNotFitError, match=r"needs more than [\d,]+ MiB"):  # noqa: SIM117
        with memory_errors_explained(choose(), "x"):
            raise MemoryError


class _FakeCuda:
    """Stands where `Device` stands: a device that counts its memory."""

    counts_memory = True
    torch_device = torch.device("cpu")

    def __init__(self) -> None:
        self.peaks = itertools.cycle([(300.0, 400.0)])
        self.resets = 0

    def reset_peak(self) -> None:
        """Count."""
        self.resets += 1

    def allocated_mib(self) -> float:
        """Return what a library might keep for itself."""
        return 32.0

    def peak_mib(self) -> tuple[float, float]:
        """Return made-up peaks."""
        return next(self.peaks)

    def autocast(self) -> Any:
        """Return the plain context."""
        return choose().autocast()

    def synchronize(self) -> None:
        """Return at once."""


def test_a_gpu_reports_allocated_reserved_and_the_drivers_count() -> None:
    class FakeGpu:
        used = iter([100.0, 612.0])

        def process_mib(self) -> float:
            return next(self.used)

    device: Any = _FakeCuda()
    gpu: Any = FakeGpu()
    memory = PeakMemory(device, gpu)
    memory.reset()
    # what was there before the model is none of its own; what the allocator holds is a total
    assert memory.read() == (268.0, 400.0, 512.0)
    assert device.resets == 2
