"""Hash of the code that a scanner's result follows from."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_SCANNERS = "scanners"  # the package whose modules, and all that they import, are hashed


@cache
def code_hash() -> str:
    """Hash of all modules that scanners compute with, so that changed code has its own entries."""
    return hash_of(imported_modules(Path(__file__).parents[1], _SCANNERS))


def hash_of(paths: Iterable[Path]) -> str:
    """Hash of modules' code, without comments, docstrings and layout.

    Args:
        paths: The modules' files, in any order.
    """
    digest = hashlib.sha256()
    for code in sorted(_code(path) for path in paths):
        digest.update(hashlib.sha256(code.encode()).digest())
    return digest.hexdigest()


def imported_modules(root: Path, package: str) -> frozenset[Path]:
    """The modules of a package and, transitively, all modules under ``root`` that they import.

    Args:
        root: Folder of the top-level package; its name is the package's.
        package: A folder in it.
    """
    modules: set[Path] = set()
    waiting = list((root / package).rglob("*.py"))
    while waiting:
        path = waiting.pop()
        if path in modules:
            continue
        modules.add(path)
        waiting += _imports(path, root)
    return frozenset(modules)


def _imports(path: Path, root: Path) -> list[Path]:
    """Files under ``root`` that a module's import statements name, those in functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    files: list[Path] = []
    for name in names:
        top, *parts = name.split(".")
        if top == root.name and parts:
            place = root.joinpath(*parts)
            files += [place.with_suffix(".py"), place / "__init__.py"]
    return [file for file in files if file.is_file()]


def _code(path: Path) -> str:
    """A module's syntax tree as text, without its docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
