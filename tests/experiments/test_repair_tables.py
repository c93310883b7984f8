"""Tables of repairs follow from their rows: methods side by side, natural against injected."""

import io

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.experiments.repair_result import read_repair_rows, reported_sizes, write_repair_table
from exray.experiments.repair_tables import (
    MethodsTable,
    NaturalAndInjected,
    RepairAbout,
    RepairTable,
    is_repaired,
)
from exray.presets import conf_folder
from exray.results.repairs import RepairRecord, RepairStore, RoundRecord, UnlearnedRecord

EXPERIMENTS = conf_folder().parent / "experiments"
NAMES = ("repairs", "table_8", "figure_21", "figure_22")


def about(**changes):
    values = {"title": "T", "runs": ["run"], "reported": "", "differs": ["by much"]}
    return RepairAbout(**{**values, **changes})


def trigger(pair, sizes, is_true):
    return UnlearnedRecord(
        victim_class=pair[0],
        target_class=pair[1],
        victim_name="a",
        target_name="b",
        source="patch",
        asr_before=1.0,
        asr_after=0.0,
        size_before=sizes[0],
        size_after=sizes[1],
        is_true_trigger=is_true,
    )


def record(
    model_id, *triggers, method="unlearning", is_trojaned=True, accuracy=(0.9, 0.89), asr=0.05
):
    stages = [
        RoundRecord(
            accuracy=0.9, verdict=v, probability=0.5, num_triggers=1, num_injected=1, strength=s
        )
        for v, s in (("trojaned", 5.0), ("clean", None))
    ]
    return RepairRecord(
        model_id=model_id,
        run_id="r",
        status="repaired",
        method=method,
        before=stages[0],
        after=stages[1],
        unlearned=list(triggers),
        seconds=10.0,
        is_trojaned=is_trojaned,
        trigger_kind="patch" if is_trojaned else "",
        trigger_reach="universal" if is_trojaned else "",
        true_accuracy_before=accuracy[0],
        true_accuracy_after=accuracy[1],
        true_asr_before=1.0 if is_trojaned else None,
        true_asr_after=asr if is_trojaned else None,
    )


@pytest.fixture
def stored(tmp_path):
    """Repairs of two methods on two trojaned models, and of a clean one."""
    for method, asr in (("unlearning", 0.02), ("fine_pruning", 0.6)):
        store = RepairStore(tmp_path / "run" / f"repair={method}")
        true, other = trigger((0, 1), (20.0, 100.0), True), trigger((2, 1), (9.0, 9.0), False)
        store.write(record("m1", true, true, other, method=method, asr=asr))
        store.write(record("m2", true, method=method, asr=asr, accuracy=(0.9, 0.8)))
        natural = trigger((3, 4), (30.0, 50.0), False)
        store.write(record("c1", natural, method=method, is_trojaned=False, accuracy=(0.8, 0.75)))
    return tmp_path


def test_methods_are_counted_by_the_two_bars(stored):
    table = MethodsTable(about=about())
    rows = table.rows(stored)
    assert len(rows) == 6
    text = table.markdown(rows, None)
    assert (
        "| unlearning | 1 of 2 | 0.900 | 0.845 | 1.000 | 0.020 | 5.000 | - | 2 | 0 | 10 |" in text
    )
    assert "| fine_pruning | 0 of 2 |" in text
    assert "| run m2 | patch, universal | unlearning | repaired | 0.900 > 0.800 |" in text
    assert "c1" not in text


def test_a_repair_needs_both_bars():
    rows = pd.DataFrame(
        {
            "true_accuracy_before": [0.9, 0.9, 0.9],
            "true_accuracy_after": [0.87, 0.86, 0.9],
            "true_asr_after": [0.09, 0.0, 0.1],
        }
    )
    assert is_repaired(rows).tolist() == [True, False, False]


def test_table_8_sets_true_pairs_against_those_of_clean_models(stored):
    table = NaturalAndInjected(about=about(runs=["run/repair=unlearning"]))
    rows = table.rows(stored)
    assert sorted(rows["pair"]) == ["0>1", "0>1", "3>4"]  # a pair once, false triggers left out
    reported = pd.read_csv(EXPERIMENTS / "paper" / "table_8.csv")
    text = table.markdown(rows, reported)
    assert "| natural | here | 1 models, 1 pairs | 0.800 > 0.750 | 30.0 > 50.0 |" in text
    assert "| natural | paper | 5 models | 0.887 > 0.859 | 25.8 > 60.2 |" in text
    assert "| injected | here | 2 models, 2 pairs | 0.900 > 0.845 | 20.0 > 100.0 |" in text
    assert "grow more: 80.0 px against 20.0 px; the claim holds here" in text
    assert "less accuracy: 5.5 points against 5.0; the claim does not hold here" in text


def test_a_claim_without_both_kinds_cannot_be_checked(stored):
    table = NaturalAndInjected(about=about(runs=["run/repair=unlearning"]))
    rows = table.rows(stored)
    assert "cannot be checked" in table.markdown(rows[rows["trigger"] == "natural"], None)


def test_the_files_follow_from_each_other_and_what_was_written_stays(stored, tmp_path):
    table, folder = MethodsTable(about=about()), tmp_path / "experiments"
    paper = EXPERIMENTS / "paper"
    lines = write_repair_table(table, stored, folder, paper=paper, commands=["python run.py x"])
    assert any("unlearning" in line for line in lines)
    text = (folder / "table.md").read_text()
    assert table.markdown(read_repair_rows(folder), None) == text
    page = folder / "README.md"
    assert "python run.py x" in page.read_text()
    assert "- by much" in page.read_text()
    page.write_text(page.read_text() + "\nmine\n")
    write_repair_table(table, stored, folder, paper=paper, commands=["python run.py y"])
    assert page.read_text().endswith("\nmine\n")
    assert "python run.py y" in page.read_text()


def test_a_run_without_repairs_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"holds no repairs of run; run them first: task=repair"):
        MethodsTable(about=about()).rows(tmp_path)


def configured(name):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        words = [f"experiment={name}", "hydra.mode=RUN", "dataset.root=nowhere"]
        return built(compose("config", overrides=words).table, RepairTable)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_on_repairs_is_built_and_its_table_follows_from_its_rows(name):
    table = configured(name)
    assert table.about.title
    reported = reported_sizes(table, EXPERIMENTS / "paper")
    folder = EXPERIMENTS / name
    if folder.is_dir():
        text = (folder / "table.md").read_text()
        assert table.markdown(read_repair_rows(folder), reported) == text


def test_missing_numbers_stay_missing_through_the_file(stored, tmp_path):
    rows = MethodsTable(about=about()).rows(stored)
    content = rows.to_csv(index=False)
    again = pd.read_csv(io.StringIO(content), keep_default_na=False, na_values=[""])
    assert again["true_asr_before"].isna().sum() == 2
    del tmp_path
