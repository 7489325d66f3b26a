"""Each package of several modules begins with a map, as CONTRIBUTING.md says."""

import ast
from pathlib import Path

import pytest

CONSUMER = Path(__file__).parents[2] / "consumer"
PACKAGES = [init.parent for init in sorted(CONSUMER.rglob("__init__.py")) if len(list(init.parent.glob("*.py"))) > 2]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(CONSUMER.parent)))
def test_map_names_a_module_to_begin_with(package: Path) -> None:
    told = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    assert any(module.stem in told for module in package.glob("*.py") if module.stem != "__init__")
