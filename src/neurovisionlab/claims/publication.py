"""A publication in machine-readable form: tables, stated protocol, sentences.

Numbers are kept as printed text, since "89.7" and "89.70" claim different precision.
`claims.checks` checks a publication against itself, `claims.claim_verdicts` against a run;
`docs/claims.md` describes the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from neurovisionlab.core.bounds import MOST
from neurovisionlab.core.frozen import Frozen
from neurovisionlab.core.statements import Statement
from neurovisionlab.judge.quantities import NUMBER


class PrintedMetric(NamedTuple):
    """Properties of a column of a table.

    `depends`: a "quality" depends on data and protocol, a "cost" also on the machine, a "size" on
    the model alone.
    """

    unit: str
    larger_is_better: bool
    depends: Literal["quality", "cost", "size"]


METRICS: dict[str, PrintedMetric] = {
    "accuracy": PrintedMetric("%", True, "quality"),
    "f1": PrintedMetric("%", True, "quality"),
    "precision": PrintedMetric("%", True, "quality"),
    "recall": PrintedMetric("%", True, "quality"),
    "lowest_class_recall": PrintedMetric("%", True, "quality"),
    "highest_class_recall": PrintedMetric("%", True, "quality"),
    "train_time_s": PrintedMetric("s", False, "cost"),
    "train_memory_mib": PrintedMetric("MiB", False, "cost"),
    "test_memory_mib": PrintedMetric("MiB", False, "cost"),
    "latency_ms": PrintedMetric("ms", False, "cost"),
    "weights_mib": PrintedMetric("MiB", False, "size"),
    "num_parameters": PrintedMetric("", False, "size"),
}

Case = Literal["small device", "quick prototyping", "best accuracy"]

Verdict = Literal[
    # from the text alone
    "consistent",
    "inconsistent",
    "suspect",
    "no evidence",
    # against a run
    "supported",
    "refuted",
    "not comparable",
    # either
    "cannot tell",
]
FLAGS: frozenset[Verdict] = frozenset({"inconsistent", "suspect", "no evidence"})
Agreeing = Literal["agrees", "disagrees", "cannot be told"]


def _number_text(value: Any) -> Any:
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        hint = f'"{value}"'
    else:
        hint = '"4.10"'
    raise ValueError(f"expected a number as text, to keep its digits, got {value!r}; try {hint}")


# far beyond published numbers, so that sums, ratios and roots stay finite
PrintedCount = Annotated[int, Field(ge=1, le=MOST)]
NumberText = Annotated[str, BeforeValidator(_number_text)]
NamesOfModels = Annotated[tuple[str, ...], Field(min_length=1)]
TwoNames = Annotated[tuple[str, ...], Field(min_length=2)]


class StatedData(Frozen):
    """A publication's statements about a data set, its name in runs, and related data sets.

    `related` sets are other data: measurements on them can at most agree in direction.
    """

    known_as: str
    related: tuple[str, ...] = ()
    num_classes: PrintedCount | None = None
    height_px: PrintedCount | None = None
    width_px: PrintedCount | None = None
    channels: PrintedCount | None = None
    num_train: PrintedCount | None = None
    num_test: PrintedCount | None = None


class StatedModel(Frozen):
    """The name of a publication's model in runs, and the names of related models."""

    known_as: str
    related: tuple[str, ...] = ()


class Reference(Frozen):
    """An accuracy published elsewhere; `dataset` is a run's name, `accuracy` in per cent."""

    dataset: str
    method: str
    accuracy: NumberText


class PrintedTable(Frozen):
    """A printed table: `rows` is text, a line per row, cells divided by "|", "–" for none.

    The first two columns are `dataset` and `model`, the others names of `METRICS`. `average` is the
    average of F1, precision and recall over classes, as far as the text states it.
    """

    title: str = ""
    average: Literal["macro", "weighted", "micro", "unstated"] = "unstated"
    columns: tuple[str, ...]
    rows: str

    def cells(self) -> Iterator[list[str]]:
        """Yield the cells of each row as text."""
        for line in self.rows.strip().splitlines():
            if line.strip():
                yield [cell.strip() for cell in line.strip().strip("|").split("|")]


class _Claim(Frozen):
    """A sentence: `text` paraphrases it; empty `datasets` means all of the publication's."""

    id: str
    text: str
    datasets: tuple[str, ...] = ()


