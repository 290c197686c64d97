"""Which of the candidates that looked faster is said to be."""

import importlib
import sys
import types

import pytest

NAMES = "abcdefgh"


@pytest.fixture(scope="module")
def modules(python_of_tuner):
    """The tuner's search and tune.py, with what they import."""
    sys.path += map(str, python_of_tuner.parents[1].glob("lib/python3*/site-packages"))
    return importlib.import_module("tuner.search"), importlib.import_module("tune")


def search_of(modules, duels):
    """A search whose duels end as given: {candidate: (low, ratio, high)}, an error, or None where it was not measured."""
    search = modules[0].Search(None, None, None, {"search": {"seconds": 1}}, None)
    search.fought = []

    def duel(problem, incumbent, candidate):
        search.fought.append(candidate)
        result = duels.get(candidate)
        return dict(zip(("low", "ratio", "high"), result)) if isinstance(result, tuple) else result

    search.duel = duel
    return search


def trials_of(modules, *ratios):
    return [modules[0].Trial(name, ratio, None) for name, ratio in zip(NAMES, ratios)]


def test_a_disturbed_trial_does_not_hide_the_winner(modules):
    search = search_of(modules, {"b": (1.1, 1.14, 1.2), "c": (0.94, 0.95, 0.96)})
    best, duel = search.duels(None, "a", trials_of(modules, 1.0, 0.88, 0.95, 0.97))
    assert (best.candidate, duel["ratio"], search.fought) == ("c", 0.95, ["b", "c"])


def test_without_a_win_it_is_the_one_that_lost_by_least(modules):
    search = search_of(modules, {"b": (1.1, 1.14, 1.2), "c": (0.98, 1.0, 1.02), "d": {"error": {"kind": "crash"}}})
    best, duel = search.duels(None, "a", trials_of(modules, 1.0, 0.88, 0.95, 0.97, 0.99))
    assert (best.candidate, duel["ratio"]) == ("c", 1.0) and len(search.fought) == modules[0].DUELS


@pytest.mark.parametrize("ratios", [(1.0,), (1.0, 1.2), ()])
def test_nothing_that_is_slower_is_fought(modules, ratios):
    search = search_of(modules, {})
    _, duel = search.duels(None, "a", trials_of(modules, *ratios))
    assert duel is None and not search.fought


def test_a_kernel_that_lost_its_duel_is_not_the_best_found(modules):
    duels = [{"low": 1.1, "ratio": 1.25, "high": 1.4}, {"low": 0.79, "ratio": 0.8, "high": 0.81}, None]
    outcomes = [modules[0].Outcome(types.SimpleNamespace(), "a", None, duel, []) for duel in duels]
    # Today's are the best but for one that takes 1.25 times the best's time: the third root of that.
    assert "today's kernels take 1.077 times" in modules[1].summary(outcomes)
