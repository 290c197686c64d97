"""What may be tried for a problem: kernels, their numbers, and what of them is worth a compilation."""

import collections
import itertools
import math
import re
import sys

import kernel_rows

# A kernel before it has a name: what kernel_rows.Kernel is made of. `params` is a dict of all of the family's numbers.
Candidate = collections.namedtuple("Candidate", "op algorithm filter stride params")

# Which size of the (normalized) problem a number counts pieces of: beyond it all values make the same kernel.
CHANNELS_OF_RESULT = {"conv2d": "out_channels", "conv2d_backprop_input": "in_channels"}
REDUCED_CHANNELS = {"conv2d": "in_channels", "conv2d_backprop_input": "out_channels"}
IMAGE_OF_RESULT = {"conv2d": "out", "conv2d_backprop_input": "in"}
MOST_FEW_CHANNELS = 8  # of the result, for vectors along the reduced channels
WINOGRAD_TILE = 4  # pixels, both ways
ONLY_ON_GPU = {"target_blocks"}
# A grid: what the problem's own sizes are divided by, again and again (None: every size), and of which part of the registers
# the sums of a tile are, at least. From the finest to the coarsest.
Grid = collections.namedtuple("Grid", "divisor sums")
EVERYTHING = Grid(None, 0)
GRIDS = (EVERYTHING, *(Grid(divisor, 0) for divisor in (2, 3, 4, 6, 8)), Grid(8, 0.5), Grid(8, 0.75), Grid(16, 0.75))