class ExtremeClaim(_Claim):
    """`model` is the best, or worst, of all in `metric` on each data set."""

    kind: Literal["best", "worst"]
    model: str
    metric: str


class OrderClaim(_Claim):
    """`metric` rises, or falls, from model to model along the list, on each data set."""

    kind: Literal["order"]
    models: TwoNames
    metric: str
    along: Literal["rising", "falling"]


class RangeClaim(_Claim):
    """Each of `models` minus, or divided by, `base` lies from `low` to `high` on each data set."""

    kind: Literal["difference_range", "ratio_range"]
    models: NamesOfModels
    base: str
    metric: str
    low: NumberText
    high: NumberText

    @model_validator(mode="after")
    def _low_comes_first(self) -> RangeClaim:
        if float(self.low) > float(self.high):
            raise ValueError(f"expected low <= high, got {self.low} > {self.high}; try to swap")
        return self


class AgreementClaim(_Claim):
    """`metrics` lie within `within` points of each other (unset: as in the tables).

    `as_balance`: offered as evidence that no class is favoured.
    """

    kind: Literal["agreement"]
    metrics: TwoNames
    within: NumberText | None = None
    as_balance: bool = False


class AdviceClaim(_Claim):
    """`model` is the recommended choice in `case`; or, not `advised`, in no case."""

    kind: Literal["advice"]
    model: str
    case: Case | None = None
    advised: bool = True

    @model_validator(mode="after")
    def _advice_has_a_case(self) -> AdviceClaim:
        if self.advised and self.case is None:
            raise ValueError(
                'expected a case where a model is advised, got none; try case = "small device"'
            )
        return self


class ReportedClaim(_Claim):
    """The publication says that it assessed `metrics`: its tables should contain them."""

    kind: Literal["reported"]
    metrics: NamesOfModels


Claim = Annotated[
    ExtremeClaim | OrderClaim | RangeClaim | AgreementClaim | AdviceClaim | ReportedClaim,
    Field(discriminator="kind"),
]


class Between(Frozen):
    """A setting stated as a range, ends included."""

    low: float
    high: float


Setting = Between | bool | int | float | str | tuple[float, ...]


class Publication(Frozen):
    """A parsed claims file.

    Attributes:
        title, source: title and location of the publication.
        num_seeds: trainings behind each number of the tables.
        device: the machine; None if not stated.
        protocol: settings as stated, by the names of `core.protocol.Protocol`; unstated settings
            are missing.
        implied: settings that are not stated but necessarily follow from the text.
    """

    title: str
    source: str = ""
    num_seeds: PrintedCount | None = None
    device: str | None = None
    protocol: dict[str, Setting] = Field(default_factory=dict)
    implied: dict[str, Setting] = Field(default_factory=dict)
    datasets: dict[str, StatedData]
    models: dict[str, StatedModel]
    references: tuple[Reference, ...] = ()
    tables: tuple[PrintedTable, ...] = ()
    claims: tuple[Claim, ...] = ()

    def settings(self) -> dict[str, Setting]:
        """Return stated and implied settings; stated ones take precedence."""
        return self.implied | self.protocol

    def printed(self) -> dict[tuple[str, str, str], str]:
        """Return {(data set, model, metric): printed number as text}."""
        found: dict[tuple[str, str, str], str] = {}
        for table in self.tables:
            for dataset, model, *numbers in table.cells():
                for metric, number in zip(table.columns[2:], numbers, strict=True):
                    if NUMBER.fullmatch(number):
                        found[dataset, model, metric] = number
        return found


class ClaimRow(Frozen):
    """Outcome of one claim or check.

    `printed` is as published; `measured`, `low`, `high` are the run's: the decisive comparison, in
    points for qualities, as a ratio for costs and sizes. Null if the run has no such comparison, or
    without a run. `direction` is set for claims that are not comparable.
    """

    id: str
    text: str | Statement
    verdict: Verdict
    printed: str | Statement = ""
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    reasons: tuple[Statement, ...]
    direction: Agreeing | None = Field(default=None, exclude=True)

    @property
    def is_flagged(self) -> bool:
        """Whether the text alone contradicts the claim."""
        return self.verdict in FLAGS
