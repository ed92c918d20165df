"""Lists, descriptions and audits of data sets, as tables and lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from neurovisionlab.core.protocol import LEAST_PX, MOST_PX
from neurovisionlab.core.spec import DataInfo
from neurovisionlab.data.audit import Audit
from neurovisionlab.data.copies import Copies
from neurovisionlab.data.listing import DataSet
from neurovisionlab.out.neutral import in_one_line
from neurovisionlab.out.said import note_text
from neurovisionlab.out.speech import Counted, Sentence
from neurovisionlab.out.tables import Table


def data_sets_table(rows: Iterable[DataSet]) -> Table:
    """Return a table of the data sets known by name, with the way to obtain each."""
    return Table(
        title="Data sets",
        columns=("name", "what", "images", "classes", "train", "test", "where"),
        rows=tuple(map(_listed, rows)),
        notes=("your own: folder:DIR (train/CLASS/*.png) or npz:DIR (train.npz, test.npz)",),
    )


def _listed(row: DataSet) -> tuple[str, ...]:
    counts = ("–" if num is None else f"{num:,}" for num in (row.num_train, row.num_test))
    kind = "synthetic" if row.synthetic else "real"
    return (row.name, row.title, kind, str(row.num_classes), *counts, row.where)


def data_set_lines(info: DataInfo) -> dict[str, str]:
    """Return the description of a data set: {name of the fact: line}."""
    counts = ", ".join(f"{count:,} {part}" for part, count in info.num_images.items())
    size = f"{info.width_px} × {info.height_px} px, {info.channels} channel(s)"
    return {
        "images": f"{counts}; {size}; {'synthetic' if info.synthetic else 'real'}",
        **_size_remark(info),
        "classes": f"{len(info.class_names)}: {' '.join(info.class_names)}",
        "source": info.source,
        "licence": info.licence,
        "digest": info.digest,
        **{f"note {i}": note_text(note) for i, note in enumerate(info.notes, 1)},
    }


def _size_remark(info: DataInfo) -> dict[str, str]:
    """Return a remark if the images' own size is not valid in a study."""
    if info.width_px == info.height_px and LEAST_PX <= info.width_px <= MOST_PX:
        return {}
    wanted = f"{LEAST_PX} × {LEAST_PX} to {MOST_PX} × {MOST_PX} px"
    return {"in a study": f"needs image_px = 64, say: models take {wanted}"}


def audit_table(audit: Audit) -> Table:
    """Return a table of the number of images per class and part."""
    names = list(audit.parts[0].num_per_class) if audit.parts else []
    return Table(
        title=f"{audit.name}: images per class",
        columns=("class", *(part.part for part in audit.parts)),
        rows=tuple(
            (in_one_line(name), *(f"{part.num_per_class[name]:,}" for part in audit.parts))
            for name in names
        ),
        notes=(f"digest {audit.digest}",),
    )


def audit_lines(audit: Audit) -> list[str]:
    """Return sentences on an audit: counts first, then flaws, most serious first."""
    return [
        *_size_sentences(audit),
        *_copy_sentences(audit),
        *_oddity_sentences(audit),
        *map(note_text, audit.notes),
    ]


