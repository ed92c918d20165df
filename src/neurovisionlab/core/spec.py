"""What a user asks for (`Study`) and the resulting trainings (`CellSpec`, one each).

A study names data sets, models and seeds under one protocol; `expand` crosses them with every value
of `[vary]`, for all models alike. A model cannot have its own protocol, which rules out unfair
comparisons.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from neurovisionlab.core.bounds import (
    MOST_CLASSES,
    Amount,
    Hex,
    ModelName,
    Name,
    PartName,
    Pixels,
    Words,
)
from neurovisionlab.core.documents import (
    MOST_CELLS,
    MOST_SEED,
    product,
)
from neurovisionlab.core.errors import mould, nearest
from neurovisionlab.core.frozen import Frozen, Identified
from neurovisionlab.core.group_shares import is_one_fold
from neurovisionlab.core.problems import problem_lines, shown
from neurovisionlab.core.protocol import TOGETHER, Count, Protocol, without_effect
from neurovisionlab.core.statements import Notes
from neurovisionlab.core.vary import vary_problems

# Raised when the meaning of a stored cell changes; results of other versions are kept apart.
SCHEMA_VERSION = 1
# Raised when the form of stored files changes: those of former versions are read, newer ones are
# refused, so that nothing is trained anew. 2: tables by evaluation, notes as statements.
FILE_VERSION = 2
FileVersion = Annotated[int, Field(ge=SCHEMA_VERSION, le=FILE_VERSION)]

MOST_FOLDS = 50
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_CELLS)]
Values = Annotated[tuple[Any, ...], Field(max_length=MOST_CELLS)]


class Subset(Identified):
    """A stratified subset of a data set; None takes all images.

    `train_images` counts images taken from the training part before validation is held out, that
    is, the budget of labelled images. Smaller subsets are contained in larger ones.
    """

    train_images: Count | None = None
    test_images: Count | None = None


class Split(Identified):
    """How a data set is split, beyond the protocol's `val_frac` and `split_seed`.

    Attributes:
        test_frac: share held out for testing, 0..1, for data sets without a test part.
        groups: CSV file with the columns image, group; images of one group (say, of one writer)
            stay on one side of every split.
        folds: cross-validation with this many folds: a fold replaces the test part for data sets
            without one, otherwise the validation part.
    """

    FREE: ClassVar[frozenset[str]] = frozenset(("groups",))  # the data set's digest covers them

    test_frac: Annotated[float, Field(gt=0, lt=1)] = 0.2
    groups: Words | None = None
    folds: Annotated[int, Field(ge=2, le=MOST_FOLDS)] | None = None


class Labels(Frozen):
    """Choice of classes by name: `keep` selects ("0-9", "A-Za-z"), `merge_case` joins a and A."""

    keep: Words | None = None
    merge_case: bool = False


class DataRef(Frozen):
    """Reference to a data set and the way to read it: everything that determines its content.

    `image_px` applies to folders only, whose images have no common size.
    """

    name: str
    image_px: Pixels | None = None
    labels: Labels = Labels()
    groups: Words | None = None
    on_bad_image: Literal["stop", "skip"] = "stop"


class DataInfo(Frozen):
    """Description of a data set without its images.

    `digest` covers pixels, labels, class names, groups and parts; `num_images` is per part.
    `num_groups` is None where no groups are known, and in runs older than `group_division` 2.
    """

    name: Name
    digest: Hex
    height_px: Pixels
    width_px: Pixels
    channels: Annotated[int, Field(ge=1, le=3)]
    class_names: Annotated[tuple[Words, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    num_images: dict[PartName, Amount]
    synthetic: bool = False
    source: Words = ""
    licence: Words = ""
    notes: Notes = ()
    num_groups: Amount | None = None


class Study(Frozen):
    """Data sets × models × seeds (× varied settings) under one protocol.

    `seeds` determine initialisation, order of images and augmentation, never the split.
    `equivalence_points` is the difference in accuracy, recall or F1, in percentage points, below
    which two models count as equivalent; it changes no cell.

    >>> Study(name="mini", datasets=("digits",), models=("resnet18",)).protocol.batch_size
    64
    """

    name: str
    description: Words = ""
    datasets: Names
    models: Annotated[tuple[ModelName, ...], Field(min_length=1, max_length=MOST_CELLS)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_CELLS)] = (0,)
    protocol: Protocol = Protocol()
    subset: Subset = Subset()
    split: Split = Split()
    labels: Labels = Labels()
    on_bad_image: Literal["stop", "skip"] = "stop"
    equivalence_points: Annotated[float, Field(gt=0, lt=50)] = 0.5
    vary: Annotated[dict[str, Values], Field(max_length=100)] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not NAME_PATTERN.fullmatch(name):
            expected = "letters, digits, dot, dash or underscore"
            raise ValueError(f"expected {expected}, got {shown(name)}; try my-study")
        return name

    @field_validator("datasets", "models", "seeds")
    @classmethod
    def _nothing_twice(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = sorted(str(value) for value, count in Counter(values).items() if count > 1)
        if twice:
            got = ", ".join(twice[:5]) + (", …" if len(twice) > 5 else "")
            raise ValueError(f"expected each once, got {got} twice; try to drop one")
        return values

    @field_validator("datasets", "models")
    @classmethod
    def _names_are_known(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Check names against `context={"datasets": …, "models": …}`, if the caller passes it."""
        known = (info.context or {}).get(info.field_name)
        if known is None:
            return names
        unknown = [name for name in names if ":" not in name and name not in known]
        problems = [
            f"expected a known name, got {shown(name)}; try {', '.join(nearest(name, known))}"
            for name in unknown[:20]  # suggestions are slow
        ]
        if num_others := len(unknown) - len(problems):
            problems.append(f"expected known names, got {num_others:,} others; try fewer")
        if problems:
            raise ValueError("\n".join(problems))
        return names

    @field_validator("vary")
    @classmethod
    def _vary_is_protocol(cls, vary: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        problems = list(vary_problems(vary))
        if problems:
            raise ValueError("\n".join(problems))
        return vary

    @model_validator(mode="after")
    def _cells_can_be_counted(self) -> Study:
        """Refuse too many cells before any is created."""
        if self.num_cells > MOST_CELLS:
            got = f"{self.num_cells:,} ({product(self.factors())})"
            remedy = "fewer seeds or varied values"
            raise ValueError(mould("cells", f"at most {MOST_CELLS:,}", got, remedy))
        return self

    @model_validator(mode="after")
    def _every_variant_is_a_protocol(self) -> Study:
        """Validate combinations of varied values where fields constrain each other."""
        bound = {field: values for field, values in self.vary.items() if field in TOGETHER}
        try:
            for _ in self.model_copy(update={"vary": bound}).protocols():
                pass
        except ValidationError as error:
            lines = (f"vary: {line}" for line in problem_lines(error, Protocol))
            raise ValueError("\n".join(lines)) from None
        return self

    def factors(self) -> dict[str, int]:
        """Return {factor: its size}; the product of the sizes is the number of cells."""
        varied = {f"values of {field}": len(values) for field, values in self.vary.items()}
        counts = {name: len(getattr(self, name)) for name in ("models", "datasets", "seeds")}
        return counts | varied | {"folds": self.split.folds or 1}

    @property
    def num_cells(self) -> int:
        """Largest possible number of cells: settings with the same effect share a cell."""
        return math.prod(self.factors().values())

    def count(self) -> str:
        """Return the largest number of cells, and its factors: "6 cells: 2 models × 3 seeds"."""
        return f"{self.num_cells:,} cells: {product(self.factors())}"

    def protocols(self) -> Iterator[tuple[str, Protocol]]:
        """Yield (variant label, protocol) for every combination of varied values."""
        written = self.protocol.model_dump(mode="json")
        for values in itertools.product(*self.vary.values()):
            chosen = dict(zip(self.vary, values, strict=True))
            label = ",".join(f"{field}={value}" for field, value in chosen.items())
            merged = written | chosen
            yield label, Protocol.model_validate_json(json.dumps(merged), strict=True)

    def data_refs(self) -> dict[str, tuple[DataRef, ...]]:
        """Return {data set: every way in which the study reads it}."""
        sizes = dict.fromkeys(protocol.image_px for _, protocol in self.protocols())
        return {name: tuple(self.data_ref(name, size) for size in sizes) for name in self.datasets}

    def data_ref(self, name: str, image_px: int | Literal["native"]) -> DataRef:
        """Return how the study reads the data set `name` at `image_px`."""
        is_folder = name.startswith("folder:")
        return DataRef(
            name=name,
            image_px=image_px if is_folder and image_px != "native" else None,
            labels=self.labels,
            groups=self.split.groups,
            on_bad_image=self.on_bad_image,
        )


class CellSpec(Frozen):
    """One training, fully resolved: the protocol holds values, never "native"."""

    data: DataInfo
    data_ref: DataRef
    model: ModelName
    model_digest: Words | None = None
    seed: Seed
    fold: Annotated[int, Field(ge=0, lt=MOST_FOLDS)] | None = None
    variant: Words = ""
    protocol: Protocol
    subset: Subset = Subset()
    split: Split = Split()

    @model_validator(mode="after")
    def _is_resolved(self) -> CellSpec:
        if "native" in (self.protocol.image_px, self.protocol.color):
            got = f"image_px = {self.protocol.image_px}, color = {self.protocol.color}"
            raise ValueError(f"protocol: expected what they come to, got {got}; try numbers")
        return self

    @property
    def image_px(self) -> int:
        """Side of the model's square input image, in pixels."""
        assert self.protocol.image_px != "native", "expand() resolves sizes"
        return self.protocol.image_px

    @property
    def channels(self) -> int:
        """Number of channels of the model's input image."""
        return {"grey": 1, "rgb": 3}[self.protocol.color]

    @property
    def num_classes(self) -> int:
        """Number of classes of the data set."""
        return len(self.data.class_names)

    @property
    def label(self) -> str:
        """Name of the model in tables, charts and verdicts: with its variant, if any."""
        return f"{self.model} ({self.variant})" if self.variant else self.model

    @property
    def group_division(self) -> int:
        """Version of the rule for splitting by groups: 2 where version 1 held out a wrong share."""
        if self.data.num_groups is None:
            return 1
        return 1 if all(is_one_fold(frac) for frac in self.shares.values()) else 2

    @property
    def shares(self) -> dict[Literal["test", "val"], float]:
        """The parts that are held out of the training images, and the share of each, 0..1."""
        own = {part for part, count in self.data.num_images.items() if count}
        found: dict[Literal["test", "val"], float] = {}
        if "test" not in own and self.fold is None:
            found["test"] = self.split.test_frac
        if "val" not in own and (self.fold is None or "test" not in own):
            found["val"] = self.protocol.val_frac
        return found

    @property
    def cell_id(self) -> str:
        """Readable name plus a hash of everything that can change the result.

        The name and path of a data set are not hashed, its content is.
        """
        content = {
            "schema": SCHEMA_VERSION,
            "data": self.data.digest,
            "model": self.model,
            "model_digest": self.model_digest,
            "seed": self.seed,
            "fold": self.fold,
            "protocol": self.protocol.identity(),
            "subset": self.subset.identity(),
            "split": self.split.identity(),
        }
        if self.group_division > 1:
            content["group_division"] = self.group_division
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        fold = "" if self.fold is None else f"-f{self.fold}"
        return f"{slug(self.data.name)}-{slug(self.model)}-s{self.seed}{fold}-{digest}"


def hash_of(cell_id: str) -> str:
    """Return the hash in a cell's id, which does not depend on the data set's name.

    >>> hash_of("my-letters-resnet18-s3-c34ec6c2376c")
    'c34ec6c2376c'
    """
    return cell_id.rpartition("-")[2]


def slug(name: str) -> str:
    """Return `name` as a short component of a file name.

    >>> slug("folder:/home/ann/My Letters/")
    'my-letters'
    """
    last = re.split(r"[/\\:]", name.rstrip("/\\"))[-1]
    return re.sub(r"[^a-z0-9._]+", "-", last.lower()).strip("-.")[:40] or "x"


def warnings_of(study: Study) -> list[str]:
    """Return a line for each setting of the study that has no effect."""
    found: dict[str, str] = {}
    for _, protocol in study.protocols():
        idle = without_effect(protocol)
        found |= {field: why for field, why in idle.items() if not protocol.is_of_recipe(field)}
    lines = [f"{field} has no effect: {why}" for field, why in found.items()]
    if "keep_weights" in study.vary:
        lines.append("vary.keep_weights has no effect: it changes no measurement")
    return lines
