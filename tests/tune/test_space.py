"""The candidates that an exhaustive search tries."""

import itertools
import json
import math
import random

import kernel_rows
import pytest
from declarations import OPS, even, round_up
from tuner.kernels import row_of
from tuner.space import GRIDS, Candidate, Space, UnknownCandidate, logged_candidate

FACTS = {"vector_bytes": 32, "registers": 16, "l1_bytes": 32 * 1024, "l2_bytes": 512 * 1024}


def space_of(op, image, in_channels, out_channels, filter_size=(3, 3), batch=1, stride=(1, 1), dtype="f32"):
    height, width = image
    sizes = {"batch": batch, "groups": 1, "in_height": height, "in_width": width, "in_channels": in_channels,
             "out_height": -(-height // stride[0]), "out_width": -(-width // stride[1]), "out_channels": out_channels}
    return Space(op, filter_size, stride, sizes, FACTS, False, dtype)


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
        assert space.canonical(space.families[candidate.algorithm], candidate.params) == candidate.params
    source, suggested = random.Random(1), set()
    for _ in range(8000):
        candidate = space.suggest(Drawing(source))
        if candidate and space.broken_limit(candidate) is None:
            suggested.add(str(candidate))
    assert len(suggested) > 100 and suggested <= names
    # Nothing that keeps the limits is passed over by looking ahead: numbers drawn without a look at them are there too.
    kept = 0
    for _ in range(8000):
        family = space.families[source.choice(space.algorithms)]
        drawn = {name: source.randint(param.least, min(param.most, param.least + 12)) for name, param in family.params.items()}
        candidate = space.candidate(family, space.canonical(family, drawn))
        if space.broken_limit(candidate) is None:
            kept += 1
            assert str(candidate) in names, candidate
    assert kept > 50


@pytest.mark.parametrize("filter_size", [(1, 1), (3, 3), (7, 7)])
@pytest.mark.parametrize("op", OPS)
def test_what_a_search_suggests_is_worth_a_try(op, filter_size):
    """Not one in twenty, as of numbers that do not know of each other: a search would end after what it starts from."""
    space = space_of(op, (56, 56), 64, 256, filter_size, batch=4)
    source, worth = random.Random(1), 0
    for _ in range(200):
        candidate = space.suggest(Drawing(source))
        worth += candidate is not None and space.broken_limit(candidate) is None
    assert worth >= 190


@pytest.mark.parametrize("algorithm", ["direct", "winograd_4x4"])
@pytest.mark.parametrize("op", OPS)
def test_neighbours_are_worth_a_try_and_differ_a_little(op, algorithm):
    space = space_of(op, (56, 56), 64, 256, batch=4)
    candidate = next(c for c in space.finest_grid(1000)[1] if c.algorithm == algorithm)
    found = space.neighbours(candidate)
    assert {near.algorithm for near in found} > {algorithm}
    everything = [*found, candidate]
    assert len(found) > 3 and len({str(near) for near in everything}) == len(everything)
    for near in found:
        assert space.broken_limit(near) is None
        assert space.canonical(space.families[near.algorithm], near.params) == near.params
        changed = {name for name, value in near.params.items() if value != candidate.params.get(name, value)}
        assert sum(not name.startswith("block_") for name in changed) <= 2, (candidate, near)
    # Whatever can be reached from it can be asked of a search.
    class Told:
        def __init__(self, numbers):
            self.numbers = numbers

        def suggest_categorical(self, name, values):
            return self.numbers[name]

        def suggest_int(self, name, least, most, log):
            assert least <= self.numbers[name] <= most, name
            return self.numbers[name]

    for near in everything:
        assert space.suggest(Told(space.suggestions(near))) == near


@pytest.mark.parametrize("filter_size, values", [((1, 1), {0, 1}), ((3, 3), {0})])
def test_the_input_is_read_in_place_and_has_vectors_under_one_tap_only(filter_size, values):
    space = space_of("conv2d_backprop_filter", (3, 5), 4, 9, filter_size)
    direct = [candidate for candidate in space.enumerated(10**6) if candidate.algorithm == "direct"]
    assert {candidate.params["input_in_place"] for candidate in direct} == values
    assert ("along_input" in space.algorithms) == (1 in values)


@pytest.mark.parametrize("filter_size, values", [((1, 1), {1}), ((3, 2), {1, 2}), ((2, 3), {1, 3}), ((1, 4), {1, 2, 4})])
def test_the_taps_of_a_tile_divide_the_filters_width(filter_size, values):
    space = space_of("conv2d_backprop_filter", (3, 5), 2, 9, filter_size)
    assert {c.params["tile_taps"] for c in space.enumerated(10**6) if c.algorithm == "direct"} == values


@pytest.mark.parametrize("batch, width, values", [(1, 3, {1}), (2, 3, {1, 2}), (4, 3, {1, 2, 4}), (4, 33, {1})])
def test_the_images_of_a_tile_divide_the_batch_of_small_images(batch, width, values):
    space = space_of("conv2d_backprop_input", (2, width), 3, 9, batch=batch)
    candidates = space.enumerated(10**6, GRIDS[3])
    direct = [candidate.params for candidate in candidates if candidate.algorithm == "direct"]
    assert {params["tile_images"] for params in direct} == values
    assert {params["block_images"] % params["tile_images"] for params in direct} == {0}
    assert {"direct", "one_panel", "along_reduction", "along_width"} <= {candidate.algorithm for candidate in candidates}


def kernel_of(candidate):
    target = kernel_rows.Target("x86_64_avx2", [kernel_rows.ROOT / "schedules"], "x86-64", "linux")
    return kernel_rows.Kernel(candidate.op, row_of(candidate), target, "a candidate")


@pytest.mark.parametrize("op, channels", [("conv2d_backprop_filter", 2), ("conv2d_backprop_input", 3)])
def test_candidates_have_names_of_their_own(op, channels):
    """Kernels are kept by name: of two with the same one, the first would be timed for both."""
    candidates = space_of(op, (3, 5), channels, 9, stride=(2, 2), batch=2).enumerated(10**6)
    assert len({kernel_of(candidate).name for candidate in candidates}) == len(candidates) > 100


@pytest.mark.parametrize("taps, others", [(1, {3}), (3, {1})])
def test_a_neighbour_has_more_or_fewer_taps(taps, others):
    space = space_of("conv2d_backprop_filter", (56, 56), 3, 32)
    candidate = next(c for c in space.enumerated(10**6, GRIDS[-1])
                     if c.params.get("tile_taps") == taps and c.params["tile_vectors"] == 1)
    found = {near.params["tile_taps"] for near in space.neighbours(candidate) if near.algorithm == "direct"}
    assert found - {taps} == others


def test_a_task_with_vectors_of_the_input_has_channels_of_it():
    params = {"tile_vectors": 2, "tile_channels": 3, "block_vectors": 4, "block_channels": 6}
    kernel = kernel_of(Candidate("conv2d_backprop_filter", "along_input", (1, 1), (1, 1), params))
    facts = kernel.facts()
    assert (facts["task.in_channels"], facts["task.out_channels"]) == (32, 6)
    assert (facts["slice.in_channels"], facts["slice.out_channels"]) == (16, 3) and "_c16k3_" in kernel.name


@pytest.mark.parametrize("op", OPS)
def test_candidates_of_doubles_are_of_half_as_many_lanes(op):
    space = space_of(op, (56, 56), 64, 256, batch=4, dtype="f64")
    _, found = space.finest_grid(300)
    for candidate in found:
        kernel = kernel_of(candidate)
        assert (candidate.dtype, kernel.dtype, kernel.lanes) == ("f64", "f64", 4) and "_f64_" in kernel.name
    assert "winograd_4x4" in space.algorithms
    assert not space.is_alike(found[0]._replace(dtype="f32"))


def test_blocks_along_the_width_count_vectors_of_a_phase():
    space = space_of("conv2d_backprop_input", (225, 224), 3, 32, stride=(2, 2))
    row = {"op": "conv2d_backprop_input", "algorithm": "along_width", "filter": (3, 3), "stride": (2, 2),
           "params": {"tile_channels": 3, "tile_width": 3, "block_width": 60, "block_height": 200}}
    params = space.adapted(logged_candidate(row)).params
    assert (params["block_width"], params["block_height"]) == (15, 113)  # 14 of 8 columns


@pytest.mark.parametrize("algorithm, name", [("direct", "one_panel"), ("winograd_2x2", "winograd_2x2")])
def test_a_candidate_of_another_time_is_refused_in_words(algorithm, name):
    given = {"op": "conv2d", "algorithm": algorithm, "filter": [3, 3], "stride": [1, 1], "params": {"tile_vectors": 2, "one_panel": 1}}
    with pytest.raises(UnknownCandidate, match=f"{name}.* is of an earlier version of convgrad"):
        logged_candidate(given)


@pytest.mark.parametrize("channels", [3, 9])
def test_vectors_run_along_the_width_of_few_channels_only(channels):
    space = space_of("conv2d_backprop_input", (3, 5), channels, 4, stride=(2, 2))
    assert ("along_width" in {candidate.algorithm for candidate in space.enumerated(10**6)}) == (channels == 3)


def test_a_row_whose_tile_has_a_part_of_the_taps_is_refused():
    target = kernel_rows.Target("x86_64_avx2", [kernel_rows.ROOT / "schedules"], "x86-64", "linux")
    row = {"dtype": "f32", "algorithm": "direct", "params": {"tile_taps": 2}, "accepts": {"filter": "2x3", "stride": "1x1"}}
    with pytest.raises(kernel_rows.RowError, match="tile_taps is a divisor of the filter's width: tile_taps is 2, filter_width is 3"):
        kernel_rows.Kernel("conv2d_backprop_filter", row, target, "here")


def test_a_row_of_any_filter_whose_tile_has_several_images_is_refused():
    target = kernel_rows.Target("x86_64_avx2", [kernel_rows.ROOT / "schedules"], "x86-64", "linux")
    row = {"dtype": "f32", "algorithm": "generic", "params": {"tile_images": 2, "block_images": 2}}
    with pytest.raises(kernel_rows.RowError, match="params.tile_images is not a parameter of algorithm generic of conv2d"):
        kernel_rows.Kernel("conv2d", row, target, "here")


@pytest.mark.parametrize("algorithm, params, name", [("direct", {"input_in_place": 1}, "input_in_place"),
                                                     ("along_input", {}, "along_input")])
def test_a_row_that_is_for_one_tap_is_refused_under_more(algorithm, params, name):
    target = kernel_rows.Target("x86_64_avx2", [kernel_rows.ROOT / "schedules"], "x86-64", "linux")
    row = {"dtype": "f32", "algorithm": algorithm, "params": params,
           "accepts": {"filter": "3x3", "stride": "1x1"}}
    with pytest.raises(kernel_rows.RowError, match=f"{name} is for filters of 1x1"):
        kernel_rows.Kernel("conv2d_backprop_filter", row, target, "here")


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
        assert {candidate.algorithm for candidate in found} >= {"direct", "winograd_4x4"}
        for name in ("tile_vectors", "block_vectors"):
            assert len({candidate.params[name] for candidate in found}) > 2


@pytest.mark.parametrize("channels", [16, 24, 64, 128, 256])
def test_blocks_of_input_channels_are_whole_tiles_and_whole_vectors(channels):
    space = space_of("conv2d_backprop_filter", (1, 3136), channels, 64, (1, 1))
    _, found = space.finest_grid(1000)
    for tile in (3, 4):
        blocks = {c.params["block_channels"] for c in found
                  if c.algorithm == "direct" and c.params["tile_channels"] == tile}
        assert round_up(channels, math.lcm(tile, 8)) in blocks, (tile, blocks)


def rows_of(target, op):
    folder = kernel_rows.ROOT / "schedules" / target
    facts = json.loads((folder / "target.json").read_text())
    rows = json.loads((folder / "default.json").read_text())["rows"]
    return facts, [row for row in rows if row["op"] == op and row["algorithm"] == "direct"]


@pytest.mark.parametrize("target", ["x86_64_avx512", "x86_64_avx2", "x86_64_sse41", "arm_64_neon"])
def test_todays_filter_gradients_are_worth_a_try(target):
    """What a search starts from breaks no limit, as it is and fitted to a problem."""
    facts, rows = rows_of(target, "conv2d_backprop_filter")
    assert rows
    facts = {"vector_bytes": facts["vector_bytes"], "registers": facts["registers"], "l1_bytes": 48 * 1024, "l2_bytes": 2 << 20}
    for row in rows:
        filter_size, stride = (tuple(map(int, row["accepts"][name].split("x"))) for name in ("filter", "stride"))
        for channels in (3, 16, 64, 256):
            sizes = {"batch": 4, "groups": 1, "in_height": 56, "in_width": 56, "in_channels": channels, "out_height": 56,
                     "out_width": 56, "out_channels": 64}
            space = Space(row["op"], filter_size, stride, sizes, facts, True)
            given = logged_candidate({**row, "filter": filter_size, "stride": stride})
            assert space.broken_limit(given) is None, row
            assert space.broken_limit(space.adapted(given)) is None, (row, channels)


def test_blocks_are_as_even_as_so_many_can_be():
    """Of 576 channels in blocks of 560 and 16, two threads are no faster than one."""
    space = Space("conv2d_backprop_filter", (1, 1), (1, 1), {"batch": 4, "groups": 1, "in_height": 1, "in_width": 196,
                  "in_channels": 576, "out_height": 1, "out_width": 196, "out_channels": 160}, {**FACTS, "vector_bytes": 64}, False)
    family = space.families["direct"]
    preset = {name: param.preset for name, param in family.params.items()}
    params = space.canonical(family, {**preset, "tile_vectors": 2, "tile_channels": 14, "block_vectors": 8,
                                      "block_channels": 560})
    assert (params["block_channels"], params["block_vectors"]) == (336, 6)  # the first in whole vectors and tiles
    source = random.Random(1)
    for _ in range(300):
        size, step = source.randint(1, 300), source.randint(1, 8)
        given = step * source.randint(1, 50)
        made = even(given, size, step)
        count = -(-size // given)
        assert made % step == 0 and -(-size // made) == count  # as many as before
        assert made == step or -(-size // (made - step)) > count  # smaller ones would be more
    for op, filter_size, channels in itertools.product(OPS, ((1, 1), (3, 3)), (3, 72)):
        space = space_of(op, (30, 41), channels, 200, filter_size, batch=3)
        for family in space.families.values():
            for _ in range(300):
                drawn = {name: source.randint(p.least, min(p.most, p.least + 60)) for name, p in family.params.items()}
                once = space.canonical(family, drawn)
                assert space.canonical(family, once) == once, (family.name, drawn)