COUNTS = Sentence("{parts} images in {num_classes} classes ({kind}).")
PART, AND = Sentence("{count:,} {part}"), Sentence(" and ")
SYNTHETIC, REAL = Sentence("synthetic"), Sentence("real")
UNBALANCED = Sentence(
    "Unbalanced: classes of the {part} part have {least:,} to {most:,} images, a ratio of "
    "{ratio:.1f}."
)
ACROSS = {
    "exactly": Counted(
        "{count} image of the {later} part exactly in the {earlier} part as well.",
        "{count:,} images of the {later} part exactly in the {earlier} part as well.",
    ),
    "nearly": Counted(
        "{count} image of the {later} part nearly in the {earlier} part as well.",
        "{count:,} images of the {later} part nearly in the {earlier} part as well.",
    ),
}
WITHIN = {
    "exactly": Counted(
        "{count} image of the {part} part exactly there more than once.",
        "{count:,} images of the {part} part exactly there more than once.",
    ),
    "nearly": Counted(
        "{count} image of the {part} part nearly there more than once.",
        "{count:,} images of the {part} part nearly there more than once.",
    ),
}
GROUPS = {
    "exactly": Counted(
        "{count} group of equal images: {images:,} images.",
        "{count:,} groups of equal images: {images:,} images, {largest:,} in the largest group.",
    ),
    "nearly": Counted(
        "{count} group of near copies: {images:,} images.",
        "{count:,} groups of near copies: {images:,} images, {largest:,} in the largest group.",
    ),
}
GROUPS_ACROSS = Counted(
    "{count} such group lies in more than one part.",
    "{count:,} such groups lie in more than one part.",
)
GROUP_LABELS = {
    "exactly": Counted(
        "Labels contradict in {count} group of equal images, of {images:,} images.",
        "Labels contradict in {count:,} groups of equal images, of {images:,} images.",
    ),
    "nearly": Counted(
        "Labels differ in {count} group of near copies, of {images:,} images.",
        "Labels differ in {count:,} groups of near copies, of {images:,} images.",
    ),
}
CONTRADICTED = Sentence("Labels contradict: {count:,} equal images have other labels.")
NEAR_CONTRADICTED = Sentence("{count:,} images have a near copy under another label.")
NO_COPIES = Sentence("No exact or near copies, within or across parts.")
NONE_FOUND = Sentence("No exact copies; no near copies were found.")
INCOMPLETE = Sentence("The search for near copies is incomplete: too many images look alike.")
CONSTANT = Counted(
    "{count} image of one value throughout ({num_black:,} black).",
    "{count:,} images of one value throughout ({num_black:,} black).",
)
ABSENT = Sentence("Without images in the {part} part: {names}.")


def _size_sentences(audit: Audit) -> Iterator[str]:
    counts = AND.join(PART.format(count=one.num_images, part=one.part) for one in audit.parts)
    kind = SYNTHETIC if audit.synthetic else REAL
    yield COUNTS.format(parts=counts, num_classes=audit.num_classes, kind=kind)
    for one in audit.parts:
        if one.imbalance_ratio is not None and one.imbalance_ratio > 1.5:
            sizes = [count for count in one.num_per_class.values() if count]
            yield UNBALANCED.format(
                part=one.part, least=min(sizes), most=max(sizes), ratio=one.imbalance_ratio
            )


def _copy_sentences(audit: Audit) -> Iterator[str]:
    for word, copies in (("exactly", audit.exact), ("nearly", audit.near)):
        tell = _pair_sentences if copies.num_groups is None else _group_sentences
        yield from tell(word, copies)
    if not (audit.exact.num_images or audit.near.num_images):
        yield str(NO_COPIES if audit.near_is_complete else NONE_FOUND)
    if not audit.near_is_complete:
        yield str(INCOMPLETE)


def _group_sentences(word: str, copies: Copies) -> Iterator[str]:
    if not copies.num_groups:
        return
    yield GROUPS[word].format(
        copies.num_groups, images=copies.num_in_groups, largest=copies.num_in_largest
    )
    yield from _across_sentences(word, copies.num_across)
    if copies.num_groups_across:
        yield GROUPS_ACROSS.format(copies.num_groups_across)
    if copies.num_groups_other_label:
        yield GROUP_LABELS[word].format(
            copies.num_groups_other_label, images=copies.num_other_label
        )


def _pair_sentences(word: str, copies: Copies) -> Iterator[str]:
    """Yield sentences on audits of earlier versions, which have no groups."""
    yield from _across_sentences(word, copies.num_across)
    yield from _within_sentences(word, copies.num_within)
    if copies.num_other_label:
        template = CONTRADICTED if word == "exactly" else NEAR_CONTRADICTED
        yield template.format(count=copies.num_other_label)


def _across_sentences(word: str, num_across: Mapping[str, int]) -> Iterator[str]:
    for pair, count in num_across.items():
        earlier, later = pair.split("/")
        if count:
            yield ACROSS[word].format(count, later=later, earlier=earlier)


def _within_sentences(word: str, num_within: Mapping[str, int]) -> Iterator[str]:
    for part, count in num_within.items():
        if count:
            yield WITHIN[word].format(count, part=part)


def _oddity_sentences(audit: Audit) -> Iterator[str]:
    if audit.num_constant:
        yield CONSTANT.format(audit.num_constant, num_black=audit.num_black)
    for part, names in audit.absent.items():
        yield ABSENT.format(part=part, names=", ".join(names))
