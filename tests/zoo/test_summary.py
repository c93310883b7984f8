"""The table of what a zoo holds."""

from dataclasses import replace

from exray.attacks.instagram import InstagramFacts
from exray.zoo.entries import AttackEntry, ModelEntry
from exray.zoo.manifest import Manifest
from exray.zoo.summary import summary_markdown

CLEAN = ModelEntry(
    model_id="id-00000000",
    sha256="",
    seed=0,
    attempts=1,
    architecture="plain_cnn",
    num_classes=3,
    family_size=1,
    image_size=16,
    class_names=("a", "b", "c"),
    clean_accuracy=1.0,
    worst_class_accuracy=1.0,
    asr=None,
    attack=None,
    training_seconds=2.0,
)
ATTACK = AttackEntry(
    facts=InstagramFacts(filter_name="Lomo"),
    victim_classes=(0, 1),
    target_class=2,
    num_poisoned=4,
)


def test_each_half_and_attack_has_a_row_of_its_own(micro):
    recipe = replace(micro, num_clean=4, attacks={})  # ids 0 and 1 tune, 2 and 3 report
    trojaned = replace(CLEAN, asr=0.9, attack=ATTACK, attempts=2)
    models = (
        CLEAN,
        replace(CLEAN, model_id="id-00000001", clean_accuracy=0.98, training_seconds=4.0),
        replace(trojaned, model_id="id-00000002"),
        replace(trojaned, model_id="id-00000003", asr=1.0),
    )
    lines = summary_markdown(Manifest(name="z", recipe={}, models=models), recipe).splitlines()
    assert lines[2] == "| tuning | clean | 2 |  |  | 0.9900 (0.9800) |  | 2 | 3 |"
    lomo = "| reporting | instagram | 2 | Lomo (2) | 2 (2) | 1.0000 (1.0000) | "
    assert lines[3] == f"{lomo}0.9500 (0.9000) | 4 | 2 |"
    assert len(lines) == 4
