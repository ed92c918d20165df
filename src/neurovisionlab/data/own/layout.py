"""Interpretation of folders as parts and classes; ambiguous layouts are refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurovisionlab.core.errors import DataError, mould, nearest
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.data import notes
from neurovisionlab.data.notes import named, printable
from neurovisionlab.data.own.place import PARTS
from neurovisionlab.data.own.tree import File, Folder, Tree

# names of parts, in any case
_NAMES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "eval", "evaluation"),
}
PART_OF = {name: part for part, names in _NAMES.items() for name in names}
# dev/ with images and no folders may be Devanagari, for instance
_ALSO_CLASSES = frozenset(("trn", "dev", "tst", "eval"))
# a part's name with affixes: training_set, seg_test, val2017
_LIKE = re.compile(
    rf"(?<![a-z])({'|'.join(sorted(PART_OF, key=len, reverse=True))})"
    r"(?:set|data|dataset|images|imgs|pictures|split|part)?(?![a-z])"
)
_CLASSES = "two or more folders, one a class, with pictures"


@dataclass(frozen=True)
class Layout:
    """The interpretation of a folder of images.

    Attributes:
        parts: {part: [(class name, image file), …]}, sorted; training first.
        notes: notes on the interpretation.
    """

    parts: dict[str, list[tuple[str, File]]]
    notes: tuple[Statement, ...]


def arrange(tree: Tree) -> Layout:
    """Interpret a folder, and add files outside of its classes to `tree.unused`.

    `train/CLASS/*.png` with optional validation and test parts, or one level, `CLASS/*.png`.

    Raises:
        DataError: fewer than two classes, an ambiguous layout (with the nearest valid one), a link
            out of the folder, or a class that training lacks.
    """
    top = tree.top
    named = [one for one in top.holding if _is_part(one)]
    roots = _parts(tree, named) if named else {"train": _one_level(tree)}
    unused = _Unused(tree)
    if named:
        unused.outside(top)
        unused.beside(top, roots.values())
    found = {part: _classes(folder, unused) for part, folder in roots.items()}
    _check_classes(tree, roots, found)
    names = _class_names({part: list(classes) for part, classes in found.items()}, tree.root)
    parts = {
        part: [(names.of(name), one) for name in sorted(classes) for one in classes[name]]
        for part, classes in found.items()
    }
    return Layout(parts, (*_part_notes(roots), *names.notes()))


def part_of(name: str) -> str | None:
    """Return the part that a folder's name stands for; None for other names."""
    return PART_OF.get(name.strip().casefold())


def _is_part(folder: Folder) -> bool:
    """Return whether a folder is a part; some names of parts are also names of classes."""
    is_clear = bool(folder.holding) or folder.name.casefold() not in _ALSO_CLASSES
    return part_of(folder.name) is not None and is_clear


def _part_like(name: str) -> str | None:
    found = _LIKE.search(name.casefold())
    return PART_OF[found[1]] if found else None


def _one_level(tree: Tree) -> Folder:
    """Return the folder of classes if no folder is named like a part."""
    top = tree.top
    deep = [one for one in top.holding if one.folders and not one.pictures]
    likes = {one.name: part for one in deep if (part := _part_like(one.name))}
    if "train" in likes.values() and len(set(likes.values())) > 1:
        got = f"{_listed(f'{name}/' for name in likes)}, which may be parts or classes"
        remedy = ", ".join(f"{printable(name)}/ renamed {part}/" for name, part in likes.items())
        raise _refused(tree, "parts called train/, val/, test/", got, remedy)
    _check_parts_within(tree)
    return top


def _check_parts_within(tree: Tree) -> None:
    """Refuse CLASS/train/*.png, which would mix the parts."""
    within = [{part_of(one.name) for one in folder.holding} for folder in tree.top.holding]
    if len(within) > 1 and all({"train"} < parts <= {*PARTS} for parts in within):
        first = tree.top.holding[0]
        inner = sorted(first.holding, key=lambda one: PARTS.index(part_of(one.name) or "test"))
        pairs = [(first.name, one.name) for one in inner]
        got = f"parts within classes, {_listed(f'{a}/{b}/' for a, b in pairs)}"
        remedy = ", ".join(f"{printable(b)}/{printable(a)}/" for a, b in pairs)
        raise _refused(tree, "classes within parts", got, remedy)


