"""Notes on how data sets were read and split."""

from __future__ import annotations

from neurovisionlab.out.speech import Sentence

# Earlier versions stored these sentences instead of keys: they are parsed in this order.
WORDS: dict[str, Sentence] = {
    "data.not_published": Sentence("{name} is not the published file (its MD5 differs)"),
    "data.not_verified": Sentence("not verified, no published MD5 is known: {names}"),
    "data.skipped": Sentence("{count} unreadable pictures skipped: {first}"),
    "data.no_pictures": Sentence("not used, files that are no pictures: {count} ({names})"),
    "data.not_read_kinds": Sentence(
        "not used, pictures of kinds that cannot be read (raw, vector, HEIC, icons): {count} "
        "({names})"
    ),
    "data.outside": Sentence(
        "not used, pictures outside the folders of classes: {count} ({names})"
    ),
    "data.empty": Sentence("not used, folders without pictures: {count} ({names})"),
    "data.beside": Sentence("not used, folders beside the parts: {count} ({names})"),
    "data.runs": Sentence("not used, results of runs: {count} ({names})"),
    "data.hidden": Sentence("not used, hidden files and those of the system: {count} ({names})"),
    "data.links": Sentence(
        "not used, links to nowhere, in circles or within a class: {count} ({names})"
    ),
    "data.closed_folders": Sentence(
        "warning: not used, folders that cannot be opened: {count} ({names})"
    ),
    "data.closed_files": Sentence(
        "warning: not used, files that cannot be opened: {count} ({names})"
    ),
    "data.unused_arrays": Sentence("not used, arrays of other names in {file}: {count} ({names})"),
    "data.part_folders": Sentence("folders understood as parts: {names}"),
    "data.one_class": Sentence(
        "class names that are written with other bytes in another part, taken as one: {count} "
        "({names})"
    ),
    "data.escaped": Sentence(
        "class names that cannot be printed, written otherwise: {count} ({names})"
    ),
    "data.absent": Sentence(
        "warning: classes without a picture in the {part} part: {count} ({names})"
    ),
    "data.lost": Sentence(
        "warning: classes left out, no picture of theirs can be read: {count} ({names})"
    ),
    "data.frames": Sentence(
        "pictures of several frames or pages, of which the first is used: {count} ({names})"
    ),
    "data.deep": Sentence(
        "pictures of more than 8 bits, all scaled alike from 0–{top} to 0–255: {count}"
    ),
    "data.narrow": Sentence(
        "warning: the largest of their values in training is {largest}, of 0–{full} that the files "
        "could hold: taken as pictures of {bits} bits"
    ),
    "data.few_levels": Sentence(
        "warning: 99.9% of the values of pictures of more than 8 bits lie in {low}–{high}, of "
        "0–{top}: {levels} of 256 levels of grey are left"
    ),
    "data.negative": Sentence(
        "warning: pictures with values below 0, made black: {count} ({names})"
    ),
    "data.not_finite": Sentence(
        "warning: pictures with values that are infinite or no numbers: {count} ({names})"
    ),
    "data.clipped": Sentence(
        "warning: pictures with values above {top}, made white: {count} ({names})"
    ),
    "data.unused_rows": Sentence(
        "groups: rows of {table} that are of no image here: {count}, first {first}"
    ),
    "data.shared_groups": Sentence(
        "groups with images in more than one part: {count} of {total}, {names}"
    ),
    "data.labels_from": Sentence(
        "classes without any image ({count}): {names}; labels run {low} to {high}"
    ),
    # after the sentence above, which would be read as this, too
    "data.no_images": Sentence("classes without any image ({count}): {names}"),
    "data.group_share": Sentence(
        "{dataset}, whole groups: the {part} part holds {share:.0%} of the images, {asked:.0%} "
        "were asked ({setting})"
    ),
    "data.large_subset": Sentence(
        "{setting} = {asked:,} has no effect on {dataset}: {num_images:,} are there"
    ),
    "data.lacking": Sentence("no {part} image of {num:,}"),
    "data.asked": Sentence("{setting} = {num:,}"),
    "data.absent_classes": Sentence("{dataset}: {counts} of {num_classes:,} classes"),
    "data.absent_classes_of_subset": Sentence(
        "{dataset}: {counts} of {num_classes:,} classes ({why})"
    ),
    "data.look_alike": Sentence("class names that are hard to see or to tell apart: {names}"),
}

_YOUNGER = frozenset(
    (
        "data.group_share",
        "data.large_subset",
        "data.lacking",
        "data.asked",
        "data.absent_classes",
        "data.absent_classes_of_subset",
    )
)
FORMERLY_KEPT = tuple(key for key in WORDS if key not in _YOUNGER)
