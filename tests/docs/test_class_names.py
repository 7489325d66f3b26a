"""A public class name stands for one thing: no two modules define the same, apart from the sandbox, which is a program
of its own."""

import ast
from collections import defaultdict
from pathlib import Path

CONSUMER = Path(__file__).parents[2] / "consumer"


def test_each_public_class_name_is_defined_once() -> None:
    modules = defaultdict[str, list[str]](list)
    for module in sorted(CONSUMER.rglob("*.py")):
        if "sandbox" not in module.relative_to(CONSUMER).parts:
            for statement in ast.parse(module.read_text()).body:
                if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                    modules[statement.name].append(str(module.relative_to(CONSUMER)))
    assert len(modules) > 300
    assert {name: where for name, where in modules.items() if len(where) > 1} == {}