def round_up(value, multiple):
    return -(-value // multiple) * multiple


def factors_of_rules(family):
    """{block: tile} of the rules "block % tile == 0"."""
    pairs = (re.fullmatch(r"(\w+) % (\w+) == 0", expression) for expression, _ in kernel_rows.RULES[family])
    return {match[1]: match[2] for match in pairs if match}


def logged_candidate(given):
    """A candidate that a log or a row's file tells."""
    return Candidate(given["op"], given["algorithm"], tuple(given["filter"]), tuple(given["stride"]), given["params"])


def with_presets(candidate, known):
    """A candidate of a time when there were fewer numbers: the others have their defaults. `known`: schedule_params()."""
    family = kernel_rows.ALGORITHMS[candidate.algorithm].get("family", "") + kernel_rows.FAMILY_OF_OP[candidate.op]
    return candidate._replace(params={name: candidate.params.get(name, preset) for name, (preset, _, _) in known[family].items()})


class Space:
    """The candidates of one op on one problem. `sizes` are the problem's as rows compare them (normalized), `filter` and
    `stride` the problem's, `facts` the machine's: lanes, registers, l1_bytes, l2_bytes."""

    def __init__(self, op, filter_size, stride, sizes, facts, strict):
        self.op, self.filter, self.stride, self.sizes, self.facts = op, tuple(filter_size), tuple(stride), sizes, facts
        self.known = kernel_rows.schedule_params()
        limits = kernel_rows.schedule_expressions("LIMIT")
        self.limits = {family: [(compile(text, "a limit", "eval"), meaning) for text, meaning in rules + limits[family]]
                       for family, rules in kernel_rows.RULES.items()}
        winograd = kernel_rows.ALGORITHMS["winograd_4x4"]
        self.algorithms = ["direct"]
        if not strict and (self.filter, self.stride) == winograd["accepts"]:
            self.algorithms.append("winograd_4x4")

    def family(self, algorithm):
        return kernel_rows.ALGORITHMS[algorithm].get("family", "") + kernel_rows.FAMILY_OF_OP[self.op]

    def candidate(self, algorithm, params):
        return Candidate(self.op, algorithm, self.filter, self.stride, params)

    def suggest(self, trial):
        """A candidate of an Optuna trial; its numbers need not keep the limits, nor rules other than those of multiples."""
        algorithm = trial.suggest_categorical("algorithm", self.algorithms)
        family = self.family(algorithm)
        factors = factors_of_rules(family)
        params = {}
        for name, (preset, least, most) in self.known[family].items():
            label = f"{algorithm}.{name}"
            if name in ONLY_ON_GPU or (name == "along_reduction" and not self.may_go_along_reduction()):
                params[name] = preset
            elif name in factors:
                tile = params[factors[name]]
                params[name] = tile * trial.suggest_int(f"{label}.tiles", 1, max(1, most // tile), log=True)
            else:
                params[name] = trial.suggest_int(label, least, most, log=most > 8 and least > 0)
        return self.candidate(algorithm, self.canonical(family, params))

    def adapted(self, candidate):
        """A candidate of before for this problem, also of a time when there were fewer numbers."""
        params = with_presets(candidate, self.known).params
        return self.candidate(candidate.algorithm, self.canonical(self.family(candidate.algorithm), params))

    def may_go_along_reduction(self):
        return self.op == "conv2d_backprop_input" and self.sizes["in_channels"] <= MOST_FEW_CHANNELS

    def suggestions(self, candidate):
        """What suggest() would have been told for this candidate: where a search starts."""
        family = self.family(candidate.algorithm)
        factors = factors_of_rules(family)
        told = {"algorithm": candidate.algorithm}
        for name, (_, least, most) in self.known[family].items():
            label, value = f"{candidate.algorithm}.{name}", candidate.params[name]
            if name in factors:
                told[f"{label}.tiles"] = value // candidate.params[factors[name]]
            elif name not in ONLY_ON_GPU:
                told[label] = value
        return told

    def canonical(self, family, params):
        """The same kernel by the smallest numbers: blocks no larger than the problem."""
        params = dict(params)
        if family == "image":
            lanes, image = self.facts["lanes"], IMAGE_OF_RESULT[self.op]
            params["along_reduction"] = min(params["along_reduction"], params["one_panel"])
            params["prefetch"] = min(params["prefetch"], params["one_panel"] - params["along_reduction"])
            vector = 1 if params["along_reduction"] else lanes
            reduced = self.sizes[REDUCED_CHANNELS[self.op]]
            # One panel holds them all, so their number is not a choice.
            params["block_reduction"] = round_up(reduced, lanes) if params["one_panel"] else min(params["block_reduction"],
                                                                                                 round_up(reduced, lanes))
            self.clamp(params, "block_vectors", -(-self.sizes[CHANNELS_OF_RESULT[self.op]] // vector), "tile_vectors")
            self.clamp(params, "block_width", self.sizes[f"{image}_width"], "tile_width")
            self.clamp(params, "block_height", self.sizes[f"{image}_height"], "tile_height")
            params["block_images"] = min(params["block_images"], self.sizes["batch"])
        elif family == "filter":
            self.clamp(params, "block_vectors", -(-self.sizes["out_channels"] // self.facts["lanes"]), "tile_vectors")
            self.clamp(params, "block_channels", self.sizes["in_channels"], "tile_channels")
            # A panel in whole vectors and in whole tiles, as a limit asks for.
            if params["block_channels"] >= self.facts["lanes"]:
                params["block_channels"] = round_up(params["block_channels"],
                                                    math.lcm(params["tile_channels"], self.facts["lanes"]))
            if self.sizes["out_channels"] % self.facts["lanes"] != 0:
                params["in_place"] = 0  # it would be read lane by lane
            params["prefetch"] = min(params["prefetch"], params["in_place"])
            params["block_width"] = min(params["block_width"], self.sizes["out_width"])
            params["block_height"] = min(params["block_height"], self.sizes["out_height"])
        elif family == "winograd_image":
            channels = self.sizes[CHANNELS_OF_RESULT[self.op]]
            self.clamp(params, "block_vectors", -(-channels // self.facts["lanes"]), "tile_vectors")
            self.clamp(params, "block_tiles", self.winograd_tiles(IMAGE_OF_RESULT[self.op]), "tile_rows")
            params["block_reduction"] = min(params["block_reduction"],
                                            round_up(self.sizes[REDUCED_CHANNELS[self.op]], self.facts["lanes"]))
        elif family == "winograd_filter":
            self.clamp(params, "block_vectors", -(-self.sizes["out_channels"] // self.facts["lanes"]), "tile_vectors")
            self.clamp(params, "block_channels", self.sizes["in_channels"], "tile_channels")
            params["block_tiles"] = min(params["block_tiles"], self.winograd_tiles("out"))
        return params

    def winograd_tiles(self, image):
        sides = (self.sizes[f"{image}_height"], self.sizes[f"{image}_width"])
        return self.sizes["batch"] * math.prod(-(-side // WINOGRAD_TILE) for side in sides)

    @staticmethod
    def clamp(params, name, size, tile):
        params[name] = min(params[name], round_up(max(size, 1), params[tile]))

    def broken_limit(self, candidate):
        """The first rule or limit that a candidate breaks, in words; None: it is worth a try."""
        family = self.family(candidate.algorithm)
        for name, (_, least, most) in self.known[family].items():
            if not least <= candidate.params[name] <= most:
                return f"{name} is {candidate.params[name]}, its range is {least} to {most}"
        for expression, meaning in self.limits[family]:
            if not kernel_rows.holds(expression, {**candidate.params, **self.facts}):
                return meaning
        return None

    def enumerated(self, most, grid=EVERYTHING):
        """The candidates of a grid within rules, limits and canonical form; None where there are more than `most`."""
        every = itertools.chain.from_iterable(self.walk(algorithm, grid) for algorithm in self.algorithms)
        found = list(itertools.islice(every, most + 1))
        return found if len(found) <= most else None

    def finest_grid(self, most):
        """The finest grid of at most so many candidates, else the coarsest; and them."""
        for grid in GRIDS:
            found = self.enumerated(most if grid != GRIDS[-1] else sys.maxsize - 1, grid)
            if found is not None:
                return grid, found

    def walk(self, algorithm, grid):
        """The candidates of an algorithm, number by number: a rule or limit is asked as soon as its numbers are there."""
        family = self.family(algorithm)
        known, factors = self.known[family], factors_of_rules(family)
        # What others depend on comes first: switches, then tiles.
        names = sorted(known, key=lambda name: (known[name][1:] != (0, 1), not name.startswith("tile_")))
        sums = " * ".join(name for name in names if name.startswith("tile_"))
        limits = [[] for _ in names]
        for code in (compile(f"{sums} >= {grid.sums} * registers", "a grid", "eval"), *(code for code, _ in self.limits[family])):
            last = max((index for index, name in enumerate(names) if name in code.co_names), default=0)
            limits[last].append(code)
        presets = {name: preset for name, (preset, _, _) in known.items()}

        def go_on(index, params):
            if index == len(names):
                yield self.candidate(algorithm, {name: params[name] for name in known})
                return
            name = names[index]
            for value in self.values(family, name, {**presets, **params}, factors.get(name), grid.divisor):
                more = {**params, name: value}
                if all(kernel_rows.holds(code, {**more, **self.facts}) for code in limits[index]):
                    yield from go_on(index + 1, more)

        return go_on(0, {})

    def values(self, family, name, params, tile, divisor):
        """What a number may be beside those that were chosen before it."""
        preset, least, most = self.known[family][name]
        if name in ONLY_ON_GPU or (name == "along_reduction" and not self.may_go_along_reduction()):
            return [preset]
        step = params[tile] if tile else 1
        bounds = [self.canonical(family, {**params, name: value})[name] for value in (round_up(least, step), most // step * step)]
        smallest, largest = (bound // step for bound in bounds)
        if divisor is None or name.startswith("tile_") or (least, most) == (0, 1):
            counts = range(smallest, largest + 1)
        else:
            counts, count = {largest}, largest
            while count > smallest and (count == largest or count > divisor):
                count = max(smallest, round_up(count, divisor) // divisor)
                counts.add(count)
        return sorted({self.canonical(family, {**params, name: count * step})[name] for count in counts})
