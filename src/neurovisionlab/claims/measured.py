"""A run's evidence for a publication's claims: measured values, and differing conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from pydantic import model_validator

from neurovisionlab.claims.contrasts import Contrast
from neurovisionlab.claims.publication import (
    METRICS,
    Between,
    Publication,
    Setting,
    StatedData,
    StatedModel,
)
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import DataInfo, Subset, slug
from neurovisionlab.core.statements import Stated, Statement, state
from neurovisionlab.judge.candidates import Duel
from neurovisionlab.judge.quantities import Quantity, side


class Measured(Frozen):
    """One measured value with its 95 % interval; ends are None if unknown.

    `dataset` and `model` are the run's names, `metric` and its unit those of `claims.METRICS`:
    qualities in per cent. F1, precision and recall are macro averages. The recalls of the lowest
    and the highest class need simultaneous intervals for all classes, such as Bonferroni's.
    """

    dataset: str
    model: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _interval_holds_the_value(self) -> Measured:
        if (self.low is None) != (self.high is None):
            raise ValueError("expected both ends of the interval, got one; try both or neither")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"expected low <= high, got {self.low} > {self.high}; try to swap")
        return self


class MeasuredGap(Frozen):
    """A difference `first` − `second` in a metric, with its own (for instance paired) interval.

    It takes precedence over the difference of two `Measured`, whose intervals are separate.
    """

    dataset: str
    metric: str
    first: str
    second: str
    value: float
    low: float
    high: float


class Evidence(Frozen):
    """Measurements of a run with their protocol, data sets and device."""

    measured: tuple[Measured, ...]
    gaps: tuple[MeasuredGap, ...] = ()
    protocol: Protocol
    datasets: tuple[DataInfo, ...]
    subset: Subset = Subset()
    device: str | None = None


class Match(NamedTuple):
    """The run's counterpart of a published data set or model, and whether it is identical."""

    name: str
    is_same: bool


class MatchedEvidence(NamedTuple):
    """A publication matched with evidence; all look-ups use the publication's names."""

    publication: Publication
    evidence: Evidence
    datasets: Mapping[str, Match]
    models: Mapping[str, Match]

    def look(self, dataset: str, model: str, metric: str) -> Quantity | None:
        """Return the run's measurement; None if there is none. Sizes are exact."""
        if dataset not in self.datasets or model not in self.models:
            return None
        key = (self.datasets[dataset].name, self.models[model].name, metric)
        for one in self.evidence.measured:
            if (one.dataset, one.model, one.metric) == key:
                if one.low is None and METRICS[metric].depends == "size":
                    return Quantity(one.value, one.value, one.value)
                return Quantity(one.value, one.low, one.high)
        return None

    def gap(self, contrast: Contrast) -> Quantity | None:
        """Return the run's own interval of a difference; None if there is none."""
        if contrast.scale == "ratio" or contrast.dataset not in self.datasets:
            return None
        if not {contrast.first, contrast.second} <= self.models.keys():
            return None
        on = self.datasets[contrast.dataset].name
        first, second = (self.models[m].name for m in (contrast.first, contrast.second))
        for one in self.evidence.gaps:
            if (one.dataset, one.metric) != (on, contrast.metric):
                continue
            if (one.first, one.second) == (first, second):
                return Quantity(one.value, one.low, one.high)
            if (one.first, one.second) == (second, first):
                return Quantity(-one.value, -one.high, -one.low)
        return None

    def duels(self, dataset: str) -> list[Duel]:
        """Return verdicts on accuracies from the run's own intervals of differences."""
        names = {match.name: name for name, match in self.models.items()}
        return [
            Duel(
                first=names[one.first],
                second=names[one.second],
                verdict=_DUELS[side(Quantity(one.value, one.low, one.high), 0.0)],
            )
            for one in self.evidence.gaps
            if one.metric == "accuracy"
            and one.dataset == self.datasets[dataset].name
            and {one.first, one.second} <= names.keys()
        ]

    def differences(self, dataset: str, models: set[str], metric: str) -> list[Statement]:
        """Return the differences from the published conditions that matter for a metric.

        The size of a model depends on the model alone; a cost also depends on the device.
        """
        depends = METRICS[metric].depends
        found = [] if depends == "size" else list(self._protocol_fields())
        for model in sorted(models):
            match, stated = self.models[model], self.publication.models[model]
            if not match.is_same:
                found.append(_field(state("claims.model"), stated.known_as, match.name))
        if depends == "cost" and not self._is_same_device():
            here, published = self.evidence.device, self.publication.device
            found.append(
                _field(
                    state("claims.device"),
                    published or state("claims.unknown"),
                    here or state("claims.unknown"),
                )
            )
        return found if depends == "size" else [*found, *self._data_fields(dataset)]

    def _protocol_fields(self) -> Iterator[Statement]:
        here = self.evidence.protocol.model_dump()
        for name, setting in self.publication.settings().items():
            if not _is_met(name, setting, here[name], self.evidence):
                yield _field(name, _stated(setting), _stated(here[name]))

    def _data_fields(self, dataset: str) -> Iterator[Statement]:
        stated, match = self.publication.datasets[dataset], self.datasets[dataset]
        if not match.is_same:
            yield _field(state("claims.dataset"), stated.known_as, match.name)
        here = self.evidence.subset.train_images
        if here is not None and here != stated.num_train:
            yield _field(f"{dataset}.train_images", stated.num_train or state("claims.all"), here)
        info = next((d for d in self.evidence.datasets if d.name == match.name), None)
        if info is None or not match.is_same:
            return
        facts = {
            "num_classes": (stated.num_classes, len(info.class_names)),
            "height_px": (stated.height_px, info.height_px),
            "width_px": (stated.width_px, info.width_px),
            "channels": (stated.channels, info.channels),
            "num_train": (stated.num_train, info.num_images.get("train")),
            "num_test": (stated.num_test, info.num_images.get("test")),
        }
        for name, (said, is_so) in facts.items():
            if said is not None and is_so is not None and said != is_so:
                yield _field(f"{dataset}.{name}", said, is_so)

    def _is_same_device(self) -> bool:
        published, here = self.publication.device, self.evidence.device
        return published is not None and here is not None and published.lower() in here.lower()


