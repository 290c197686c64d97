"""What may be tried for a problem: kernels, their numbers, and what of them is worth a compilation."""

import collections
import functools
import itertools
import re
import sys

import declarations
from declarations import OPS, round_up, value_of

# A kernel before it has a name: what kernel_rows.Kernel is made of. `params` is a dict of all of the family's numbers, `dtype`
# the element type's name.
Candidate = collections.namedtuple("Candidate", "op algorithm filter stride params dtype", defaults=["f32"])

# A grid: what the problem's own sizes are divided by, again and again (None: every size), and of which part of the registers
# the sums of a tile are, at least. From the finest to the coarsest.
Grid = collections.namedtuple("Grid", "divisor sums")
EVERYTHING = Grid(None, 0)
GRIDS = (EVERYTHING, *(Grid(divisor, 0) for divisor in (2, 3, 4, 6, 8)), Grid(8, 0.5), Grid(8, 0.75), Grid(16, 0.75))


class Limit(collections.namedtuple("Limit", "code meaning of_multiples")):
    """A rule or limit of a family; `of_multiples`: it is no matter of more or less."""

    @classmethod
    def of(cls, text, meaning):
        return cls(compile(text, "a limit", "eval"), meaning, "%" in text)

    def waits_for(self, names):
        return not set(names).isdisjoint(self.code.co_names)


class Number(collections.namedtuple("Number", "family name tile rest divisor limits early_limits")):
    """A number to be chosen: `tile`, the number that it is a multiple of, or None; the `rest`, those that are chosen later;
    `limits` that can be asked then, and `early_limits` that ask for some of the rest too."""

    @property
    def label(self):
        return f"{self.family.algorithm}.{self.name}" + (".tiles" if self.tile else "")

    def step(self, params):
        return params[self.tile] if self.tile else 1


class UnknownCandidate(Exception):
    """Of a log or a row's file that was written when there were other families or numbers."""


def factors_of_rules(family):
    """{block: tile} of the rules "block % tile == 0"."""
    pairs = (re.fullmatch(r"(\w+) % (\w+) == 0", rule.expression) for rule in family.rules)
    return {match[1]: match[2] for match in pairs if match and {match[1], match[2]} <= family.params.keys()}


def family_of(candidate):
    return declarations.family_of(candidate.algorithm, candidate.op, "cpu")


def logged_candidate(given):
    """A candidate that a log or a row's file tells, if it is one of today's: numbers of a time when there were fewer have their
    defaults."""
    candidate = Candidate(given["op"], given["algorithm"], tuple(given["filter"]), tuple(given["stride"]), given["params"],
                          given.get("dtype", "f32"))
    family = family_of(candidate)
    unknown = candidate.params.keys() - family.params.keys() if family else {candidate.algorithm}
    if unknown:
        raise UnknownCandidate(f"{candidate.op} by algorithm {candidate.algorithm} with {', '.join(sorted(unknown))} is of an "
                               "earlier version of convgrad, whose kernels had other numbers: search again, with a new log")
    presets = {name: param.preset for name, param in family.params.items()}
    return candidate._replace(params={**presets, **candidate.params})


