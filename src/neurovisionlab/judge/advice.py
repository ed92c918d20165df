"""Choice of a model from measurements and limits, with reasons and what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from neurovisionlab.core.statements import Stated, Statement, state
from neurovisionlab.judge import amounts
from neurovisionlab.judge.candidates import Advice, Candidate, Duel, Limits
from neurovisionlab.judge.pareto import Direction, non_dominated
from neurovisionlab.judge.quantities import Quantity, difference, side

Prefer = Literal["accuracy", "speed", "size", "memory", "training"]

COSTS = ("size_mib", "latency_ms", "train_s", "memory_mib")
# Costs that decide for each preference, in order: later ones replace costs known for no model.
DECIDES: dict[Prefer, tuple[str, ...]] = {
    "accuracy": (),
    "speed": ("latency_ms",),
    "size": ("size_mib", "memory_mib"),
    "memory": ("memory_mib", "size_mib"),
    "training": ("train_s",),
}
# The published study's three cases (its conclusion 8).
CASES: dict[str, Prefer] = {
    "small device": "size",
    "quick prototyping": "training",
    "best accuracy": "accuracy",
}
# Without a minimum accuracy, the cheapest model would win however bad it is. The acceptable loss is
# a matter of judgement; this is our choice, and every reason states it.
TOLERATED_LOSS_POINTS = 5.0
# Times vary between runs and with other load on the machine; a smaller difference is a tie.
TIMES_ALIKE_FRAC = 0.05
# Cost breaks a tie in accuracy only between models whose estimates also lie this close.
ALIKE_POINTS = 1.0
NOISY = frozenset({"latency_ms", "train_s"})


class _Choice(NamedTuple):
    """The chosen model, the cost that decided (None: accuracy), competitors, ties, and reasons."""

    winner: Candidate
    cost: str | None
    pool: tuple[Candidate, ...]
    tie: tuple[Candidate, ...]
    reasons: tuple[Statement, ...]


def advise(
    candidates: Sequence[Candidate],
    limits: Limits | None = None,
    prefer: Prefer = "accuracy",
    duels: Sequence[Duel] = (),
    case: str = "your limits",
) -> Advice:
    """Return the model to choose, with reasons and with changes that would lead to another choice.

    Excluded are models no better than guessing the largest class, models over a limit, and models
    for which a limit cannot be checked. Of the others, models that another dominates are out
    (`judge.pareto`). The preference then decides: for a cost, among the models that reach the
    minimum accuracy, or that are within `TOLERATED_LOSS_POINTS` of the best if no minimum is given.
    Models whose difference may be noise are tied.

    Args:
        candidates: models measured on one data set, under one protocol.
        limits: highest costs allowed and lowest accuracy accepted.
        prefer: criterion among the models within the limits.
        duels: verdicts on pairs; for other pairs the intervals decide
            (`judge.quantities.difference`).
        case: name of the question.
    """
    limits = limits or Limits()
    excluded = tuple(_exclusions(candidates, limits))
    out = {model for model, _ in excluded}
    left = tuple(c for c in candidates if c.model not in out)
    why_out = tuple(why for _, why in excluded)
    if not left:
        reason = _why_nobody(candidates)
        return Advice(case=case, choice=None, reasons=(reason,), excluded=why_out, tie=())
    judge = _Judge(limits, prefer, tuple(duels))
    chosen, front = judge.choose(left), _front(left)
    reasons = (
        *_diverged_reasons(chosen.winner, left),
        *_front_reasons(front, len(left)),
        *chosen.reasons,
        *_against(chosen, front),
        *_changes(judge, chosen, left, [c for c in candidates if c.guessing_frac is None]),
    )
    return Advice(
        case=case,
        choice=chosen.winner.model,
        reasons=reasons,
        excluded=why_out,
        tie=tuple(c.model for c in chosen.tie),
        front=tuple(c.model for c in front),
        caution=_caution(chosen.winner),
    )


def _why_nobody(candidates: Sequence[Candidate]) -> Statement:
    if not candidates:
        return state("advice.no_candidates")
    has_learnt = any(one.guessing_frac is None for one in candidates)
    return state("advice.nobody") if has_learnt else state("advice.nobody_learnt")


def _caution(one: Candidate) -> Statement | Literal[""]:
    if not one.num_diverged:
        return ""
    return state("advice.seeds_diverged", count=one.num_diverged, total=one.num_seeds)


def _diverged_reasons(winner: Candidate, left: Sequence[Candidate]) -> Iterable[Statement]:
    """Yield, the choice first, a statement per model whose numbers leave out diverged trainings."""
    for one in sorted(left, key=lambda c: c is not winner):
        if one.num_diverged:
            yield state("advice.diverged", model=one.model, seeds=_caution(one))


def advise_cases(candidates: Sequence[Candidate], duels: Sequence[Duel] = ()) -> tuple[Advice, ...]:
    """Return the advice for a small device, quick prototyping and best accuracy."""
    return tuple(
        advise(candidates, prefer=prefer, duels=duels, case=case) for case, prefer in CASES.items()
    )


def _exclusions(candidates: Sequence[Candidate], limits: Limits) -> Iterable[tuple[str, Statement]]:
    """Yield (model, reason) for models near guessing, and for limits exceeded or not verifiable."""
    for one in candidates:
        if one.guessing_frac is not None:
            share, accuracy = 100 * one.guessing_frac, amounts.accuracy(one)
            yield (
                one.model,
                state("advice.guessing", model=one.model, accuracy=accuracy, share=share),
            )
            continue
        for cost in COSTS:
            limit: float | None = getattr(limits, cost)
            if limit is None:
                continue
            words: dict[str, Stated] = {
                "model": one.model,
                "name": amounts.name(cost),
                "limit": amounts.amount(cost, limit),
            }
            value = one.cost(cost)
            if value is None:
                yield one.model, state("advice.unknown_limit", **words)
            elif value > limit:
                yield (
                    one.model,
                    state("advice.over_limit", **words, value=amounts.amount(cost, value)),
                )
        least = limits.min_accuracy_frac
        if least is not None and one.accuracy_frac < least:
            within_noise = (one.accuracy_high_frac or 0.0) >= least
            key = "advice.under_minimum_noise" if within_noise else "advice.under_minimum"
            accuracy, limit = amounts.accuracy(one), 100 * least
            yield one.model, state(key, model=one.model, accuracy=accuracy, limit=limit)


def _front(left: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the models that no other dominates, in the given order."""
    costs = [cost for cost in COSTS if any(c.cost(cost) is not None for c in left)]
    directions: list[Direction] = ["larger", *("smaller" for _ in costs)]  # type: ignore[list-item]
    points = [(c.accuracy_frac, *(c.cost(cost) for cost in costs)) for c in left]
    kept = non_dominated(points, directions)
    return tuple(c for c, keep in zip(left, kept, strict=True) if keep)