_DUELS: Mapping[str | None, Literal["first better", "second better", "cannot tell"]] = {
    "above": "first better",
    "below": "second better",
    None: "cannot tell",
}


def side_by_side(publication: Publication, evidence: Evidence) -> MatchedEvidence:
    """Find the run's counterpart of each published data set and model."""
    datasets = [info.name for info in evidence.datasets]
    datasets += [one.dataset for one in evidence.measured]
    models = [one.model for one in evidence.measured]
    return MatchedEvidence(
        publication,
        evidence,
        _matches(publication.datasets, datasets),
        _matches(publication.models, models),
    )


def _matches(stated: Mapping[str, StatedData | StatedModel], here: list[str]) -> dict[str, Match]:
    """Return {published name: counterpart}; the same name first, then related names in order.

    Folders and arrays are known by the last component of their path. Their content is arbitrary:
    even under the name of the published data set they count as other data.
    """
    found: dict[str, Match] = {}
    for name, one in stated.items():
        if one.known_as in here:
            found[name] = Match(one.known_as, True)
            continue
        for like in (one.known_as, *one.related):
            close = [other for other in here if other == like or slug(other) == slug(like)]
            if close:
                found[name] = Match(close[0], False)
                break
    return found


def _is_met(name: str, setting: Setting, here: object, evidence: Evidence) -> bool:
    if isinstance(setting, Between):
        return isinstance(here, (int, float)) and setting.low <= here <= setting.high
    if name == "color" and setting == "native":
        # runs store the resolved value of "native": one channel or three, as in the data
        known = {"grey": {1}, "rgb": {3}}.get(str(here))
        return known is None or {info.channels for info in evidence.datasets} == known
    return setting == here


def _stated(setting: object) -> Stated:
    if isinstance(setting, Between):
        return state("claims.range", low=_short(setting.low), high=_short(setting.high))
    return str(setting).lower() if isinstance(setting, bool) else str(setting)


def _short(value: float) -> Statement:
    return state("claims.short", value=value)


def _field(name: Stated, published: Stated, here: Stated) -> Statement:
    return state("claims.field", name=name, published=published, here=here)
