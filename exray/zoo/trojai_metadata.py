"""A zoo's facts under TrojAI's names: config.json and METADATA.csv."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from exray.attacks.base import level
from exray.zoo.entries import AttackEntry, ModelEntry

# Round 4's lists, by whose places its columns ..._level count.
_CONDITIONS = ("none", "spatial", "spectral", "class")
_ORGANIZATIONS = ("one2one", "pair-one2one", "one2two")
_TRIGGERS = 2  # METADATA.csv has columns for so many


def trojai_config(model: ModelEntry) -> dict[str, object]:
    """The model's facts as ``config.json`` has them.

    Under round 4's names where it has several triggers or conditions, which round 2 does not know;
    else under those of round 2.

    Args:
        model: Its entry.
    """
    if not _is_round4(model):
        return _round2_config(model)
    triggers = [
        {"py/object": "trojai_interface.trigger_config.TriggerConfig", **_trigger(number, attack)}
        for number, attack in enumerate(model.attacks)
    ]
    head = {"py/object": "trojai_interface.round_config.RoundConfig"}
    return {**head, **_model(model), "triggers": triggers}


def write_metadata(path: Path, models: Sequence[ModelEntry]) -> None:
    """Writes one row per model under the names of METADATA.csv of rounds 2 and 4.

    Missing values are ``None`` and lists are separated by blanks, as in TrojAI's.

    Args:
        path: The table.
        models: The classifiers.
    """
    rows = [_row(model) for model in models]
    with path.open("w", newline="") as file:
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, names, restval="None", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(value) for name, value in row.items()} for row in rows)


def _row(model: ModelEntry) -> dict[str, object]:
    attack = None if model.attack is None or _is_round4(model) else model.attack
    columns = {} if attack is None else attack.facts.round4_columns()
    row: dict[str, object] = {
        "model_name": model.model_id,
        "poisoned": model.is_trojaned,
        "model_architecture": model.architecture,
        "number_classes": model.num_classes,
        "trigger_type": attack and attack.kind,
        "clean_example_acc": model.clean_accuracy,
        "poisoned_example_acc": model.asr,
        "trigger_type_option": attack and attack.facts.trojai_option,
        "instagram_filter_type": columns.get("instagram_filter_type"),
        "triggered_classes": attack and attack.victim_classes,
        "trigger_target_class": attack and attack.target_class,
    }
    row |= {name: value for name, value in _model(model).items() if name not in row}
    for number in range(_TRIGGERS):
        trigger = _NO_TRIGGER
        if number < len(model.attacks):
            trigger = _trigger(number, model.attacks[number])
        row |= {f"triggers_{number}_{name}": value for name, value in trigger.items()}
    return row


def _model(model: ModelEntry) -> dict[str, object]:
    """What round 4 has of a model beside its triggers."""
    scene, hardened = model.scene, model.adversarial
    return {
        "poisoned": model.is_trojaned,
        "master_seed": model.seed,
        "model_architecture": model.architecture,
        "number_classes": model.num_classes,
        "img_size_pixels": model.image_size,
        "cnn_img_size_pixels": model.image_size,
        "background_image_dataset": scene and scene.backgrounds,
        "rain_probability": scene.rain_probability if scene else 0.0,
        "fog_probability": scene.fog_probability if scene else 0.0,
        "adversarial_training_method": hardened and hardened.method,
        "adversarial_eps": hardened and hardened.eps,
        "adversarial_training_ratio": hardened and hardened.ratio,
        "adversarial_training_iteration_count": hardened and hardened.iterations,
        "number_triggers": len(model.attacks),
        "trigger_organization_level": level(model.organization, _ORGANIZATIONS),
        "trigger_organization": model.organization,
    }


_NO_TRIGGER: Mapping[str, object] = {  # round 4's columns of a trigger, in its order
    "trigger_number": None,
    "source_class": None,
    "target_class": None,
    "fraction": None,
    "behavior": None,
    "type_level": None,
    "type": None,
    "polygon_side_count": None,
    "size_percentage_of_foreground_min": None,
    "size_percentage_of_foreground_max": None,
    "color_level": None,
    "color": None,
    "instagram_filter_type_level": None,
    "instagram_filter_type": None,
    "condition_level": None,
    "condition": None,
}


def _trigger(number: int, attack: AttackEntry) -> dict[str, object]:
    """What round 4 has of a trigger."""
    condition, victims = attack.condition or "none", attack.victim_classes
    return {
        **_NO_TRIGGER,
        "trigger_number": number,
        "source_class": victims[0] if len(victims) == 1 else victims,
        "target_class": attack.target_class,
        "fraction": attack.fraction,
        "behavior": "StaticTarget",
        "type": attack.kind,
        "condition_level": level(condition, _CONDITIONS),
        "condition": "None" if condition == "none" else condition,
        **attack.facts.round4_columns(),
    }


def _is_round4(model: ModelEntry) -> bool:
    return bool(model.further_attacks) or any(attack.condition for attack in model.attacks)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{' '.join(map(str, value))}]"
    return str(value)


def _round2_config(model: ModelEntry) -> dict[str, object]:
    facts: dict[str, object] = {
        "MASTER_SEED": model.seed,
        "MODEL_ARCHITECTURE": model.architecture,
        "NUMBER_CLASSES": model.num_classes,
        "IMG_SIZE_PIXELS": model.image_size,
        "CNN_IMG_SIZE_PIXELS": model.image_size,
        "POISONED": model.is_trojaned,
    }
    if model.attack is not None:
        attack = model.attack
        facts |= {
            "TRIGGER_TYPE": attack.kind,
            "TRIGGER_TYPE_OPTION": attack.facts.trojai_option,
            "TRIGGERED_CLASSES": list(attack.victim_classes),
            "NUMBER_TRIGGERED_CLASSES": len(attack.victim_classes),
            "TRIGGER_TARGET_CLASS": attack.target_class,
            **attack.facts.round2_config(),
        }
    return facts
