"""The manual and the README name only files, options, targets and layers that exist."""

import itertools
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from exray.app.config import RootConfig, register
from exray.app.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACEHOLDER = re.compile(r"\b(FILE|DIR|NAME|PATH|N)\b")
RUN = "python run.py"


def commands(page, start):
    """Every command of a page that starts so, in code blocks and inside lines."""
    joined = page.read_text().replace("\\\n", " ")
    inline = re.findall(rf"`({re.escape(start)}[^`\n]*)`", joined)
    whole = re.findall(rf"^\s*({re.escape(start)}[^`\n]*)$", joined, re.MULTILINE)
    return [command.partition("  #")[0].strip() for command in inline + whole]


def overrides_of(command):
    """The overrides of one command, without its flags."""
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        arguments = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
        return shlex.split(arguments[0]) if arguments else []
    flag_values = {place + 1 for place, word in enumerate(words) if word in ("--cfg", "-c")}
    return [
        word
        for place, word in enumerate(words)
        if place > 1 and place not in flag_values and not word.startswith("-")
    ]


def cells_of(overrides):
    """One list of overrides for each cell of a sweep."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    choices = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [override.input_line]
        for override in parsed
    ]
    return [list(cell) for cell in itertools.product(*choices)]


def composed(overrides):
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=overrides)


def examples():
    for page in PAGES:
        for start in (RUN, "make run ARGS="):
            for command in commands(page, start):
                yield pytest.param(command, id=f"{page.stem}: {command}")


@pytest.mark.parametrize("command", list(examples()))
def test_every_example_composes(command):
    overrides = overrides_of(command)
    if overrides == ["..."]:
        pytest.skip("a pattern, not an example")
    concrete = [override for override in overrides if not PLACEHOLDER.search(override)]
    for cell in cells_of(concrete):
        config = composed(cell)
        assert config.task in TASKS
        assert set(config) <= set(RootConfig.__dataclass_fields__)
        for override in set(overrides) - set(concrete):
            key = override.partition("=")[0]
            parent, _, name = key.rpartition(".")
            there = OmegaConf.select(config, parent) if parent else config
            assert name in list(there), key  # "in there" is False for a key that must be given


def test_the_manual_has_examples():
    assert len(list(examples())) > 10


def test_overrides_with_a_misspelt_key_would_be_noticed():
    with pytest.raises(Exception, match="scaner"):
        composed(overrides_of(f"{RUN} scaner=abs"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), target


def anchors(page):
    """The anchors that mkdocs gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).lower()) for title in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_make_target_that_is_named_exists(page):
    text = page.read_text()
    named = re.findall(r"`((?:exray|conf|docs|notebooks|tests|benchmarks)/[\w./-]*)`", text)
    invented = re.findall(r"^\d\. `([\w./-]+)`", text, re.MULTILINE)  # steps that make a file
    for path in set(named) - set(invented):
        assert (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    used = re.findall(r"(?:^\s*|`)make ([a-z-]+)", text, re.MULTILINE)
    assert set(used) <= set(targets)


def test_the_table_of_options_is_complete():
    text = (ROOT / "docs" / "extending.md").read_text()
    for group in ("dataset", "scanner", "judge", "layer", "logger", "trainer", "debug"):
        (row,) = re.findall(rf"^\| `{group}` \|(.*)\|$", text, re.MULTILINE)
        options = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert options <= set(re.findall(r"`([a-z0-9_]+)`", row)), group


def test_the_table_of_layers_is_the_import_contract():
    text = (ROOT / "docs" / "layout.md").read_text()
    rows = re.findall(r"^\| ((?:`exray\.\w+`(?:, )?)+) \|", text, re.MULTILINE)
    documented = [set(re.findall(r"exray\.\w+", row)) for row in rows]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["type"] == "layers"]
    # A name in parentheses is a package that need not exist yet.
    checked = [set(re.findall(r"(?<!\()exray\.\w+", layer)) for layer in contract["layers"]]
    assert documented == checked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_that_the_manual_holds(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", page.read_text())
    for link in [link for link in links if "://" not in link]:
        target = (page.parent / link).resolve()
        assert target.is_file(), link
        assert page.parent == ROOT or (ROOT / "docs") in target.parents, link
