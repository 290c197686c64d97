"""What families' declarations promise to those who read them."""

import re
import subprocess

import declarations
import pytest
from declarations import ALL_FAMILIES, ROOT

FAMILIES = pytest.mark.parametrize("family", ALL_FAMILIES.values(), ids=ALL_FAMILIES)


def constant(path, name):
    return int(re.search(rf"constexpr int64_t {name} = (\d+);", (ROOT / path).read_text())[1])


@FAMILIES
def test_positions_rounded_up_to_whole_tiles_are_what_the_runtime_allows_for(family):
    most = constant("runtime/normalize.h", "kMaxTile")
    assert all(family.params[side].most <= most for side in ("tile_width", "tile_height") if side in family.params)
    if "cpu" not in family.devices:
        assert family.constants["most_rounded_up"] == most


@FAMILIES
def test_a_family_has_its_generators_and_schedules_and_is_the_only_one_of_its_algorithm(family):
    source = (ROOT / "generators/families" / f"{family.name}.cpp").read_text()
    for op in family.ops:
        assert re.search(rf"HALIDE_REGISTER_GENERATOR\(.*,\s+{op}_{family.name}\)", source)
        for device in family.devices:
            assert declarations.family_of(family.algorithm, op, device) is family
    traits = {given[0]: given[1] for macro, given in declarations.entries(family.path) if macro == "TRAIT"}
    for file in traits["schedule_files"].split():
        assert (ROOT / "schedules" / file).exists()


@FAMILIES
def test_numbers_have_a_default_in_their_range_and_rules_hold_for_some(family):
    for param in family.params.values():
        assert param.least <= param.preset <= param.most and param.meaning and param.unit


def test_a_misspelled_declaration_is_refused(tmp_path):
    for line, text in (("CONVGRAD_PARAMETER(a, 1, 1, 2)", "there is no CONVGRAD_PARAMETER"), ("tile = 3", "expected a macro"),
                       ("CONVGRAD_FACT(no_such_fact, 1)", "kernel_facts.inc has no no_such_fact")):
        path = tmp_path / "broken.inc"
        path.write_text(line + "\n")
        with pytest.raises(declarations.DeclarationError, match=text):
            declarations.Family("broken", path)


def families(*arguments):
    return subprocess.run([ROOT / "build_tools/families", *arguments], capture_output=True, text=True)


def test_families_prints_every_number_of_every_family():
    done = families()
    assert done.returncode == 0, done.stderr
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", done.stdout, re.M | re.S))
    assert list(sections) == list(ALL_FAMILIES)
    for name, family in ALL_FAMILIES.items():
        assert f"| algorithm | `{family.algorithm}` |" in sections[name]
        for param in family.params.values():
            row = f"| `{param.name}` | {param.unit} | {param.least} to {param.most} | {param.preset} | {param.meaning} |"
            assert row in sections[name].splitlines()
        for expression, meaning in family.rules + family.limits:
            assert f"| `{expression}` | {meaning} |" in sections[name]
        for fact, expression in family.facts.items():
            assert f"| `{fact}` | `{expression}` |" in sections[name]


def test_families_prints_those_that_are_named_alone():
    done = families("winograd_image", "filter_direct")
    assert re.findall("^## (.*)$", done.stdout, re.M) == ["winograd_image", "filter_direct"]


def test_families_refuses_an_unknown_one_and_lists_those_it_knows():
    done = families("image_in_one_panel")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"families: there is no family image_in_one_panel; known are {', '.join(ALL_FAMILIES)}\n"
