"""The house's guides: size, names, docstrings, words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "civitas"
MAX_CHAPTER = 400
MAX_FUNCTION = 60
MAX_CONFTEST = 200
FORBIDDEN_FILES = {
    "utils.py",
    "util.py",
    "helpers.py",
    "helper.py",
    "service.py",
    "services.py",
    "common.py",
    "misc.py",
}
# A task is our background work; these nouns belong to the product, so no class of ours may be called by them alone.
PRODUCT_NOUNS = {"Job", "Worker", "Reaction"}
# Here they are the product.
AT_HOME = {
    "Job": ("src/civitas/contracts/wire/", "src/civitas/domains/orchestration/"),
    "Reaction": ("src/civitas/domains/gallery/",),
}
VAGUE = re.compile(r"(Manager|Helper|Utils?|Service|Processor)$")


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "__pycache__" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_chapter_is_longer_than_the_guide() -> None:
    too_long = {
        named(path): lines
        for path in files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_CHAPTER
    }
    assert too_long == {}


def test_no_function_is_longer_than_the_guide() -> None:
    too_long = [
        f"{named(path)}:{found.name} ({length})"
        for path in files()
        if "migrations/versions" not in named(path)
        for found in functions(tree(path))
        if (length := (found.end_lineno or 0) - found.lineno + 1) > MAX_FUNCTION
    ]
    assert too_long == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [named(path) for path in files() if path.name in FORBIDDEN_FILES] == []


def test_every_module_says_what_it_is() -> None:
    silent = [named(path) for path in files() if not ast.get_docstring(tree(path))]
    assert silent == []


def test_every_room_has_more_than_a_docstring() -> None:
    empty = [
        named(folder)
        for folder in {path.parent for path in files()}
        if not [path for path in folder.rglob("*") if path.is_file() and path.name != "__init__.py"]
    ]
    assert empty == []


def test_public_functions_and_classes_have_docstrings() -> None:
    silent = []
    for path in files():
        if "migrations/versions" in named(path):
            continue
        for node in tree(path).body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                silent.append(f"{named(path)}:{node.name}")
    assert silent == []


def test_words_keep_their_meaning() -> None:
    wrong = [
        f"{named(path)}:{node.name}"
        for path in files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and (
            (node.name in PRODUCT_NOUNS and not named(path).startswith(AT_HOME.get(node.name, ())))
            or VAGUE.search(node.name)
        )
    ]
    assert wrong == []


def test_no_conftest_outgrows_its_guide() -> None:
    too_long = [
        named(path)
        for path in (ROOT / "tests").rglob("conftest.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_CONFTEST
    ]
    assert too_long == []


def test_nothing_is_left_for_later() -> None:
    mark = re.compile(r"\b(TODO|FIXME|XXX:|HACK)\b")
    found = [
        f"{named(path)}:{number}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if mark.search(line)
    ]
    assert found == []


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("word", ["/work/", "/tmp/civitas", "pypi.org", "registry.npmjs"])
def test_the_project_speaks_of_itself_only(word: str) -> None:
    found = [named(path) for path in files() if word in path.read_text(encoding="utf-8")]
    assert found == []
