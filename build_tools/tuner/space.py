"""What may be tried for a problem: kernels, their numbers, and what of them is worth a compilation."""

import collections
import functools
import itertools
import math
import re
import sys

import kernel_rows

# A kernel before it has a name: what kernel_rows.Kernel is made of. `params` is a dict of all of the family's numbers.
Candidate = collections.namedtuple("Candidate", "op algorithm filter stride params")

# Which size of the (normalized) problem a number counts pieces of: beyond it all values do the same.
CHANNELS_OF_RESULT = {"conv2d": "out_channels", "conv2d_backprop_input": "in_channels"}
REDUCED_CHANNELS = {"conv2d": "in_channels", "conv2d_backprop_input": "out_channels"}
IMAGE_OF_RESULT = {"conv2d": "out", "conv2d_backprop_input": "in"}
MOST_FEW_CHANNELS = 8  # of the result, for vectors along the reduced channels or the width
WIDEST_SMALL_IMAGE = 32  # pixels: in wider ones a tile of one image's wastes little
WINOGRAD_TILE = 4  # pixels, both ways
ONLY_ON_GPU = {"target_blocks"}
# A grid: what the problem's own sizes are divided by, again and again (None: every size), and of which part of the registers
# the sums of a tile are, at least. From the finest to the coarsest.
Grid = collections.namedtuple("Grid", "divisor sums")
EVERYTHING = Grid(None, 0)
GRIDS = (EVERYTHING, *(Grid(divisor, 0) for divisor in (2, 3, 4, 6, 8)), Grid(8, 0.5), Grid(8, 0.75), Grid(16, 0.75))


class Limit(collections.namedtuple("Limit", "code meaning of_multiples")):
    """A rule or limit of schedule_params.inc; `of_multiples`: it is no matter of more or less."""

    @classmethod
    def of(cls, text, meaning):
        return cls(compile(text, "a limit", "eval"), meaning, "%" in text)

    def waits_for(self, names):
        return not set(names).isdisjoint(self.code.co_names)


