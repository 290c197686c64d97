"""Reading networks, and the exact results that everything measured is held to."""

import dataclasses
import itertools
import json
import math
import pathlib

import layers
import numpy as np
import pytest

NETWORKS = pathlib.Path(__file__).resolve().parents[2] / "data" / "networks.json"

ODD = layers.Layer(network="n", name="odd", count=1, input=(2, 7, 6, 3), filter=(3, 2, 3, 4), output=(2, 3, 5, 4),
                   strides=(2, 1), dilations=(2, 3), padding=(2, 1, 1, 1), pads=(2, 1))


def integers(shape, seed):
    return np.random.default_rng(seed).integers(-4, 5, size=shape).astype(np.float64)


def plain_conv2d(layer, x, w):
    """The definition, element by element."""
    y = np.zeros(layer.output)
    for n, p, q in itertools.product(*map(range, layer.output[:3])):
        for r, s in itertools.product(*map(range, layer.filter[:2])):
            h = p * layer.strides[0] + r * layer.dilations[0] - layer.pads[0]
            v = q * layer.strides[1] + s * layer.dilations[1] - layer.pads[1]
            if 0 <= h < layer.input[1] and 0 <= v < layer.input[2]:
                y[n, p, q] += x[n, h, v] @ w[r, s]
    return y


@pytest.mark.parametrize("name, count", [("resnet_50", 20), ("vgg_16", 9)])
def test_reads_networks(name, count):
    read, grouped = layers.read_layers(NETWORKS, name, 32)
    assert (len(read), grouped) == (count, 0)
    assert all(layer.input[0] == layer.output[0] == 32 for layer in read)
    assert all(":" not in layer.name for layer in read)


def test_reads_explicit_padding():
    conv1 = layers.read_layers(NETWORKS, "resnet_50", 4)[0][0]
    assert conv1.padding == (3, 2, 3, 2)
    assert (conv1.input, conv1.filter, conv1.output) == ((4, 224, 224, 3), (7, 7, 3, 64), (4, 112, 112, 64))


def test_counts_grouped_layers():
    read, grouped = layers.read_layers(NETWORKS, "mobilenet_v2", 1)
    assert grouped == len(json.loads(NETWORKS.read_text())["mobilenet_v2"]["grouped_layers"]) > 0
    assert all(layer.filter[2] == layer.input[3] for layer in read)


def test_unknown_network_names_the_known():
    with pytest.raises(SystemExit, match="no network 'lenet'.*resnet_50"):
        layers.read_layers(NETWORKS, "lenet", 1)


def test_conv2d_is_the_definition():
    x, w = integers(ODD.input, 1), integers(ODD.filter, 2)
    assert np.array_equal(layers.compute(ODD, "conv2d", x, w, np.zeros(ODD.output)), plain_conv2d(ODD, x, w))


def test_gradients_are_adjoint():
    x, w, dy = (integers(shape, seed) for seed, shape in enumerate((ODD.input, ODD.filter, ODD.output)))
    dx = layers.compute(ODD, "conv2d_backprop_input", w, dy, np.zeros(ODD.input))
    dw = layers.compute(ODD, "conv2d_backprop_filter", x, dy, np.zeros(ODD.filter))
    product = (dy * plain_conv2d(ODD, x, w)).sum()
    assert product != 0
    assert (dx * x).sum() == product
    assert (dw * w).sum() == product


def test_windows_beside_the_input_are_empty():
    narrow = dataclasses.replace(ODD, input=(1, 1, 1, 3), output=(1, 1, 1, 4), filter=(3, 3, 3, 4), strides=(1, 1),
                                 dilations=(5, 5), pads=(5, 5))
    x, w = integers(narrow.input, 1), integers(narrow.filter, 2)
    y = layers.compute(narrow, "conv2d", x, w, np.zeros(narrow.output))
    assert np.array_equal(y[0, 0, 0], x[0, 0, 0] @ w[1, 1])
    assert narrow.flops() == 2 * 3 * 4


def test_flops_count_what_meets_no_padding():
    ones = plain_conv2d(dataclasses.replace(ODD, filter=(*ODD.filter[:3], 1), output=(*ODD.output[:3], 1)),
                        np.ones(ODD.input), np.ones((*ODD.filter[:3], 1)))
    assert ODD.flops() == 2 * ones.sum() * ODD.filter[3]


@pytest.mark.parametrize("op, terms", [("conv2d", 18), ("conv2d_backprop_input", 24), ("conv2d_backprop_filter", 30)])
def test_terms(op, terms):
    assert ODD.terms(op) == terms
    assert layers.error_bound(ODD, op) == pytest.approx((terms + 2) * 2.0**-23)


def test_symmetric_pads():
    conv1 = dataclasses.replace(layers.read_layers(NETWORKS, "resnet_50", 4)[0][0], pads=(3, 3))
    assert conv1.symmetric_pads() == (3, 3)  # the network's own has 2 below: no window reads the third
    same = dataclasses.replace(conv1, input=(1, 8, 8, 3), filter=(3, 3, 3, 4), output=(1, 4, 4, 4), pads=(0, 0))
    assert same.symmetric_pads() is None  # TensorFlow's SAME: 0 above and 1 below


def test_shrinks_to_a_small_image():
    conv1 = layers.read_layers(NETWORKS, "resnet_50", 32)[0][0]
    small = conv1.shrunk(lambda layer: (1, 7, 7, layer.filter[3]))
    assert (small.input, small.filter, small.output) == ((1, 14, 14, 3), (7, 7, 3, 20), (1, 7, 7, 20))


def test_largest_error():
    exact, magnitude = np.array([1.0, -2, 0, 0]), np.array([1.0, 4, 0, 8])
    assert layers.largest_error(exact.copy(), exact, magnitude) == 0
    assert layers.largest_error(exact + [0.5, 1, 0, 0], exact, magnitude) == 0.5
    assert layers.largest_error(exact + [0, 0, 0.75, 0], exact, magnitude) == 0.75  # nothing may come from nothing
    assert math.isnan(layers.largest_error(exact + [0, 0, 0, math.nan], exact, magnitude))
