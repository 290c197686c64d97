"""The candidates that an exhaustive search tries."""

import random

import pytest
from tuner.space import GRIDS, Space

FACTS = {"lanes": 8, "registers": 16, "l1_bytes": 32 * 1024, "l2_bytes": 512 * 1024}
OPS = ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter")


def space_of(op, image, in_channels, out_channels, filter_size=(3, 3), batch=1):
    height, width = image
    sizes = {"batch": batch, "groups": 1, "in_height": height, "in_width": width, "in_channels": in_channels,
             "out_height": height, "out_width": width, "out_channels": out_channels}
    return Space(op, filter_size, (1, 1), sizes, FACTS, False)


class Drawing:
    """Stands in for an Optuna trial: numbers at random."""

    def __init__(self, source):
        self.source = source

    def suggest_categorical(self, name, values):
        return self.source.choice(values)

    def suggest_int(self, name, least, most, log):
        return self.source.randint(least, min(most, least + 12))


@pytest.mark.parametrize("op", OPS)
def test_everything_is_what_a_search_may_suggest(op):
    space = space_of(op, (3, 5), 4, 9)
    everything = space.enumerated(10**6)
    names = {str(candidate) for candidate in everything}
    assert len(names) == len(everything)
    for candidate in everything:
        assert space.broken_limit(candidate) is None
        assert space.canonical(space.family(candidate.algorithm), candidate.params) == candidate.params
    source, suggested = random.Random(1), set()
    for _ in range(20000):
        candidate = space.suggest(Drawing(source))
        if space.broken_limit(candidate) is None:
            suggested.add(str(candidate))
    assert len(suggested) > 100 and suggested <= names


@pytest.mark.parametrize("op", OPS)
def test_grids_are_parts_of_everything_and_get_coarser(op):
    space = space_of(op, (3, 5), 4, 9)
    everything = {str(candidate) for candidate in space.enumerated(10**6)}
    sizes = []
    for grid in GRIDS:
        found = {str(candidate) for candidate in space.enumerated(10**6, grid)}
        assert found <= everything
        sizes.append(len(found))
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 3 * sizes[-1] > 0


def test_a_real_layer_has_a_grid_that_can_be_tried():
    for op in OPS:
        space = space_of(op, (56, 56), 64, 64, batch=4)
        grid, found = space.finest_grid(1000)
        assert 300 < len(found) <= 1000, grid
        # The register tiles that are left differ in all ways, and blocks hold the whole problem or a part.
        assert {candidate.algorithm for candidate in found} == {"direct", "winograd_4x4"}
        for name in ("tile_vectors", "block_vectors"):
            assert len({candidate.params[name] for candidate in found}) > 2
