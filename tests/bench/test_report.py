import json

import plots
import pytest
import tables
from results import document, ours, row, side

ROWS = [
    row(
        op=op,
        threads=threads,
        layer=layer,
        sides={
            "convgrad": ours(10),
            "convgrad_strict": ours(12),
            "onednn_same": side(20),
            "onednn_best": side(5),
            "torch": {"verdict": "failed", "problem": "out of memory"},
        },
    )
    for threads in (1, 2)
    for layer in ("a", "b")
    for op in ("backprop_input", "backprop_filter")
]
# What an interrupt, a wrong result or a machine without a peak's loop leave.
UNEVEN = [
    [],
    ROWS[:1],
    [
        row(
            sides={
                **ROWS[0]["sides"],
                "convgrad": {"verdict": "wrong", "problem": "element 3"},
                "convgrad_strict": {"verdict": "failed", "problem": "no"},
            }
        )
    ],
    [{**made, "peaks": []} for made in ROWS],
]


def test_table(capsys):
    tables.show(document(ROWS), "median")
    text = capsys.readouterr().out
    for expected in (
        "direct_3x3s1_h1w6c16",
        "2.00x",
        "0.50x",
        "whole network",
        "geometric mean",
        "failed",
        "missing: tensorflow: no wheel for this Python",
    ):
        assert expected in text, expected


def test_markdown():
    lines = tables.markdown(document(ROWS), "median").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert "| net | 1 | both | 40.0 | 2.00x | 0.50x | - |" in table


def test_plots(tmp_path):
    paths = plots.draw(document(ROWS), tmp_path, "median")
    assert [path.name for path in paths] == [
        f"net_{t}_{what}.svg" for t in (1, 2) for what in ("speed", "ratio", "roofline")
    ]
    for path in paths:
        assert "</svg>" in path.read_text()


@pytest.mark.parametrize("rows", UNEVEN, ids=["nothing", "one", "wrong", "no peak"])
def test_what_is_not_whole_is_still_reported(rows, tmp_path, capsys):
    made = json.loads(json.dumps(document(rows)))
    tables.show(made, "median")
    assert tables.markdown(made, "best")
    plots.draw(made, tmp_path, "median")
    assert ("element 3" in capsys.readouterr().out) == any(r["sides"]["convgrad"]["verdict"] == "wrong" for r in rows)
