"""Notes on measured costs: energy counters, insufficient memory, disturbances."""

from __future__ import annotations

from neurovisionlab.out.speech import Sentence

WORDS: dict[str, Sentence] = {
    "costs.nvml_energy": Sentence("NVML: the whole GPU"),
    "costs.no_gpu_counter": Sentence("not measurable: this GPU has no energy counter"),
    "costs.no_nvml": Sentence("not measurable: NVML does not see this device"),
    "costs.no_rapl": Sentence("not measurable: the system offers no RAPL counter"),
    "costs.rapl_is_roots": Sentence(
        "not measurable: RAPL counters are readable by root alone here"
    ),
    "costs.rapl_energy": Sentence("RAPL: {count} processor package(s), all processes included"),
    "costs.not_fitting": Sentence("not measurable: the model did not fit"),
    "costs.needs_more": Sentence("needs more than {limit_mib:,.0f} MiB"),
    "costs.others": Sentence(
        "{part}: other processes took {share:.0%} of the processors: faster when alone"
    ),
    "costs.noisy": Sentence("{part}: machine too noisy: its repeats differ by {spread:.0%}"),
    "costs.noisy_memory": Sentence(
        "{part}: machine too noisy for memory: its repeats differ by {spread_mib:.0f} MiB"
    ),
}

# what 0.1 kept in English
FORMERLY_KEPT = tuple(
    key for key in WORDS if key not in ("costs.others", "costs.noisy", "costs.noisy_memory")
)
