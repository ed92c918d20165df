"""Advice: within limits, from the front, with ties said and reasons in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from neurovisionlab.cli.judging_commands import PREFERENCES
from neurovisionlab.core.statements import Statement, state
from neurovisionlab.judge.advice import (
    COSTS,
    Advice,
    Candidate,
    Duel,
    Limits,
    Prefer,
    advise,
    advise_cases,
)
from neurovisionlab.out.said import said, said_all


def model(name: str, percent: float, half: float | None = 0.3, **costs: float) -> Candidate:
    """Return a model of that accuracy in per cent, give or take `half` points."""
    ends = {}
    if half is not None:
        ends = {
            "accuracy_low_frac": max(0.0, (percent - half) / 100),
            "accuracy_high_frac": min(1.0, (percent + half) / 100),
        }
    return Candidate(model=name, accuracy_frac=percent / 100, **ends, **costs)


BIG = model("big", 95.0, size_mib=40.0, latency_ms=4.0, train_s=300.0, memory_mib=900.0)
MID = model("mid", 93.0, size_mib=9.0, latency_ms=3.0, train_s=500.0, memory_mib=600.0)
TINY = model("tiny", 70.0, size_mib=1.0, latency_ms=1.0, train_s=50.0, memory_mib=100.0)
WORSE = model("worse", 94.0, size_mib=50.0, latency_ms=5.0, train_s=600.0, memory_mib=950.0)
ALL = (BIG, MID, TINY, WORSE)


def words(statements: Iterable[Statement]) -> tuple[str, ...]:
    return tuple(said(one) for one in statements)


def reasons(advice: Advice) -> str:
    return said_all(advice.reasons)


def test_the_three_cases_choose_by_size_training_and_accuracy() -> None:
    cases = {advice.case: advice for advice in advise_cases(ALL)}
    assert {case: advice.choice for case, advice in cases.items()} == {
        "small device": "mid",  # tiny is 25 points behind
        "quick prototyping": "big",
        "best accuracy": "big",
    }
    assert all(advice.front == ("big", "mid", "tiny") for advice in cases.values())
    told = ["case", "choice", "reasons", "excluded", "tie", "caution"]
    assert [*cases["small device"].model_dump()] == told


def test_seeds_that_diverged_are_said_with_the_choice_and_of_the_others() -> None:
    frail = BIG.model_copy(update={"num_diverged": 1, "num_seeds": 3})
    advice = advise([frail, MID])
    assert advice.caution
    assert (advice.choice, said(advice.caution)) == ("big", "1 of 3 seeds diverged")
    assert words(advice.reasons)[0].startswith("big: 1 of 3 seeds diverged")
    other = advise([BIG, MID.model_copy(update={"num_diverged": 2, "num_seeds": 3})])
    assert other.caution == ""
    assert "mid: 2 of 3 seeds diverged" in reasons(other)
    assert "diverged" not in reasons(advise([BIG, MID]))


def test_a_model_that_has_learnt_nothing_is_never_advised() -> None:
    idle = TINY.model_copy(update={"accuracy_frac": 0.93, "accuracy_low_frac": 0.92})
    idle = idle.model_copy(update={"accuracy_high_frac": 0.94, "guessing_frac": 0.92})
    for advice in advise_cases([BIG, MID, idle]):
        assert advice.choice != "tiny"
        assert words(advice.excluded) == (
            "tiny: accuracy 93.0 % (92.0 to 94.0) is at or near the 92.0 % of the largest class: "
            "it has not learnt these images",
        )
        assert "tiny" not in reasons(advice)
    alone = advise([idle])
    assert alone.choice is None
    assert words(alone.reasons) == ("No model has learnt more than to name the largest class.",)


@pytest.mark.parametrize(
    ("prefer", "choice"),
    [
        ("accuracy", "big"),
        ("speed", "tiny"),
        ("size", "tiny"),
        ("memory", "tiny"),
        ("training", "tiny"),
    ],
)
def test_a_minimum_of_accuracy_replaces_the_tolerated_loss(prefer: Prefer, choice: str) -> None:
    assert advise(ALL, Limits(min_accuracy_frac=0.6), prefer).choice == choice


@pytest.mark.parametrize(
    ("limits", "excluded", "choice"),
    [
        ({"size_mib": 9.0}, {"big", "worse"}, "mid"),
        ({"latency_ms": 1.5}, {"big", "mid", "worse"}, "tiny"),
        ({"train_s": 400.0}, {"mid", "worse"}, "big"),
        ({"memory_mib": 920.0}, {"worse"}, "big"),
        ({"min_accuracy_frac": 0.92}, {"tiny"}, "big"),
        ({"size_mib": 9.0, "train_s": 400.0}, {"big", "mid", "worse"}, "tiny"),
        ({"size_mib": 0.5}, {"big", "mid", "tiny", "worse"}, None),
    ],
)
def test_limits_exclude_and_say_whom(
    limits: dict[str, float], excluded: set[str], choice: str | None
) -> None:
    advice = advise(ALL, Limits(**limits))
    assert {sentence.partition(":")[0] for sentence in words(advice.excluded)} == excluded
    assert advice.choice == choice


def test_an_exclusion_names_the_limit_and_both_numbers() -> None:
    advice = advise(ALL, Limits(size_mib=20.0, min_accuracy_frac=0.952))
    assert "big: size 40 MiB is over the limit of 20 MiB" in words(advice.excluded)
    noise = (
        "big: accuracy 95.0 % (94.7 to 95.3) is under the minimum of 95.2 %, though within noise"
    )
    assert noise in words(advice.excluded)
    assert "mid: accuracy 93.0 % (92.7 to 93.3) is under the minimum of 95.2 %" in words(
        advice.excluded
    )
    assert words(advice.reasons) == ("No model meets all limits.",)


def test_an_unknown_cost_cannot_meet_a_limit() -> None:
    advice = advise((BIG, model("dark", 99.0)), Limits(size_mib=100.0))
    assert advice.choice == "big"
    assert words(advice.excluded) == (
        "dark: size is unknown, so the limit of 100 MiB cannot be checked",
    )


def test_an_unknown_cost_is_passed_over_where_that_cost_decides() -> None:
    advice = advise((BIG, model("dark", 95.5)), None, "size")
    assert advice.choice == "big"
    assert "Passed over, for their size is unknown: dark." in words(advice.reasons)


def test_memory_stands_in_for_an_unknown_size_and_says_so() -> None:
    models = (model("a", 95.0, memory_mib=90.0), model("b", 94.0, memory_mib=30.0))
    advice = advise(models, None, "size")
    assert advice.choice == "b"
    said = "Size is not known for any model that is accurate enough, so memory decides."
    assert said in words(advice.reasons)


def test_without_any_cost_accuracy_decides_and_says_so() -> None:
    advice = advise((model("a", 95.0), model("b", 94.0)), None, "speed")
    assert advice.choice == "a"
    said = "Latency is not known for any model that is accurate enough, so accuracy decides."
    assert said in words(advice.reasons)


def test_a_bad_model_does_not_win_for_being_the_only_one_measured() -> None:
    advice = advise((model("good", 95.0), model("bad", 85.0, train_s=10.0)), None, "training")
    assert advice.choice == "good"


def test_nothing_to_choose_from_is_said() -> None:
    assert advise(()) == Advice(
        case="your limits",
        choice=None,
        reasons=(state("advice.no_candidates"),),
        excluded=(),
        tie=(),
    )


# --- ties


def test_models_that_intervals_do_not_separate_tie() -> None:
    a, b = model("a", 95.0, size_mib=10.0), model("b", 94.8, size_mib=40.0)
    advice = advise((a, b))
    assert (advice.choice, advice.tie) == ("a", ("b",))
    assert "Tie within noise: b cannot be told from a in accuracy." in words(advice.reasons)
    assert "More seeds or test images may turn the order of a, b." in words(advice.reasons)


def test_a_tie_goes_to_the_model_that_costs_no_more_in_any_respect() -> None:
    a, b = model("a", 95.0, size_mib=40.0), model("b", 94.8, size_mib=10.0)
    advice = advise((a, b))
    assert (advice.choice, advice.tie) == ("b", ("a",))
    mixed = model("c", 94.8, size_mib=10.0, train_s=9.0), model("d", 95.0, size_mib=40.0, train_s=2)
    advice = advise(mixed)
    assert (advice.choice, advice.tie) == ("d", ("c",))
    assert "a weak reason" in reasons(advice)


def test_a_wide_tie_goes_to_the_higher_estimate() -> None:
    a, b = model("a", 90.0, half=20, size_mib=40.0), model("b", 75.0, half=20, size_mib=10.0)
    advice = advise((a, b))
    assert (advice.choice, advice.tie) == ("a", ("b",))


def test_separated_models_do_not_tie() -> None:
    advice = advise((model("a", 95.0, size_mib=40.0), model("b", 94.0, size_mib=10.0)))
    assert (advice.choice, advice.tie) == ("a", ())


@pytest.mark.parametrize(
    ("verdict", "tie"),
    [
        ("first better", ()),
        ("second better", ()),
        ("equivalent", ("b",)),
        ("cannot tell", ("b",)),
    ],
)
@pytest.mark.parametrize("half", [0.01, 5.0])
def test_a_verdict_goes_before_the_intervals(
    verdict: Any, tie: tuple[str, ...], half: float
) -> None:
    a, b = model("a", 95.0, half, size_mib=10.0), model("b", 94.8, half, size_mib=40.0)
    for duel in (
        Duel(first="a", second="b", verdict=verdict),
        Duel(first="b", second="a", verdict=verdict),
    ):
        assert advise((a, b), duels=(duel,)).tie == tie


def test_without_intervals_noise_is_unknown_rather_than_a_tie() -> None:
    a, b = model("a", 95.0, None, size_mib=40.0), model("b", 57.0, None, size_mib=10.0)
    advice = advise((a, b))
    assert (advice.choice, advice.tie) == ("a", ())
    assert "Whether noise alone separates it from b is not known" in reasons(advice)


def test_a_dominated_model_may_still_tie() -> None:
    a = model("a", 95.0, size_mib=10.0)
    advice = advise((a, model("b", 94.9, size_mib=11.0)))
    assert (advice.choice, advice.tie, advice.front) == ("a", ("b",), ("a",))


def test_times_within_five_per_cent_tie_and_accuracy_decides() -> None:
    a, b = model("a", 95.0, train_s=104.0), model("b", 93.0, train_s=100.0)
    advice = advise((a, b), None, "training")
    assert (advice.choice, advice.tie) == ("a", ("b",))
    assert "Tie within noise: the training time of a is within 5 % of that." in words(
        advice.reasons
    )
    apart = advise((model("a", 95.0, train_s=106.0), b), None, "training")
    assert (apart.choice, apart.tie) == ("b", ())


def test_sizes_are_counted_and_do_not_tie_by_noise() -> None:
    advice = advise(
        (model("a", 95.0, size_mib=10.1), model("b", 93.0, size_mib=10.0)), None, "size"
    )
    assert (advice.choice, advice.tie) == ("b", ())


# --- reasons


def test_reasons_give_numbers_intervals_and_what_would_change() -> None:
    advice = advise(ALL, None, "size", case="small device")
    assert words(advice.reasons) == (
        "No other model is as good in every respect as one of these: big, mid, tiny.",
        "Of the models that lose no more than 5 points of accuracy to the best (big, "
        "95.0 % (94.7 to 95.3)), mid is the smallest: 9 MiB, 93.0 % (95 % interval 92.7 to 93.3).",
        "Against big, 95.0 % (94.7 to 95.3): size 9 MiB against 40 MiB, latency 3 ms against 4 ms, "
        "training time 500 s against 300 s, memory 600 MiB against 900 MiB.",
        "Against tiny, 70.0 % (69.7 to 70.3): size 9 MiB against 1 MiB, latency 3 ms against 1 ms, "
        "training time 500 s against 50 s, memory 600 MiB against 100 MiB.",
        "It would be tiny, 70.0 % (69.7 to 70.3), under a limit on size below 9 MiB or a limit on "
        "latency below 3 ms or a limit on memory below 600 MiB.",
        "It would be big, 95.0 % (94.7 to 95.3), under a limit on training time below 500 s.",
        "If 70.0 % (69.7 to 70.3) were enough, it would be tiny: 1 MiB.",
        "Were accuracy worth more, it would be big, 95.0 % (94.7 to 95.3).",
    )


def test_without_the_limits_another_would_be_chosen() -> None:
    advice = advise(ALL, Limits(size_mib=10.0))
    assert "Without the limits it would be big, 95.0 % (94.7 to 95.3)." in words(advice.reasons)


def test_a_model_that_is_best_in_everything_leaves_nothing_to_change() -> None:
    advice = advise((BIG, WORSE))
    assert (
        words(advice.reasons)[0] == "No model is better than big in any respect that was measured."
    )
    assert words(advice.reasons)[-1] == "No limit on what was measured would change the choice."


@pytest.mark.parametrize(
    ("half", "words"),
    [
        (0.05, "95.00 % (95 % interval 94.95 to 95.05)"),
        (0.3, "95.0 % (95 % interval 94.7 to 95.3)"),
        (8.0, "95 % (95 % interval 87 to 100)"),
        (None, "95.00 % (interval unknown)"),
    ],
)
def test_accuracies_are_printed_as_finely_as_their_interval_allows(
    half: float | None, words: str
) -> None:
    assert words in reasons(advise((model("a", 95.0, half), model("b", 10.0, half))))


@pytest.mark.parametrize(
    "fields",
    [
        {"accuracy_low_frac": 0.5},
        {"accuracy_low_frac": 0.95, "accuracy_high_frac": 0.99},
        {"size_mib": 0.0},
        {"latency_ms": -1.0},
        {"train_s": float("nan")},
    ],
)
def test_impossible_candidates_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Candidate(model="a", accuracy_frac=0.9, **fields)


# --- whatever the numbers

AMOUNT = st.one_of(st.none(), st.sampled_from([1.0, 2.0, 3.0, 50.0]))
CANDIDATES = st.lists(
    st.builds(
        lambda percent, half, costs: (percent, half, costs),
        st.integers(50, 95),
        st.sampled_from([None, 0.1, 2.0]),
        st.fixed_dictionaries(dict.fromkeys(COSTS, AMOUNT)),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda drawn: drawn[0],
).map(lambda drawn: [model(f"m{i}", *one[:2], **one[2]) for i, one in enumerate(drawn)])
PREFER = st.sampled_from(["accuracy", "speed", "size", "memory", "training"])
LIMITS = st.builds(Limits, **dict.fromkeys(COSTS, AMOUNT))


@given(CANDIDATES, LIMITS, PREFER)
def test_the_choice_is_within_limits_and_on_the_front(
    models: list[Candidate], limits: Limits, prefer: Prefer
) -> None:
    advice = advise(models, limits, prefer)
    out = {sentence.partition(":")[0] for sentence in words(advice.excluded)}
    assert (advice.choice is None) == (len(out) == len(models))
    if advice.choice is not None:
        assert advice.choice in advice.front
        assert advice.choice not in out
        assert advice.choice not in advice.tie
        assert not out & set(advice.tie)


@given(CANDIDATES, LIMITS, PREFER)
def test_order_of_candidates_changes_no_choice(
    models: list[Candidate], limits: Limits, prefer: Prefer
) -> None:
    first = advise(models, limits, prefer)
    for shuffled in list(permutations(models))[:12]:
        other = advise(shuffled, limits, prefer)
        assert (other.choice, set(other.tie)) == (first.choice, set(first.tie))


@given(CANDIDATES, PREFER)
def test_limits_that_nobody_breaks_change_no_choice(
    models: list[Candidate], prefer: Prefer
) -> None:
    wide = {c: 99.0 for c in COSTS if all(m.cost(c) is not None for m in models)}
    limited, free = advise(models, Limits(**wide), prefer), advise(models, None, prefer)
    assert (limited.choice, limited.tie) == (free.choice, free.tie)


def test_the_command_offers_every_preference() -> None:
    assert get_args(Prefer) == PREFERENCES
