"""Messages before a study runs: about its protocol, its data and its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.recipes import RECIPES
from neurovisionlab.core.spec import CellSpec, DataInfo, DataRef, Split, Study, hash_of
from neurovisionlab.core.study_differences import changes
from neurovisionlab.data.sources import OWN_KINDS
from neurovisionlab.lab.plan import Plan
from neurovisionlab.lab.store import Store
from neurovisionlab.out.said import note_text


def recipe_messages(study: Study) -> Iterator[str]:
    """Yield messages on the settings of a recipe, or on own images trained without a recipe."""
    protocol = study.protocol
    if protocol.recipe is not None:
        base = RECIPES[protocol.recipe]
        yield f"recipe {protocol.recipe}: {_listed({f: getattr(protocol, f) for f in base})}"
        instead = {f: base[f] for f in base if not protocol.is_of_recipe(f)}
        if instead:
            yield f"the study's own go before the recipe's {_listed(instead)}"
    own = [name for name in study.datasets if name.partition(":")[0] in OWN_KINDS]
    if own and any(varied.is_published for _, varied in study.protocols()):
        yield (
            f"{', '.join(own)}: trained as the published study trained pretrained networks of "
            f"224 px (Adam, constant rate); as one would train: recipe = "
            f'"{next(iter(RECIPES))}" in [protocol]'
        )


def _listed(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{field} = {value}" for field, value in settings.items())


def data_messages(plan: Plan) -> Iterator[str]:
    """Yield messages on each data set for readers of results."""
    for _, info in plan.infos:
        if info.synthetic:
            yield f"{info.name}: synthetic images; results say nothing about real ones"
        yield from (f"{info.name}: {note_text(note)}" for note in info.notes)
        yield from _idle_shares(plan.study, info)


def _idle_shares(study: Study, info: DataInfo) -> Iterator[str]:
    """Yield warnings for shares that have no effect because the data set has its own part."""
    shares = {
        "val": ("protocol.val_frac", study.protocol.val_frac, Protocol().val_frac),
        "test": ("split.test_frac", study.split.test_frac, Split().test_frac),
    }
    for part, (setting, share, default) in shares.items():
        if share != default and info.num_images.get(part):
            why = f"it has a {part} part of its own"
            yield f"warning: {setting} has no effect on {info.name}: {why}"


def _contents(plan: Plan) -> list[tuple[DataRef, str]]:
    """Return references and digests of the data, without notes, which may change."""
    return [(ref, info.digest) for ref, info in plan.infos]


def _trained_anew(cells: Sequence[CellSpec], store: Store) -> Iterator[str]:
    """Yield messages on finished cells that do not count because of a wrong split by groups."""
    wrong: dict[str, int] = {}
    for cell in cells:
        former = cell.data.model_copy(update={"num_groups": None})
        before = cell.model_copy(update={"data": former}).cell_id
        if cell.group_division > 1 and not store.has(cell.cell_id) and store.has(before):
            asked = " and ".join(f"{share:g}" for share in cell.shares.values())
            wrong[asked] = wrong.get(asked, 0) + 1
    for asked, count in wrong.items():
        why = "an earlier version held out another share of the groups than was asked"
        yield f"{count} finished cells are trained anew: {why} ({asked})"


def folder_messages(plan: Plan, cells: Sequence[CellSpec], store: Store) -> Iterator[str]:
    """Yield messages on the results of earlier versions of the study in the folder."""
    earlier = store.known_plan()
    if earlier is None:
        return
    differences = changes(earlier.study, plan.study)
    ids = {cell.cell_id for cell in cells}
    apart = len({hash_of(one) for one in store.stored_ids()} - {hash_of(one) for one in ids})
    if differences or _contents(earlier) != _contents(plan):
        what = "; ".join(differences) or "its images are others, or read by a newer rule"
        yield f"the study changed since it was last run here: {what}"
    yield from _trained_anew(cells, store)
    if apart:
        yield f"{apart} finished cells of other wordings stay in {store.root} and are not shown"
    wants = plan.study.protocol.keep_weights == "all"
    bare = [one for one in ids if store.has(one) and not store.has_weights(one)]
    if wants and bare:
        yield f"{len(bare)} cells were finished without weights; delete their folders to train anew"