def _parts(tree: Tree, named: Sequence[Folder]) -> dict[str, Folder]:
    """Return {part: its folder}, training first."""
    found: dict[str, Folder] = {}
    for one in named:
        part = part_of(one.name)
        assert part is not None
        if part in found:
            got = f"two {part} parts, {_listed((f'{found[part].name}/', f'{one.name}/'))}"
            raise _refused(tree, "one folder a part", got, f"one {part}/ with the content of both")
        found[part] = one
    found = {part: found[part] for part in PARTS if part in found}
    _check_train(tree, found)
    _check_others(tree, found)
    for one in tree.top.folders:  # a part without images is a part, too
        if one.name in PARTS and one.name not in found:
            found[one.name] = one
    return {part: found[part] for part in PARTS if part in found}


def _check_train(tree: Tree, found: dict[str, Folder]) -> None:
    others = [one for one in tree.top.holding if one not in found.values()]
    for part, one in found.items():
        is_flat = not one.holding and not one.strays
        if is_flat and (part == "train" or "train" not in found or not found["train"].holding):
            got = f"{printable(one.name)}/ with pictures and no folders of classes"
            aside = f"; if {printable(one.name)} is a class, another name for it, such as "
            remedy = f"{part}/CLASS/*.png{aside}{printable(one.name)}-class/"
            raise _refused(tree, "folders of classes within a part", got, remedy)
    if "train" in found:
        return
    said = _listed(f"{one.name}/" for one in found.values())
    if others:
        classes = _listed(f"{one.name}/" for one in others)
        raise _refused(
            tree, "train/ beside test/ or val/", f"{said} beside {classes}", f"{classes} in train/"
        )
    only = next(iter(found.values()))
    raise _refused(tree, "train/", f"{said} alone", f"{printable(only.name)}/ renamed train/")


def _check_others(tree: Tree, found: dict[str, Folder]) -> None:
    """Refuse folders beside the parts that may be classes, or another part."""
    others = [one for one in tree.top.holding if one not in found.values()]
    for one in others:
        part = _part_like(one.name)
        if part and part not in found and one.holding:
            got = f"{printable(one.name)}/ beside train/"
            remedy = f"{printable(one.name)}/ renamed {part}/"
            raise _refused(tree, "parts called train/, val/, test/", got, remedy)
    own = {inner.name for one in found.values() for inner in one.holding}
    meant = [one for one in others if len(found) == 1 or one.name in own]
    if meant:
        train = printable(found["train"].name)
        classes = _listed(f"{one.name}/" for one in meant)
        got = f"{classes} beside {train}/"
        remedy = f"{classes} in {train}/, or out of {printable(str(tree.root))}"
        raise _refused(tree, "parts alone, or classes alone", got, remedy)


def _listed(names: Iterable[str]) -> str:
    said = [printable(name) for name in names]
    return ", ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "")


def _refused(tree: Tree, expected: str, got: str, remedy: str) -> DataError:
    return DataError(mould(printable(str(tree.root)), expected, got, remedy))


