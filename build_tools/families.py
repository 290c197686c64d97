"""What build_tools/families prints: kernel families as Markdown tables."""

import argparse
import signal
import sys

try:
    import declarations
except Exception as error:  # a declaration that cannot be read
    sys.exit(f"families: {error}")


def code(text):
    return f"`{text}`"


def table(columns, rows):
    """Lines of a table."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)] + ["| " + " | ".join(row) + " |" for row in cells]


def section(title, columns, rows):
    return ["", f"### {title}", "", *table(columns, rows)] if rows else []


def what_it_is(family):
    filters = "fixed: constants of a kernel; dilation 1, channels side by side in memory" if family.fixed else "any, in any layout"
    strict = "yes: the error bound of direct summation" if family.strict else "no: contexts with `strict` leave it out"
    return [("algorithm", code(family.algorithm)), ("ops", ", ".join(map(code, family.ops))),
            ("devices", ", ".join(map(code, family.devices))), ("element types", ", ".join(map(code, family.dtypes))),
            ("filter and stride", filters), ("strict", strict),
            ("declaration", code(family.path.relative_to(declarations.ROOT))),
            ("generators", code(f"generators/families/{family.name}.cpp"))]


def described(family):
    """The lines of a family's part of the page."""
    return [
        f"## {family.name}", "", *table(("what", ""), what_it_is(family)),
        *section("Numbers", ("number", "unit", "range", "default", "meaning"),
                 [(code(param.name), param.unit, f"{param.least} to {param.most}", param.preset, param.meaning)
                  for param in family.params.values()]),
        *section("Constants", ("constant", "value", "meaning"),
                 [(code(given[0]), *given[1:]) for macro, given in declarations.entries(family.path) if macro == "CONSTANT"]),
        *section("Rules: they hold, or the build fails", ("rule", "meaning"),
                 [(code(rule.expression), rule.meaning) for rule in family.rules]),
        *section("Limits: beyond them the tuner tries nothing", ("limit", "meaning"),
                 [(code(limit.expression), limit.meaning) for limit in family.limits]),
        *section("Facts that the runtime is told (`runtime/kernel_facts.inc`)", ("fact", "value"),
                 [(code(name), code(expression)) for name, expression in family.facts.items()])]


def main():
    parser = argparse.ArgumentParser(prog="build_tools/families")
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    chosen = parser.parse_args().families or list(declarations.ALL_FAMILIES)
    unknown = [name for name in chosen if name not in declarations.ALL_FAMILIES]
    if unknown:
        sys.exit(f"families: there is no family {', '.join(unknown)}; known are {', '.join(declarations.ALL_FAMILIES)}")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader such as head may have enough
    lines = ["# Kernel families"]
    for name in dict.fromkeys(chosen):
        lines += ["", *described(declarations.ALL_FAMILIES[name])]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
