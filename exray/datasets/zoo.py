"""A zoo built by exray as the source of a run, the embedded one included."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from exray.attacks.all_to_all import ALL_TO_ALL
from exray.datasets.base import LoadedModel, ModelDataset, Plain, Truth
from exray.errors import CheckpointError, RecordError
from exray.models.architectures.registry import build
from exray.models.checkpoints.file_report import inspect_file
from exray.models.checkpoints.model_file import ModelFile
from exray.models.checkpoints.reader import file_sha256, read_checkpoint
from exray.models.checkpoints.weights import load_state
from exray.models.classifier import Classifier, Preprocessing
from exray.seeding import derive_seed
from exray.zoo.attack_tests import AttackTest, attack_test, first_stamped_victims
from exray.zoo.entries import ModelEntry
from exray.zoo.image_sets import IMAGES, SIGN_IMAGES, ZooImages
from exray.zoo.manifest import MANIFEST, RECIPE, Manifest
from exray.zoo.recipe import Half, ZooRecipe
from exray.zoo.recipe_io import stored_recipe


def embedded_root(name: str) -> Path:
    """Folder of a zoo that is shipped inside the package."""
    return Path(str(files("exray.zoo") / "embedded" / name))


class ZooDataset(ModelDataset):
    """All classifiers of a zoo; clean samples are drawn from each model's own generator.

    Of a zoo that is still being built it has those that are finished.

    Args:
        name: What records call it.
        root: The zoo's folder; None for the one shipped inside the package.
        recipe: How to build it.
        images: What its classifiers are trained, tested and scanned on.
        half: ``tuning`` or ``reporting`` for that half of the classifiers alone; None for all.
        reserved: Whether its classifiers are kept for reporting, so that nothing is chosen on them;
            the embedded zoo's are.

    Raises:
        RecordError: When models are asked for and the folder holds no manifest.
    """

    def __init__(
        self,
        *,
        name: str,
        root: str | None,
        recipe: ZooRecipe,
        images: ZooImages = SIGN_IMAGES,
        half: Half | None = None,
        reserved: bool = False,
    ) -> None:
        self.name = name
        self.half = half
        self.is_embedded = root is None
        self.reserved = reserved or self.is_embedded
        self.root = embedded_root(name) if root is None else Path(root)
        self.recipe = recipe
        self.images = images
        self._manifest: Manifest | None = None

    def manifest(self) -> Manifest:
        """What the zoo holds, read once."""
        if self._manifest is None:
            unfinished = None
            if not (self.root / MANIFEST).is_file():
                unfinished = Manifest.read_unfinished(self.root, name=self.name)
            self._manifest = unfinished or Manifest.read(self.root, dataset=self.name)
        return self._manifest

    def model_ids(self) -> tuple[str, ...]:
        """Ids in the manifest's order, those of the other half left out."""
        return tuple(
            model.model_id
            for model in self.manifest().models
            if self.half is None or self.half == self._half_of(model)
        )

    def _half_of(self, entry: ModelEntry) -> Half:
        return self.recipe.half_of(int(entry.model_id.removeprefix("id-")))

    def load(self, model_id: str) -> LoadedModel:
        """One classifier of the zoo, its weights held to the manifest's hash.

        Raises:
            CheckpointError: If the weights are missing, broken or not those of the manifest.
        """
        entry = self.manifest().entry(model_id)
        path = entry.weights_path(self.root)
        file = ModelFile(path)
        checkpoint = read_checkpoint(file)
        if file_sha256(path) != entry.sha256:
            raise CheckpointError(
                path,
                "is not the file of the manifest (its SHA-256 differs)",
                "build it again with: python run.py task=build_zoo",
            )
        network = build(entry.architecture, num_classes=entry.num_classes, auxiliary_heads=False)
        load_state(network, checkpoint.state, path)
        classifier = Classifier(
            network,
            Preprocessing(),
            num_classes=entry.num_classes,
            name=entry.architecture,
            file_report=inspect_file(file),
        )
        samples = self.images.of_model(entry.image_facts, split="test").samples(
            per_class=self.recipe.samples_per_class, seed=derive_seed(entry.seed, "scan")
        )
        return LoadedModel(
            classifier=classifier,
            samples=samples,
            architecture=entry.architecture,
            warnings=self._other_images(),
        )

    def _other_images(self) -> tuple[str, ...]:
        """What to say where the images are not those that the zoo was built on."""
        if self.manifest().recipe.get(IMAGES) == self.images.description().get(IMAGES):
            return ()
        return (f"the images of {self.name} are not the ones that its classifiers were built on",)

    def model_file(self, model_id: str) -> Path:
        """Its weights."""
        return self.manifest().entry(model_id).weights_path(self.root)

    def truth(self, model_id: str) -> Truth:
        """Whether it is trojaned, and from which classes to which."""
        entry = self.manifest().entry(model_id)
        truth = truth_of(entry)
        place: dict[str, Plain] = {"half": self._half_of(entry), "reserved": self.reserved}
        return replace(truth, details={**truth.details, **place})

    def attack_test(self, model_id: str) -> AttackTest:
        """The test images that gave the manifest its accuracy and its ASR.

        Raises:
            ValueError: If the manifest's recipe draws other triggers than its entry records.
        """
        manifest = self.manifest()
        recipe = stored_recipe(manifest.recipe)
        return attack_test(recipe, manifest.entry(model_id), self.images)

    def true_images(self, model_id: str) -> Mapping[tuple[int, int], UInt8[Tensor, "3 h w"]]:
        """The first clean image of each victim with the injected trigger, by victim and target.

        Raises:
            ValueError: If the manifest's recipe draws other triggers than its entry records.
        """
        manifest = self.manifest()
        entry = manifest.entry(model_id)
        seed = derive_seed(entry.seed, "scan")
        recipe = stored_recipe(manifest.recipe)
        return first_stamped_victims(recipe, entry, self.images, seed=seed)

    def fingerprint(self) -> str:
        """Hash of the manifest, which holds the hash of every file, and of the images' own.

        Of a zoo that is being built, of its recipe: what is finished stays, so a run goes on.
        """
        path = self.root / MANIFEST
        if not path.is_file():
            path = self.root / RECIPE
            if Manifest.read_unfinished(self.root, name=self.name) is None:
                return ""
        described = self.images.description()
        images = json.dumps(described, sort_keys=True).encode() if described else b""
        return hashlib.sha256(path.read_bytes() + images).hexdigest()


