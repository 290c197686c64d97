"""What C++ and Python both read: kernel families (schedules/families/*.inc; schedules/read_family.inc has the idiom), and
operations, element types, sizes and the runtime's facts of a kernel (runtime/*.inc)."""

import collections
import functools
import math
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAMILIES = ROOT / "schedules/families"

Param = collections.namedtuple("Param", "name preset least most unit canonical meaning")
Rule = collections.namedtuple("Rule", "expression meaning")
Tile = collections.namedtuple("Tile", "letter expression unsaid")


class Dtype(collections.namedtuple("Dtype", "constant name halide storage accumulator bytes eps")):
    """An element type."""

    @property
    def long_name(self):
        """NumPy's and everybody's: float32."""
        return self.constant.lower()


class DeclarationError(Exception):
    pass


def lines_of(path):
    """The file's lines, those of what it includes in their place."""
    for line in path.read_text().splitlines():
        included = re.fullmatch(r'#include "(.*)"', line)
        if included:
            yield from lines_of(ROOT / included[1])
        else:
            yield line


def entries(path):
    """[(macro, its arguments)]: a macro a line. Arguments are texts, those in quotes without them."""
    found = []
    for line in lines_of(path):
        match = re.fullmatch(r"CONVGRAD_(\w+)\((.*)\)", line)
        if match:
            found.append((match[1], arguments(match[2])))
        elif line and not line.startswith("//"):
            raise DeclarationError(f"{path}: expected a macro and its arguments on one line, not {line!r}")
    return found


def arguments(text):
    """Split at the commas outside of parentheses and quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip().removeprefix('"').removesuffix('"') for part in parts]


def of_runtime(name, macro):
    return [given for kind, given in entries(ROOT / "runtime" / name) if kind == macro]


class Op:
    """An operation. `result`: "in" or "out", where it is an image, else "filter"; `channel`: the letter of its channels."""

    IMAGES = {"INPUT": ("in", "c"), "OUTPUT": ("out", "k"), "FILTER": ("filter", None)}

    def __init__(self, constant, name, *named_roles):
        self.constant, self.name = constant, name
        self.arguments, self.roles = named_roles[::2], named_roles[1::2]
        self.result, self.channel = self.IMAGES[self.roles[-1]]

    def sizes_of_result(self, sizes):
        """What expressions know of a problem beside its sizes."""
        if self.result == "filter":
            return {}
        reduced = "in" if self.result == "out" else "out"
        return {**{f"result_{side}": sizes[f"{self.result}_{side}"] for side in ("height", "width", "channels")},
                "reduced_channels": sizes[f"{reduced}_channels"]}


OPS = {op.name: op for op in (Op(*given) for given in of_runtime("ops.inc", "OP"))}
DTYPES = {given[1]: Dtype(*given[:5], int(given[5]), float(given[6])) for given in of_runtime("dtypes.inc", "DTYPE")}
SIZES = tuple(name for name, _ in of_runtime("sizes.inc", "SIZE"))
WHEN_KEYS = {f"{bound}_{size}" for bound in ("min", "max", "multiple") for size in SIZES}
FACTS = tuple(name for name, _ in of_runtime("kernel_facts.inc", "KERNEL_FACT"))


def divide_up(a, b):
    return -(-a // b)


def round_up(value, multiple):
    return divide_up(value, multiple) * multiple


def even(value, size, step):
    """As many blocks as of `value`, of equal size in whole steps: threads wait for the largest."""
    blocks = divide_up(max(size, 1), value)
    return round_up(divide_up(max(size, 1), blocks), step)


def divisor(value, of):
    return max(part for part in range(1, of + 1) if of % part == 0 and part <= value)


def in_whole_vectors(value, step, lanes, in_place):
    return value if in_place or value < lanes else round_up(value, math.lcm(step, lanes))


FUNCTIONS = {"__builtins__": {}, "min": min, "max": max, "lcm": math.lcm, "divide_up": divide_up, "round_up": round_up, "even": even,
             "divisor": divisor, "in_whole_vectors": in_whole_vectors, "choose": lambda condition, a, b: a if condition else b}


@functools.lru_cache(maxsize=None)
def compiled(expression):
    return compile(expression, expression, "eval")


def value_of(expression, names):
    """An expression's value for these names. It is ours: from a declaration."""
    return eval(expression if not isinstance(expression, str) else compiled(expression), FUNCTIONS, names)


class Family:
    """A declaration."""

    def __init__(self, name, path):
        self.name, self.path = name, path
        self.params, self.rules, self.limits, self.tiles, self.facts = {}, [], [], [], {}
        self.constants, traits = {}, {}
        for macro, given in entries(path):
            if macro == "TRAIT":
                traits[given[0]] = given[1]
            elif macro == "CONSTANT":
                self.constants[given[0]] = int(given[1])
            elif macro == "PARAM":
                self.params[given[0]] = Param(given[0], *map(int, given[1:4]), *given[4:])
            elif macro == "RULE":
                self.rules.append(Rule(*given))
            elif macro == "LIMIT":
                self.limits.append(Rule(*given))
            elif macro == "TILE":
                self.tiles.append(Tile(given[0], given[1], int(given[2])))
            elif macro == "FACT":
                self.facts[given[0]] = given[1]
            else:
                raise DeclarationError(f"{path}: there is no CONVGRAD_{macro}")
        unknown = self.facts.keys() - set(FACTS)
        if unknown:
            raise DeclarationError(f"{path}: runtime/kernel_facts.inc has no {', '.join(sorted(unknown))}")
        self.algorithm = traits["algorithm"]
        self.ops, self.devices = (tuple(traits[key].split()) for key in ("ops", "devices"))
        same = tuple(dtype.name for dtype in DTYPES.values() if dtype.storage == dtype.accumulator)
        self.dtypes = same if traits["dtypes"] == "sums_as_stored" else tuple(traits["dtypes"].split())
        self.fixed, self.strict = traits["fixed"] == "1", traits["strict"] == "1"

    def is_switch(self, name):
        return (self.params[name].least, self.params[name].most) == (0, 1)

    def names(self, params, filter_size, stride, lanes, dtype):
        """What the expressions of a kernel know."""
        return {**self.constants, **params, "filter_height": filter_size[0], "filter_width": filter_size[1],
                "stride_height": stride[0], "stride_width": stride[1], "lanes": lanes, "bytes": DTYPES[dtype].bytes}

    def canonical(self, params, names):
        """The numbers of the kernel that stands for all that hardly differ; `names`: what else expressions know."""
        params, names = dict(params), {**names, **params}
        for param in self.params.values():
            params[param.name] = names[param.name] = value_of(param.canonical, names)
        return params


def read_families():
    """{name: Family} of all declarations."""
    return {path.stem: Family(path.stem, path) for path in sorted(FAMILIES.glob("*.inc"))}


ALL_FAMILIES = read_families()
ALGORITHMS = tuple(sorted({family.algorithm for family in ALL_FAMILIES.values()}))


def dtypes_on(device):
    """The names of the element types that have kernels on a device: a build's rows may have fewer."""
    return tuple(name for name in DTYPES
                 if any(name in family.dtypes and device in family.devices for family in ALL_FAMILIES.values()))


def family_of(algorithm, op, device):
    """The family of an op's algorithm on a device; None: there is none."""
    return next((family for family in ALL_FAMILIES.values()
                 if family.algorithm == algorithm and op in family.ops and device in family.devices), None)