class _Judge(NamedTuple):
    """The basis of a choice: limits, preference, and verdicts on pairs."""

    limits: Limits
    prefer: Prefer
    duels: tuple[Duel, ...]

    def choose(self, models: Sequence[Candidate]) -> _Choice:
        """Return the choice among models that meet the limits (at least one model)."""
        wanted = DECIDES[self.prefer]
        best = max(models, key=lambda c: c.accuracy_frac)
        good = [c for c in models if self.good_enough(c, best)]
        known = [cost for cost in wanted if any(c.cost(cost) is not None for c in good)]
        if not known:
            chosen = self._by_accuracy(models)
            if not wanted:
                return chosen
            note = state("advice.unknown_everywhere", wanted=amounts.as_first_word(wanted[0]))
            return chosen._replace(reasons=(note, *chosen.reasons))
        chosen = self._by_cost(models, known[0])
        if known[0] == wanted[0]:
            return chosen
        names: dict[str, Stated] = {
            "wanted": amounts.as_first_word(wanted[0]),
            "used": amounts.name(known[0]),
        }
        return chosen._replace(reasons=(state("advice.instead", **names), *chosen.reasons))

    def _by_accuracy(self, models: Sequence[Candidate]) -> _Choice:
        top = max(_front(models), key=lambda c: c.accuracy_frac)
        apart = {c.model: self.separated(top, c) for c in models if c is not top}
        tied = [c for c in models if c is top or apart[c.model] is False]
        winner = self._cheapest(tied, top)
        rivals = tuple(c for c in tied if c is not winner)
        reasons = [
            state(
                "advice.most_accurate", model=top.model, accuracy=amounts.accuracy(top, full=True)
            )
        ]
        if rivals:
            reasons.append(
                state("advice.tie_by_accuracy", rivals=amounts.names(rivals), model=winner.model)
            )
            broken = all(_no_dearer(winner, rival) for rival in rivals)
            how = "advice.broken_by_cost" if broken else "advice.broken_by_estimate"
            reasons.append(state(how, model=winner.model))
        unknown = [c for c in models if c is not top and apart[c.model] is None]
        if unknown:
            reasons.append(state("advice.noise_unknown", rivals=amounts.names(unknown)))
        return _Choice(winner, None, tuple(models), rivals, tuple(reasons))

    def _cheapest(self, tied: Sequence[Candidate], top: Candidate) -> Candidate:
        """Return a tied model that costs no more than any other; else the one estimated best."""
        close = [c for c in tied if 100 * (top.accuracy_frac - c.accuracy_frac) <= ALIKE_POINTS]
        for one in sorted(_front(close), key=lambda c: -c.accuracy_frac):
            if all(_no_dearer(one, other) for other in tied if other is not one):
                return one
        return top

    def _by_cost(self, models: Sequence[Candidate], cost: str) -> _Choice:
        best = max(models, key=lambda c: c.accuracy_frac)
        pool = [c for c in models if c.cost(cost) is not None and self.good_enough(c, best)]
        least = min(pool, key=lambda c: (_cost(c, cost), -c.accuracy_frac))
        margin = 1 + TIMES_ALIKE_FRAC if cost in NOISY else 1.0
        tied = [c for c in pool if _cost(c, cost) <= _cost(least, cost) * margin]
        reasons = [_least_sentence(least, cost, best, self.limits), *_unknown(models, cost)]
        if len(pool) == 1 and pool[0] is best and self.limits.min_accuracy_frac is None:
            reasons[0] = _only_good_sentence(best, cost, len(models))
        if len(tied) == 1:
            return _Choice(least, cost, tuple(pool), (), tuple(reasons))
        words: dict[str, Stated] = {"name": amounts.name(cost), "percent": 100 * TIMES_ALIKE_FRAC}
        words |= {"rivals": amounts.names(c for c in tied if c is not least)}
        tie = "advice.tie_by_cost" if cost in NOISY else "advice.tie_exact"
        by_accuracy = self._by_accuracy(tied)
        reasons += [state(tie, **words), *by_accuracy.reasons]
        rivals = tuple(c for c in tied if c is not by_accuracy.winner)
        return _Choice(by_accuracy.winner, cost, tuple(pool), rivals, tuple(reasons))

    def good_enough(self, one: Candidate, best: Candidate) -> bool:
        """Return whether a model is accurate enough for its costs to count."""
        if self.limits.min_accuracy_frac is not None:
            return True  # models below the minimum are excluded already
        return 100 * (best.accuracy_frac - one.accuracy_frac) <= TOLERATED_LOSS_POINTS

    def separated(self, one: Candidate, other: Candidate) -> bool | None:
        """Return whether a verdict, or else the intervals, separates two accuracies.

        None if there is no verdict and an interval is missing.
        """
        for duel in self.duels:
            if {duel.first, duel.second} == {one.model, other.model}:
                return duel.verdict in ("first better", "second better")
        gap = difference(_interval(one), _interval(other), "chance")
        return None if gap.low is None else side(gap, 0.0) is not None