def open_zoo(root: Path, *, images: ZooImages = SIGN_IMAGES) -> ZooDataset:
    """A zoo that is already built, under the name and the recipe that its manifest holds.

    Args:
        root: The zoo's folder, such as ``embedded_root("signs_mini")``.
        images: What its classifiers are scanned on.

    Raises:
        RecordError: If the folder holds no manifest, or one whose recipe is not understood.
    """
    manifest = Manifest.read(root)
    try:
        recipe = stored_recipe(manifest.recipe)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            root / MANIFEST,
            f"holds a recipe that is not understood ({error})",
            "build the zoo again with: python run.py task=build_zoo",
        ) from error
    return ZooDataset(name=manifest.name, root=str(root), recipe=recipe, images=images)


def truth_of(entry: ModelEntry) -> Truth:
    """Ground truth of one entry."""
    details: dict[str, Plain] = {"true_clean_accuracy": entry.clean_accuracy}
    if entry.attack is None:
        return Truth(is_trojaned=entry.is_trojaned, details=details)
    attacks = [entry.attack] if entry.organization is None else list(entry.attacks)
    options = [attack.option for attack in attacks]
    details |= {
        "trigger_option": options[0] if entry.organization == ALL_TO_ALL else ", ".join(options),
        "true_asr": entry.asr,
        "trigger_reach": reach_of(entry),
    }
    if entry.organization not in (None, ALL_TO_ALL):
        details |= {
            "trigger_condition": ", ".join(attack.condition or "none" for attack in attacks),
            "trigger_organization": entry.organization,
        }
    kinds = [attack.kind for attack in attacks]
    return Truth(
        is_trojaned=entry.is_trojaned,
        pairs=frozenset(
            (victim, attack.target_class) for attack in attacks for victim in attack.victim_classes
        ),
        kind=ALL_TO_ALL if entry.organization == ALL_TO_ALL else ", ".join(kinds),
        details=details,
    )


def reach_of(entry: ModelEntry) -> str:
    """``universal`` for a trigger that sends every other class to the target, else how many.

    ``all to all`` for one that sends every class to a target of its own.

    Raises:
        ValueError: If the classifier is clean.
    """
    if entry.attack is None:
        raise ValueError(f"{entry.model_id} is clean; only a trojaned model's trigger has a reach")
    if entry.organization == ALL_TO_ALL:
        return "all to all"
    victims = len(entry.attack.victim_classes)
    if victims == entry.num_classes - 1:
        return "universal"
    return f"{victims} victim{'s' if victims > 1 else ''}"
