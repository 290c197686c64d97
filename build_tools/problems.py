"""Problems: convolutions at some batch, as text of one line and as layers of networks in files.

Text, of a problem and an op, in this order; what is left out has the value that is in parentheses:
    conv2d_backprop_filter f32 n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC
the op by its function's name, the element type by its name in runtime/dtypes.inc (f32), batch (n1), input (h1 w1 c1), filter
(r1x1 k1), strides (s1x1), dilations (d1x1), padding (pVALID): pSAME, pVALID or top,bottom,left,right, groups (g1), and the
images' data format (NHWC). c and k are the channels of all groups. problem/problem.h is the same in C++.
Files, JSON as data/networks.json: {network: {"batch": 4, "layers": [layer, ...], "grouped_layers": [layer, ...]}}, where a
layer has
    name
    input_hwc, filter_hwio, output_hwc     sizes of one image's input, of the filter, of the output
    strides, dilations                     [height, width]; [1, 1] where not given
    padding                                "SAME", "VALID", or [[0, 0], [top, bottom], [left, right], [0, 0]]
    groups, count                          1 where not given; count: how often the network has the layer
    batch, dtype, data_format              where they are others than its network's, which are 1, "f32" and "NHWC" if not given
Files of benchdnn's descriptors: mb50ic64ih56oc64oh56kh3ph1n"name*count", one a line, # before a comment.
"""

import dataclasses
import json
import pathlib
import re

from declarations import DTYPES, OPS

DATA_FORMATS = ("NHWC", "NCHW")


class ProblemError(Exception):
    """What is wrong with a problem, and where."""