def _front_reasons(front: Sequence[Candidate], num_left: int) -> Iterable[Statement]:
    if num_left > 1 and len(front) == 1:
        yield state("advice.front_of_one", model=front[0].model)
    elif len(front) > 1:
        yield state("advice.front", models=amounts.names(front))


def _least_sentence(least: Candidate, cost: str, best: Candidate, limits: Limits) -> Statement:
    words: dict[str, Stated] = {
        "model": least.model,
        "least": state(f"advice.least.{cost}"),
        "value": amounts.amount(cost, _cost(least, cost)),
        "accuracy": amounts.accuracy(least, full=True),
    }
    if limits.min_accuracy_frac is not None:
        return state("advice.least_within", **words)
    of = (best.model, amounts.accuracy(best))
    return state("advice.least_of_the_good", **words, points=TOLERATED_LOSS_POINTS, best=of)


def _only_good_sentence(best: Candidate, cost: str, num_models: int) -> Statement:
    words: dict[str, Stated] = {"model": best.model, "accuracy": amounts.accuracy(best, full=True)}
    value = amounts.amount(cost, _cost(best, cost))
    words |= {"name": amounts.name(cost), "value": value}
    if num_models == 1:
        return state("advice.only_one", **words)
    return state("advice.only_good_one", **words, points=TOLERATED_LOSS_POINTS)