class Number(collections.namedtuple("Number", "algorithm family name tile rest divisor limits early_limits")):
    """A number to be chosen: `tile`, the number that it is a multiple of, or None; the `rest`, those that are chosen later;
    `limits` that can be asked then, and `early_limits` that ask for some of the rest too."""

    @property
    def label(self):
        return f"{self.algorithm}.{self.name}" + (".tiles" if self.tile else "")

    def step(self, params):
        return params[self.tile] if self.tile else 1


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
        small = self.sizes[f"{IMAGE_OF_RESULT.get(op, 'out')}_width"] <= WIDEST_SMALL_IMAGE
        # What a number divides.
        self.divided = {"tile_taps": self.filter[1], "tile_images": self.sizes["batch"] if small else 1}
        limits = kernel_rows.schedule_expressions("LIMIT")
        self.limits = {family: [Limit.of(text, meaning) for text, meaning in rules + limits[family]]
                       for family, rules in kernel_rows.RULES.items()}
        winograd = kernel_rows.ALGORITHMS["winograd_4x4"]
        self.algorithms = ["direct"]
        if not strict and (self.filter, self.stride) == winograd["accepts"]:
            self.algorithms.append("winograd_4x4")

    def family(self, algorithm):
        return kernel_rows.ALGORITHMS[algorithm].get("family", "") + kernel_rows.FAMILY_OF_OP[self.op]

    def candidate(self, algorithm, params):
        """With its numbers in the order of their declaration, whichever they were chosen in: its text is its name."""
        ordered = {name: params[name] for name in self.known[self.family(algorithm)]}
        return Candidate(self.op, algorithm, self.filter, self.stride, ordered)

    def suggest(self, trial):
        """A candidate of an Optuna trial, number by number, each from what those before it leave of the limits. (Drawn from
        their whole ranges, one candidate in twenty kept all limits.) None: they leave nothing."""
        algorithm = trial.suggest_categorical("algorithm", self.algorithms)
        numbers, params = self.numbers(algorithm), {}
        for number in numbers:
            values = self.worth_a_try(number, tuple(params.items()))
            if not values:
                return None
            if len(values) > 1:
                least, most = values[0] // number.step(params), values[-1] // number.step(params)
                # TPE compares counts: a block of so many tiles is as good an idea with another tile.
                told = trial.suggest_int(number.label, least, most, log=self.is_wide(number)) * number.step(params)
                params[number.name] = min(values, key=lambda value: abs(value - told))
            else:
                params[number.name] = values[0]
        return self.candidate(algorithm, params)

    def is_wide(self, number):
        _, least, most = self.known[number.family][number.name]
        return most > 8 and least > 0

    def adapted(self, candidate):
        """A candidate of before for this problem, also of a time when there were fewer numbers."""
        params = with_presets(candidate, self.known).params
        return self.candidate(candidate.algorithm, self.canonical(self.family(candidate.algorithm), params))

    def is_fixed(self, name):
        """Whether a number is no choice here, but has its default."""
        along = self.op == "conv2d_backprop_input" and self.sizes["in_channels"] <= MOST_FEW_CHANNELS
        several_taps = self.filter != (1, 1)
        return (name in ONLY_ON_GPU or (name in ("along_reduction", "along_width") and not along) or
                (name in ("input_in_place", "along_input") and several_taps) or
                (name in self.divided and self.divided[name] == 1))

    def suggestions(self, candidate):
        """What suggest() would have been told for this candidate: where a search starts."""
        told = {number.label: candidate.params[number.name] // number.step(candidate.params)
                for number in self.numbers(candidate.algorithm)}
        return {"algorithm": candidate.algorithm, **told}

    def neighbours(self, candidate):
        """Those that differ in one number: a switch, a block of half or twice the size, or a tile with one more or less, where
        another of its sides makes up for that as far as the registers allow; blocks are rounded up to whole tiles."""
        family, numbers = self.family(candidate.algorithm), self.numbers(candidate.algorithm)
        tiles = [number.name for number in numbers if number.name.startswith("tile_")]
        found = {}

        def add(params):
            for number in numbers:
                params = {**params, number.name: round_up(params[number.name], number.step(params))}
            near = candidate._replace(params=self.canonical(family, params))
            if near != candidate and self.broken_limit(near) is None:
                found.setdefault(str(near), near)
                return True
            return False

        for number in numbers:
            _, least, most = self.known[family][number.name]
            value, step = candidate.params[number.name], number.step(candidate.params)
            if self.is_fixed(number.name):
                continue
            if (least, most) == (0, 1):
                add({**candidate.params, number.name: 1 - value})
            elif number.name in tiles:
                side = max((name for name in tiles if name != number.name), key=candidate.params.get)
                for changed in self.next_to(number, value):
                    # The largest that there is room for.
                    any(add({**candidate.params, number.name: changed, side: other})
                        for other in range(self.known[family][side][2], 0, -1) if changed > 0)
            else:
                for count in (value // step // 2, value // step * 2):
                    add({**candidate.params, number.name: max(count, 1) * step})
        return list(found.values())

    def next_to(self, number, value):
        if number.name not in self.divided:
            return value - 1, value + 1
        parts = self.divisors(number.name)
        return [*[fewer for fewer in parts if fewer < value][-1:], *[more for more in parts if more > value][:1]]

    def divisors(self, name):
        return [part for part in range(1, self.divided[name] + 1) if self.divided[name] % part == 0]

    def divisor(self, name, most):
        return max(part for part in self.divisors(name) if part <= most)

    def canonical(self, family, params):
        """The kernel that stands for all that are hardly different: blocks no larger than the problem, and as even as so many
        can be, since threads wait for the largest."""
        params = dict(params)
        if family == "image":
            lanes, image = self.facts["lanes"], IMAGE_OF_RESULT[self.op]
            params["along_reduction"] = min(params["along_reduction"], params["one_panel"])
            params["along_width"] = min(params["along_width"], params["one_panel"] - params["along_reduction"])
            params["prefetch"] = min(params["prefetch"], params["one_panel"] - params["along_reduction"])
            vector = 1 if params["along_reduction"] or params["along_width"] else lanes
            reduced = self.sizes[REDUCED_CHANNELS[self.op]]
            # One panel holds them all, so their number is not a choice.
            params["block_reduction"] = round_up(reduced, lanes) if params["one_panel"] else min(params["block_reduction"],
                                                                                                 round_up(reduced, lanes))
            if params["along_width"]:
                params["block_vectors"] = params["tile_vectors"]
            else:
                self.even(params, "block_vectors", -(-self.sizes[CHANNELS_OF_RESULT[self.op]] // vector), params["tile_vectors"])
            height, width = self.sizes[f"{image}_height"], self.sizes[f"{image}_width"]
            if params["along_width"]:  # blocks are of every phase of the stride
                height, width = -(-height // self.stride[0]), -(-width // self.stride[1] // lanes)
            self.even(params, "block_width", width, params["tile_width"])
            self.even(params, "block_height", height, params["tile_height"])
            along_result = not params["along_reduction"] and not params["along_width"]
            params["tile_images"] = self.divisor("tile_images", params["tile_images"]) if along_result else 1
            self.even(params, "block_images", self.sizes["batch"], params["tile_images"])
        elif family == "filter":
            params["tile_taps"] = self.divisor("tile_taps", params["tile_taps"])
            values, vectors = ("in_channels", "input_in_place"), ("out_channels", "in_place")
            if params["along_input"]:
                values, vectors = vectors, values
            self.even(params, "block_vectors", -(-self.sizes[vectors[0]] // self.facts["lanes"]), params["tile_vectors"])
            self.even(params, "block_channels", self.sizes[values[0]], params["tile_channels"])
            # A panel in whole vectors and in whole tiles, as a limit asks for.
            if not params[values[1]] and params["block_channels"] >= self.facts["lanes"]:
                params["block_channels"] = round_up(params["block_channels"],
                                                    math.lcm(params["tile_channels"], self.facts["lanes"]))
            if self.sizes[vectors[0]] % self.facts["lanes"] != 0:
                params[vectors[1]] = 0  # it would be read lane by lane
            params["block_width"] = min(params["block_width"], self.sizes["out_width"])
            params["block_height"] = min(params["block_height"], self.sizes["out_height"])
            if min(params["block_width"], params["block_channels"]) == 1:
                params["prefetch"] = 0  # of rows of pixels of channels, as a rule asks for
        elif family == "winograd_image":
            channels = self.sizes[CHANNELS_OF_RESULT[self.op]]
            self.even(params, "block_vectors", -(-channels // self.facts["lanes"]), params["tile_vectors"])
            params["block_tiles"] = min(params["block_tiles"],
                                        round_up(self.winograd_tiles(IMAGE_OF_RESULT[self.op]), params["tile_rows"]))
            params["block_reduction"] = min(params["block_reduction"],
                                            round_up(self.sizes[REDUCED_CHANNELS[self.op]], self.facts["lanes"]))
        elif family == "winograd_filter":
            self.even(params, "block_vectors", -(-self.sizes["out_channels"] // self.facts["lanes"]), params["tile_vectors"])
            self.even(params, "block_channels", self.sizes["in_channels"], params["tile_channels"])
            params["block_tiles"] = min(params["block_tiles"], self.winograd_tiles("out"))
        return params

    def winograd_tiles(self, image):
        sides = (self.sizes[f"{image}_height"], self.sizes[f"{image}_width"])
        return self.sizes["batch"] * math.prod(-(-side // WINOGRAD_TILE) for side in sides)

    @staticmethod
    def even(params, name, size, step):
        blocks = -(-max(size, 1) // params[name])
        params[name] = round_up(-(-max(size, 1) // blocks), step)

    def broken_limit(self, candidate):
        """The first rule or limit that a candidate breaks, in words; None: it is worth a try."""
        family = self.family(candidate.algorithm)
        for name, (_, least, most) in self.known[family].items():
            if not least <= candidate.params[name] <= most:
                return f"{name} is {candidate.params[name]}, its range is {least} to {most}"
        for limit in self.limits[family]:
            if not kernel_rows.holds(limit.code, {**candidate.params, **self.facts}):
                return limit.meaning
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
        """The candidates of an algorithm, number by number."""
        numbers = self.numbers(algorithm, grid)

        def go_on(index, params):
            if index == len(numbers):
                yield self.candidate(algorithm, params)
                return
            for value in self.worth_a_try(numbers[index], tuple(params.items())):
                yield from go_on(index + 1, {**params, numbers[index].name: value})

        return go_on(0, {})

    @functools.lru_cache(maxsize=None)
    def numbers(self, algorithm, grid=EVERYTHING):
        """The numbers of an algorithm in the order in which they are chosen: what others depend on comes first, switches, then
        tiles."""
        family = self.family(algorithm)
        known, factors = self.known[family], factors_of_rules(family)
        names = sorted(known, key=lambda name: (known[name][1:] != (0, 1), not name.startswith("tile_")))
        sums = " * ".join(name for name in names if name.startswith("tile_"))
        limits = [Limit.of(f"{sums} >= {grid.sums} * registers", "of the grid"), *self.limits[family]]
        result = []
        for index, name in enumerate(names):
            rest = tuple(names[index + 1:])
            complete = [limit.code for limit in limits if name in limit.code.co_names and not limit.waits_for(rest)]
            early = [limit.code for limit in limits if name in limit.code.co_names and limit.waits_for(rest)
                     and not limit.of_multiples]
            result.append(Number(algorithm, family, name, factors.get(name), rest, grid.divisor, tuple(complete), tuple(early)))
        return tuple(result)

    @functools.lru_cache(maxsize=4096)
    def worth_a_try(self, number, chosen):
        """What a number may be beside those that were `chosen` before it, as pairs of name and value: in order. A limit that
        asks for numbers to come too is kept if it would be with them all at their least, or all at their most."""
        presets = {name: preset for name, (preset, _, _) in self.known[number.family].items()}
        return [value for value in self.values(number, {**presets, **dict(chosen)})
                if self.keeps(number, {**dict(chosen), number.name: value})]

    def keeps(self, number, params):
        if not all(kernel_rows.holds(code, {**params, **self.facts}) for code in number.limits):
            return False
        ends = [{**self.with_rest(number, params, end), **self.facts} for end in (1, 2)] if number.early_limits else []
        return all(any(kernel_rows.holds(code, end) for end in ends) for code in number.early_limits)

    def with_rest(self, number, params, end):
        """With the numbers to come at the `end` of their ranges."""
        family, factors = number.family, factors_of_rules(number.family)
        params = dict(params)
        for name in number.rest:
            value, tile = self.known[family][name][end], params.get(factors.get(name), 1)
            params[name] = max(value // tile, 1) * tile if tile > 1 else value
        return self.canonical(family, params)

    def values(self, number, params):
        preset, least, most = self.known[number.family][number.name]
        if self.is_fixed(number.name):
            return [preset]
        step = number.step(params)
        canonical = lambda value: self.canonical(number.family, {**params, number.name: value})[number.name]
        smallest, largest = (canonical(value) // step for value in (round_up(least, step), most // step * step))
        if number.divisor is None or number.name.startswith("tile_") or (least, most) == (0, 1):
            counts = range(smallest, largest + 1)
        else:
            counts, count = {largest}, largest
            while count > smallest and (count == largest or count > number.divisor):
                count = max(smallest, round_up(count, number.divisor) // number.divisor)
                counts.add(count)
        return sorted(value for value in {canonical(count * step) for count in counts} if value <= most)
