"""The problems that a tuned row is preferred for."""

from types import SimpleNamespace

import pytest
from tuner.rows import conditions
from tuner.space import Candidate


def outcome_of(width):
    sizes = {"batch": 8, "groups": 1, "in_height": 7, "in_width": width, "in_channels": 5, "out_height": 7, "out_width": width,
             "out_channels": 6}
    incumbent = Candidate("conv2d_backprop_input", "direct", (3, 3), (1, 1), {})
    return SimpleNamespace(problem=SimpleNamespace(sizes=sizes, op=incumbent.op), incumbent=incumbent)


@pytest.mark.parametrize("images", [1, 4])
def test_a_batch_is_in_whole_tiles(images):
    outcome = outcome_of(7)
    when = conditions(outcome, outcome.incumbent._replace(params={"tile_images": images}), [outcome])
    assert when.pop("multiple_batch", 1) == images
    assert when == conditions(outcome, outcome.incumbent, [outcome])


def test_a_row_ends_where_another_problem_is_nearer():
    small, large = outcome_of(10), outcome_of(14)
    outcomes = [small, large]
    assert conditions(small, small.incumbent, outcomes)["max_in_width"] == 12
    assert conditions(large, large.incumbent, outcomes)["min_in_width"] == 13
    alone = conditions(small, small.incumbent, [small])
    assert (alone["min_in_width"], alone["max_in_width"], alone["min_in_channels"], alone["max_in_channels"]) == (6, 15, 5, 5)