class Space:
    """The candidates of one op on one problem. `sizes` are the problem's as rows compare them (normalized), `filter` and
    `stride` the problem's, `facts` the machine's: vector_bytes, registers, l1_bytes, l2_bytes."""

    def __init__(self, op, filter_size, stride, sizes, facts, strict, dtype="f32"):
        self.op, self.filter, self.stride, self.dtype = op, tuple(filter_size), tuple(stride), dtype
        self.sizes, self.facts = sizes, {**facts, "lanes": facts["vector_bytes"] // declarations.DTYPES[dtype].bytes}
        self.families, self.limits, self.known = {}, {}, {}
        for family in declarations.ALL_FAMILIES.values():
            if (op in family.ops and "cpu" in family.devices and dtype in family.dtypes and family.fixed
                    and (family.strict or not strict)):
                self.add(family)
        self.algorithms = list(self.families)

    def add(self, family):
        """The family, unless what it asks of the problem alone does not hold."""
        known = {**self.facts, **family.names({}, self.filter, self.stride, self.facts["lanes"], self.dtype), **self.sizes,
                 **OPS[self.op].sizes_of_result(self.sizes)}
        limits = [Limit.of(*rule) for rule in family.rules + family.limits]
        if all(limit.waits_for(family.params) or value_of(limit.code, known) for limit in limits):
            self.families[family.algorithm], self.known[family.name] = family, known
            self.limits[family.name] = [limit for limit in limits if limit.waits_for(family.params)]

    def holds(self, code, family, params):
        return value_of(code, {**self.known[family.name], **params})

    def candidate(self, family, params):
        """With its numbers in the order of their declaration, whichever they were chosen in: its text is its name."""
        return Candidate(self.op, family.algorithm, self.filter, self.stride, {name: params[name] for name in family.params},
                         self.dtype)

    def suggest(self, trial):
        """A candidate of an Optuna trial, number by number, each from what those before it leave of the limits. (Drawn from
        their whole ranges, one candidate in twenty kept all limits.) None: they leave nothing."""
        family = self.families[trial.suggest_categorical("algorithm", self.algorithms)]
        numbers, params = self.numbers(family), {}
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
        return self.candidate(family, params)

    def is_wide(self, number):
        param = number.family.params[number.name]
        return param.most > 8 and param.least > 0

    def is_alike(self, candidate):
        """Whether it is for the same op, element type, filter and stride."""
        kind = (self.op, self.dtype, self.filter, self.stride)
        return (candidate.op, candidate.dtype, candidate.filter, candidate.stride) == kind

    def adapted(self, candidate):
        """A candidate of before for this problem."""
        family = self.families[candidate.algorithm]
        return self.candidate(family, self.canonical(family, candidate.params))

    def suggestions(self, candidate):
        """What suggest() would have been told for this candidate: where a search starts."""
        told = {number.label: candidate.params[number.name] // number.step(candidate.params)
                for number in self.numbers(self.families[candidate.algorithm])}
        return {"algorithm": candidate.algorithm, **told}

    def neighbours(self, candidate):
        """Those that differ in one number: a switch, a block of half or twice the size, or a tile with one more or less, where
        another of its sides makes up for that as far as the registers allow; blocks are rounded up to whole tiles. And those of
        other algorithms with the same numbers, as far as they have them."""
        found = {}

        def add(family, params):
            for number in self.numbers(family):
                params = {**params, number.name: round_up(params[number.name], number.step(params))}
            near = self.candidate(family, self.canonical(family, params))
            if near != candidate and self.broken_limit(near) is None:
                found.setdefault(str(near), near)
                return True
            return False

        for family in self.families.values():
            if family.algorithm == candidate.algorithm:
                self.add_changed(family, candidate.params, add)
            else:
                add(family, {name: candidate.params.get(name, param.preset) for name, param in family.params.items()})
        return list(found.values())

    def add_changed(self, family, params, add):
        """Calls add() for what differs from `params` in one number."""
        numbers = self.numbers(family)
        tiles = [number.name for number in numbers if number.name.startswith("tile_")]
        for number in numbers:
            value, step = params[number.name], number.step(params)
            if family.is_switch(number.name):
                add(family, {**params, number.name: 1 - value})
            elif number.name in tiles:
                side = max((name for name in tiles if name != number.name), key=params.get)
                for changed in self.next_to(number, params):
                    # The largest that there is room for.
                    any(add(family, {**params, number.name: changed, side: other})
                        for other in range(family.params[side].most, 0, -1))
            else:
                for count in (value // step // 2, value // step * 2):
                    add(family, {**params, number.name: max(count, 1) * step})

    def next_to(self, number, params):
        """The next smaller and the next larger value of a tile that make a difference."""
        param, value = number.family.params[number.name], params[number.name]
        values = sorted({self.canonical_value(number, params, other) for other in range(param.least, param.most + 1)})
        return [*[fewer for fewer in values if fewer < value][-1:], *[more for more in values if more > value][:1]]

    def canonical(self, family, params):
        """The kernel that stands for all that are hardly different."""
        return family.canonical(params, self.known[family.name])

    def canonical_value(self, number, params, value):
        """A number's canonical value beside the others of `params`."""
        names = {**self.known[number.family.name], **params, number.name: value}
        return value_of(number.family.params[number.name].canonical, names)

    def broken_limit(self, candidate):
        """The first rule or limit that a candidate breaks, in words; None: it is worth a try."""
        family = self.families.get(candidate.algorithm)
        if family is None:
            return f"algorithm {candidate.algorithm} is not for this problem"
        for name, param in family.params.items():
            if not param.least <= candidate.params[name] <= param.most:
                return f"{name} is {candidate.params[name]}, its range is {param.least} to {param.most}"
        for limit in self.limits[family.name]:
            if not self.holds(limit.code, family, candidate.params):
                return limit.meaning
        return None

    def enumerated(self, most, grid=EVERYTHING):
        """The candidates of a grid within rules, limits and canonical form; None where there are more than `most`."""
        every = itertools.chain.from_iterable(self.walk(family, grid) for family in self.families.values())
        found = list(itertools.islice(every, most + 1))
        return found if len(found) <= most else None

    def finest_grid(self, most):
        """The finest grid of at most so many candidates, else the coarsest; and them."""
        for grid in GRIDS:
            found = self.enumerated(most if grid != GRIDS[-1] else sys.maxsize - 1, grid)
            if found is not None:
                return grid, found

    def walk(self, family, grid):
        """The candidates of a family, number by number."""
        numbers = self.numbers(family, grid)

        def go_on(index, params):
            if index == len(numbers):
                yield self.candidate(family, params)
                return
            for value in self.worth_a_try(numbers[index], tuple(params.items())):
                yield from go_on(index + 1, {**params, numbers[index].name: value})

        return go_on(0, {})

    @functools.lru_cache(maxsize=None)
    def numbers(self, family, grid=EVERYTHING):
        """The numbers of a family in the order in which they are chosen: what others depend on comes first, switches, then
        tiles."""
        factors = factors_of_rules(family)
        names = sorted(family.params, key=lambda name: (not family.is_switch(name), not name.startswith("tile_")))
        sums = " * ".join(name for name in names if name.startswith("tile_"))
        limits = [Limit.of(f"{sums} >= {grid.sums} * registers", "of the grid"), *self.limits[family.name]]
        result = []
        for index, name in enumerate(names):
            rest = tuple(names[index + 1:])
            complete = [limit.code for limit in limits if name in limit.code.co_names and not limit.waits_for(rest)]
            early = [limit.code for limit in limits if name in limit.code.co_names and limit.waits_for(rest)
                     and not limit.of_multiples]
            result.append(Number(family, name, factors.get(name), rest, grid.divisor, tuple(complete), tuple(early)))
        return tuple(result)

    @functools.lru_cache(maxsize=4096)
    def worth_a_try(self, number, chosen):
        """What a number may be beside those that were `chosen` before it, as pairs of name and value: in order. A limit that
        asks for numbers to come too is kept if it would be with them all at their least, or all at their most."""
        presets = {name: param.preset for name, param in number.family.params.items()}
        return [value for value in self.values(number, {**presets, **dict(chosen)})
                if self.keeps(number, {**dict(chosen), number.name: value})]

    def keeps(self, number, params):
        if not all(self.holds(code, number.family, params) for code in number.limits):
            return False
        ends = [self.with_rest(number, params, end) for end in ("least", "most")] if number.early_limits else []
        return all(any(self.holds(code, number.family, end) for end in ends) for code in number.early_limits)

    def with_rest(self, number, params, end):
        """With the numbers to come at the `end` of their ranges."""
        factors, params = factors_of_rules(number.family), dict(params)
        for name in number.rest:
            value, tile = getattr(number.family.params[name], end), params.get(factors.get(name), 1)
            params[name] = max(value // tile, 1) * tile if tile > 1 else value
        return self.canonical(number.family, params)

    def values(self, number, params):
        param, step = number.family.params[number.name], number.step(params)
        canonical = lambda value: self.canonical_value(number, params, value)
        smallest, largest = (canonical(value) // step for value in (round_up(param.least, step), param.most // step * step))
        if number.divisor is None or number.name.startswith("tile_") or number.family.is_switch(number.name):
            counts = range(smallest, largest + 1)
        else:
            counts, count = {largest}, largest
            while count > smallest and (count == largest or count > number.divisor):
                count = max(smallest, round_up(count, number.divisor) // number.divisor)
                counts.add(count)
        return sorted(value for value in {canonical(count * step) for count in counts} if value <= param.most)