class _Unused:
    """Recorder of unused files of a tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def outside(self, folder: Folder) -> None:
        """Record images beside the folders of parts or classes."""
        if folder.pictures:
            rels = [one.rel for one in folder.pictures]
            self.tree.unused.setdefault(notes.OUTSIDE, []).extend(rels)

    def beside(self, top: Folder, roots: Iterable[Folder]) -> None:
        """Record folders beside the parts, with or without images."""
        used = {one.rel for one in roots}
        for one in top.folders:
            if one.rel not in used:
                why = notes.BESIDE if one.holds else notes.EMPTY
                self.tree.unused.setdefault(why, []).append(f"{one.rel}/")

    def empty(self, folder: Folder) -> None:
        """Record a folder without images."""
        self.tree.unused.setdefault(notes.EMPTY, []).append(f"{folder.rel}/")

    def link(self, folder: Folder) -> None:
        """Record a link to a folder, which is not followed."""
        self.tree.unused.setdefault(notes.LINKS, []).append(folder.rel)


def _classes(root: Folder, unused: _Unused) -> dict[str, list[File]]:
    """Return {name as written: its image files, sorted} of the classes in a folder."""
    unused.outside(root)
    if root.strays:
        raise _strays(unused.tree, root.rel)
    found: dict[str, list[File]] = {}
    for one in root.folders:
        if one.strays:
            raise _strays(unused.tree, one.rel)
        if one.holds:
            found[one.name] = sorted(_below(one, unused), key=lambda file: file.rel.split("/"))
        else:
            unused.empty(one)
    return {name: files for name, files in found.items() if files}


def _below(folder: Folder, unused: _Unused) -> list[File]:
    files = list(folder.pictures)
    for one in files:
        if one.strays:
            raise _strays(unused.tree, one.rel)
    for inner in folder.folders:
        if inner.is_link or inner.strays:
            unused.link(inner)
        elif inner.holds:
            files += _below(inner, unused)
        else:
            unused.empty(inner)
    return files


def _strays(tree: Tree, rel: str) -> DataError:
    got = f"{printable(rel)}, a link out of it"
    return _refused(tree, "pictures inside the folder", got, "a copy")


def _check_classes(
    tree: Tree, roots: dict[str, Folder], found: dict[str, dict[str, list[File]]]
) -> None:
    trained = {_key(name): name for name in found["train"]}
    if len(found["train"]) < 2:
        got = f"{len(found['train'])} classes with pictures"
        raise _refused(tree, _CLASSES, *_nearest_layout(tree, roots["train"], got))
    for part, classes in found.items():
        strange = [name for name in classes if _key(name) not in trained]
        if strange:
            got = f"{_listed(strange)} in {part}/ alone"
            raise _refused(tree, "the classes of train/", got, _rename(strange[0], trained))


def _rename(name: str, trained: dict[str, str]) -> str:
    same = [one for one in trained.values() if one.casefold() == name.casefold()]
    near = same or nearest(name, trained.values(), 1)
    return f"to add or remove it, or to rename it {printable(near[0])} if it is that"


def _nearest_layout(tree: Tree, root: Folder, got: str) -> tuple[str, str]:
    """Return a description of what there is instead of classes, and a remedy."""
    inner = root
    while len(inner.holding) == 1 and not inner.strays:
        inner = inner.holding[0]
    if len(inner.holding) < 2:
        return got, "CLASS/*.png"
    got = f"{got}: {printable(inner.rel)}/ alone, which holds {len(inner.holding)} folders"
    if root is tree.top:
        return got, f"folder:{printable(str(tree.root / inner.rel))}"
    return got, f"the folders of {printable(inner.rel)}/ in {printable(root.rel)}/"


def _key(name: str) -> str:
    """Return the same key for names that look the same: é is one character or two."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class _ClassNames:
    """Names of the classes: as in the training part, with unprintable characters escaped."""

    shown: dict[str, str]  # by key
    merged: tuple[str, ...]
    escaped: tuple[str, ...]

    def of(self, name: str) -> str:
        return self.shown[_key(name)]

    def notes(self) -> tuple[Statement, ...]:
        pairs = ((notes.ONE_CLASS, self.merged), (notes.ESCAPED, self.escaped))
        return tuple(named(key, names) for key, names in pairs if names)


def _class_names(written: dict[str, list[str]], root: Path) -> _ClassNames:
    """Name the classes by their spelling in each part, training first.

    Raises:
        DataError: two folders of the training part have names that look the same.
    """
    first: dict[str, str] = {}
    merged = []
    for part, names in written.items():
        for name in sorted(names):
            known = first.setdefault(_key(name), name)
            if known != name and part == "train":
                got = f"two whose names look the same, {known!a} and {name!a}"
                raise DataError(
                    mould(printable(str(root)), "one folder a class", got, "to join them")
                )
            if known != name:
                merged.append(known)
    shown: dict[str, str] = {key: name for key, name in first.items() if printable(name) == name}
    escaped = []
    for key, name in first.items():
        if key not in shown:
            shown[key] = _unique(printable(name), set(shown.values()))
            escaped.append(shown[key])
    return _ClassNames(shown, tuple(dict.fromkeys(merged)), tuple(escaped))


def _unique(name: str, taken: set[str]) -> str:
    return name if name not in taken else _unique(f"{name}~", taken)


def _part_notes(roots: dict[str, Folder]) -> tuple[Statement, ...]:
    others = tuple(
        f"{printable(one.name)}/ = {part}"
        for part, one in roots.items()
        if one.rel not in ("", part)
    )
    return (state(notes.PART_FOLDERS, names=others),) if others else ()


def unused_notes(unused: dict[str, list[str]]) -> tuple[Statement, ...]:
    """Return a note on each kind of unused file; files inside unused folders are not listed."""
    whole = {rel for why in (notes.EMPTY, notes.BESIDE, notes.RUNS) for rel in unused.get(why, ())}
    said = []
    for why in notes.UNUSED:
        rels = [one for one in unused.get(why, ()) if not _is_inside(one, whole, why)]
        if rels:
            said.append(named(why, sorted(rels)))
    return tuple(said)


def _is_inside(rel: str, whole: set[str], why: str) -> bool:
    if why in (notes.NOT_READ_KINDS, notes.CLOSED_FOLDERS, notes.CLOSED_FILES):
        return False  # reported wherever they are
    pieces = rel.rstrip("/").split("/")[:-1]
    return any("/".join(pieces[:depth]) + "/" in whole for depth in range(1, len(pieces) + 1))