def beside(default):
    """A field that tells where a problem is from: problems that differ in nothing else are equal."""
    return dataclasses.field(default=default, compare=False)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Sizes are in the order of NHWC and HWIO, whatever lies in memory."""

    input: tuple  # n, h, w, c
    filter: tuple  # r, s, c of one group, k
    strides: tuple
    dilations: tuple
    padding: object  # "SAME", "VALID" or (top, bottom, left, right)
    groups: int
    dtype: str = "f32"
    data_format: str = "NHWC"
    output: tuple = beside(None)  # n, p, q, k as its file says; convgrad's own formula judges it
    network: str = beside("")
    name: str = beside("")
    count: int = beside(1)
    where: str = beside("")  # in its file, for messages

    def text(self, op):
        n, h, w, c = self.input
        r, s, _, k = self.filter
        padding = self.padding if isinstance(self.padding, str) else ",".join(map(str, self.padding))
        pairs = [f"{letter}{a}x{b}" for letter, (a, b) in (("s", self.strides), ("d", self.dilations))]
        return (f"{op} {self.dtype} n{n} h{h} w{w} c{c} r{r}x{s} k{k} {' '.join(pairs)} p{padding} g{self.groups} "
                f"{self.data_format}")

    @property
    def short_name(self):
        """Without its network before it or a remark after it."""
        return self.name.split(" (")[0].split(":")[-1]

    def expect_output(self, output):
        """ProblemError where its file says another one than convgrad."""
        expect(self.output in (None, tuple(output)), self.where, f"{self.name}: its output is said to be "
               f"{list(self.output or ())}, by input, filter, strides and padding it is {list(output)}")


def numbers(text, separator, count, least):
    """Exactly so many; None for anything else."""
    parts = text.split(separator)
    good = len(parts) == count and all(re.fullmatch(r"[0-9]{1,18}", part) and int(part) >= least for part in parts)
    return tuple(map(int, parts)) if good else None


# {letter: (its default, what reads it from the rest of a word, its form)}
WORDS = {
    **{letter: ((1,), lambda text: numbers(text, ",", 1, 0), f"{letter}<a number from 0 on>") for letter in "nhwk"},
    **{letter: ((1,), lambda text: numbers(text, ",", 1, 1), f"{letter}<a number from 1 on>") for letter in "cg"},
    **{letter: ((1, 1), lambda text: numbers(text, "x", 2, 1), f"{letter}<rows>x<columns> from 1 on") for letter in "rsd"},
    "p": ("VALID", lambda text: text if text in ("SAME", "VALID") else numbers(text, ",", 4, 0),
          "pSAME, pVALID or p<top>,<bottom>,<left>,<right>"),
}


def parse(text):
    """(op, Problem) of a text. ProblemError names the word that is wrong, and what was expected."""
    found = {**{letter: default for letter, (default, _, _) in WORDS.items()}, "dtype": "f32", "data_format": "NHWC"}
    op, *words = text.split() or [""]
    wrong = lambda word: f"{word!r} of the problem {text!r}"
    expect(op in OPS, wrong(op), f"expected an op first: {', '.join(OPS)}")
    given = set()
    for word in words:
        kind = "dtype" if word in DTYPES else "data_format" if word in DATA_FORMATS else word[0]
        expect(kind in found, wrong(word), f"expected {', '.join((*DTYPES, *DATA_FORMATS))}, or one that begins with "
               f"{', '.join(WORDS)}")
        expect(kind not in given, wrong(word), "it was given before")
        given.add(kind)
        found[kind] = word
        if kind in WORDS:
            _, read, form = WORDS[kind]
            found[kind] = read(word[1:])
            expect(found[kind] is not None, wrong(word), f"expected {form}")
    (c,), (k,), (g,) = (found[letter] for letter in "ckg")
    for name, channels in (("c", c), ("k", k)):
        expect(channels % g == 0, wrong(f"g{g}"), f"expected a divisor of {name}, which is {channels}")
    return op, Problem(input=tuple(found[letter][0] for letter in "nhwc"), filter=(*found["r"], c // g, k),
                       strides=found["s"], dilations=found["d"], padding=found["p"], groups=g, dtype=found["dtype"],
                       data_format=found["data_format"])


def expect(condition, where, message):
    if not condition:
        raise ProblemError(f"{where}: {message}")


def sizes(value, count, where, key, least=0):
    good = (isinstance(value, (list, tuple)) and len(value) == count
            and all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in value))
    expect(good, where, f"{key} is {json.dumps(value)}, expected {count} integers from {least} on")
    return tuple(value)


def padding_of(value, where):
    if value in ("SAME", "VALID"):
        return value
    good = isinstance(value, list) and len(value) == 4 and value[0] == value[3] == [0, 0]
    expect(good, where, f"padding is {json.dumps(value)}, expected \"SAME\", \"VALID\" or "
           "[[0, 0], [top, bottom], [left, right], [0, 0]]")
    return sizes(value[1], 2, where, "padding") + sizes(value[2], 2, where, "padding")


def one_of(value, known, where, key):
    expect(value in tuple(known), where, f"{key} is {json.dumps(value)}, expected one of {', '.join(known)}")
    return value


OF_LAYER_OR_NETWORK = {"batch": 1, "dtype": "f32", "data_format": "NHWC"}
LAYER_KEYS = {"name", "input_hwc", "filter_hwio", "output_hwc", "strides", "dilations", "padding", "groups", "count", "note",
              *OF_LAYER_OR_NETWORK}


def problem_of_layer(layer, network, name, forced, where):
    """`forced`: batch, dtype or data_format that hold whatever the layer and its network say."""
    expect(isinstance(layer, dict), where, "expected an object")
    unknown = layer.keys() - LAYER_KEYS
    expect(not unknown, where, f"unknown key {', '.join(sorted(unknown))}; known are {', '.join(sorted(LAYER_KEYS))}")
    missing = {"input_hwc", "filter_hwio", "output_hwc", "padding"} - layer.keys()
    expect(not missing, where, f"missing {', '.join(sorted(missing))}")
    said = {**OF_LAYER_OR_NETWORK, **network, **layer, **forced}
    (batch,) = sizes([said["batch"]], 1, where, "batch")
    groups, count = (sizes([layer.get(key, 1)], 1, where, key, 1)[0] for key in ("groups", "count"))
    channels = sizes(layer["input_hwc"], 3, where, "input_hwc")[2]
    taken = sizes(layer["filter_hwio"], 4, where, "filter_hwio", 1)[2] * groups
    expect(channels == taken, where, f"the filter's {taken // groups} channels in each of {groups} groups do not make the "
           f"input's {channels}")
    return Problem(
        network=name, name=str(layer.get("name", where)), count=count, where=where, groups=groups,
        dtype=one_of(said["dtype"], DTYPES, where, "dtype"),
        data_format=one_of(said["data_format"], DATA_FORMATS, where, "data_format"),
        input=(batch, *sizes(layer["input_hwc"], 3, where, "input_hwc")),
        filter=sizes(layer["filter_hwio"], 4, where, "filter_hwio", 1),
        output=(batch, *sizes(layer["output_hwc"], 3, where, "output_hwc")),
        strides=sizes(layer.get("strides", [1, 1]), 2, where, "strides", 1),
        dilations=sizes(layer.get("dilations", [1, 1]), 2, where, "dilations", 1),
        padding=padding_of(layer["padding"], where))


def read_networks(path, text, forced, networks):
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProblemError(f"{path}, line {error.lineno}: {error.msg}")
    expect(isinstance(data, dict), path, "expected an object of networks")
    for name in networks:
        expect(name in data, path, f"no network {name!r}; there are {', '.join(data)}")
    problems = []
    for network in networks or data:
        entry = data[network]
        expect(isinstance(entry, dict) and "layers" in entry, f"{path}, {network}", "expected an object with layers")
        for kind in ("layers", "grouped_layers"):
            for index, layer in enumerate(entry.get(kind, [])):
                problems.append(problem_of_layer(layer, entry, network, forced, f"{path}, {network}.{kind}[{index}]"))
    return problems


BENCHDNN_KEYS = ("mb", "g", "ic", "oc", "ih", "iw", "oh", "ow", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw")


def problem_of_descriptor(line, forced, where):
    """benchdnn's notation: what is given of height or width holds for both (an output's width is computed where other sizes
    have a width of their own), dilations count from 0, the padding behind the image is what the output's size leaves."""
    match = re.fullmatch(r"((?:_?[a-z]+\d+)+)(?:_?n\"([^\"]*)\")?", line)
    expect(match, where, f"{line!r} is no descriptor such as mb2ic64ih56oc64oh56kh3ph1n\"name\"")
    values = {}
    for key, value in re.findall(r"([a-z]+)(\d+)", match[1]):
        expect(key in BENCHDNN_KEYS, where, f"unknown size {key}{value} in {line!r}; known are {', '.join(BENCHDNN_KEYS)}")
        expect(key not in values, where, f"{key} is given twice in {line!r}")
        values[key] = int(value)
    for key in ("ic", "oc", "ih", "kh"):
        other = key.replace("h", "w")
        expect(key in values or other in values, where, f"{line!r} lacks {key}")

    def pair(name, default=None):
        height = values.get(f"{name}h", values.get(f"{name}w", default))
        return height, values.get(f"{name}w", height)

    count = re.search(r"\*(\d+)$", match[2] or "")
    groups = values.get("g", 1)
    expect(groups >= 1 and values["ic"] % groups == 0, where,
           f"g is {groups}, expected a divisor of ic, which is {values['ic']}")
    image, taps, steps, before = pair("i"), pair("k"), pair("s", 1), pair("p", 0)
    expect(min(*image, *taps, *steps, values["ic"], values["oc"]) >= 1, where, f"a size in {line!r} is 0")
    dilations = tuple(d + 1 for d in pair("d", 0))
    output, padding = [], []
    own_width = any(f"{name}w" in values for name in "ikspd")
    for axis, size in enumerate((values.get("oh"), values.get("ow", None if own_width else values.get("oh")))):
        extent = (taps[axis] - 1) * dilations[axis] + 1
        if size is None:
            size = (image[axis] + 2 * before[axis] - extent) // steps[axis] + 1
        output.append(size)
        padding += [before[axis], max(0, (size - 1) * steps[axis] + extent - image[axis] - before[axis])]
    batch = forced.get("batch", values.get("mb", 2))
    return Problem(
        name=re.sub(r"\*\d+$", "", match[2]) if match[2] else line, count=int(count[1]) if count else 1, where=where,
        input=(batch, *image, values["ic"]), filter=(*taps, values["ic"] // groups, values["oc"]),
        output=(batch, *output, values["oc"]), strides=steps, dilations=dilations, padding=tuple(padding), groups=groups,
        dtype=forced.get("dtype", "f32"))


def read_descriptors(path, text, forced):
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [problem_of_descriptor(line, forced, f"{path}, line {number}") for number, line in lines
            if line and not line.startswith("#")]


def read_problems(path, batch=None, networks=(), dtype=None):
    """The problems of a file, at `batch` images and of element type `dtype` where these are given. ProblemError says what is
    wrong and where."""
    path = pathlib.Path(path)
    forced = {key: value for key, value in (("batch", batch), ("dtype", dtype)) if value is not None}
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: {getattr(error, 'strerror', None) or error}")
    if text.lstrip().startswith(("{", "[")):
        return read_networks(path, text, forced, networks)
    expect(not networks, path, f"has no network {', '.join(networks)}: benchdnn descriptors are one list")
    return read_descriptors(path, text, forced)