def _unknown(models: Sequence[Candidate], cost: str) -> Iterable[Statement]:
    names = amounts.names(c for c in models if c.cost(cost) is None)
    if names:
        yield state("advice.passed_over", models=names, name=amounts.name(cost))


def _against(chosen: _Choice, front: Sequence[Candidate]) -> Iterable[Statement]:
    """Yield a comparison in numbers of the choice with each other model of the front."""
    for rival in front:
        if rival is chosen.winner:
            continue
        comparisons = [
            state(
                "advice.comparison",
                name=amounts.name(c),
                own=amounts.amount(c, own),
                other=amounts.amount(c, other),
            )
            for c in COSTS
            if (own := chosen.winner.cost(c)) is not None and (other := rival.cost(c)) is not None
        ]
        if comparisons:
            joined = tuple(comparisons)
            accuracy = amounts.accuracy(rival)
            yield state("advice.against", rival=rival.model, accuracy=accuracy, comparisons=joined)


def _changes(
    judge: _Judge, chosen: _Choice, left: Sequence[Candidate], candidates: Sequence[Candidate]
) -> Iterable[Statement]:
    """Yield the changes that would lead to another choice, each found by choosing again."""
    found = [*_other_limits(judge, chosen, left), *_other_floor(chosen, left)]
    free = _Judge(Limits(), judge.prefer, judge.duels).choose(candidates).winner
    if judge.limits != Limits() and free.model != chosen.winner.model:
        found.append(
            state("advice.change_without", other=free.model, accuracy=amounts.accuracy(free))
        )
    top = max(left, key=lambda c: c.accuracy_frac)
    gives_up = chosen.cost is not None and top.accuracy_frac > chosen.winner.accuracy_frac
    if gives_up and judge.separated(chosen.winner, top) is not False:
        found.append(state("advice.change_more", other=top.model, accuracy=amounts.accuracy(top)))
    if chosen.tie and chosen.cost is None:
        found.append(
            state("advice.change_seeds", models=amounts.names((chosen.winner, *chosen.tie)))
        )
    yield from found or (state("advice.change_nothing"),)


def _other_limits(judge: _Judge, chosen: _Choice, left: Sequence[Candidate]) -> Iterable[Statement]:
    """Yield, for each model that a tighter limit would select, these limits."""
    others: dict[str, tuple[Candidate, list[Statement]]] = {}
    for cost in COSTS:
        own = chosen.winner.cost(cost)
        if own is None:
            continue
        cheaper = [c for c in left if (c.cost(cost) or own) < own]
        if cheaper:
            other = judge.choose(cheaper).winner
            words = state("advice.a_limit", name=amounts.name(cost), own=amounts.amount(cost, own))
            others.setdefault(other.model, (other, []))[1].append(words)
    for other, conditions in others.values():
        joined = state("advice.or", parts=tuple(conditions))
        accuracy = amounts.accuracy(other)
        yield state("advice.change_limit", other=other.model, accuracy=accuracy, conditions=joined)


def _other_floor(chosen: _Choice, left: Sequence[Candidate]) -> Iterable[Statement]:
    """Yield the most accurate of the cheaper models that were not accurate enough."""
    if chosen.cost is None:
        return
    cost, own = chosen.cost, _cost(chosen.winner, chosen.cost)
    cheaper = [c for c in left if c not in chosen.pool and (c.cost(cost) or own) < own]
    if cheaper:
        other = max(cheaper, key=lambda c: c.accuracy_frac)
        value = amounts.amount(cost, _cost(other, cost))
        yield state(
            "advice.change_floor", accuracy=amounts.accuracy(other), other=other.model, value=value
        )


def _no_dearer(one: Candidate, other: Candidate) -> bool:
    """Return whether `one` costs no more than `other` in every cost known for either of them."""
    pairs = [(one.cost(cost), other.cost(cost)) for cost in COSTS]
    known = [(a, b) for a, b in pairs if a is not None or b is not None]
    return bool(known) and all(a is not None and b is not None and a <= b for a, b in known)


def _cost(candidate: Candidate, cost: str) -> float:
    value = candidate.cost(cost)
    assert value is not None, "asked for where it is known"
    return value


def _interval(one: Candidate) -> Quantity:
    return Quantity(one.accuracy_frac, one.accuracy_low_frac, one.accuracy_high_frac)
