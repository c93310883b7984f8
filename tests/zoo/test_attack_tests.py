"""The test images of a zoo's classifier are those that its entry was measured on."""

from dataclasses import replace

import pytest

from exray.attacks.input_aware import InputAwareRecipe
from exray.zoo.attack_tests import attack_test, first_stamped_victims
from exray.zoo.candidate import train_candidate
from exray.zoo.image_sets import SIGN_IMAGES
from exray.zoo.training import hit_rate


@pytest.fixture
def candidates(micro, one_thread):
    del one_thread
    trojaned = next(index for index, model in micro.places.items() if model.attack is not None)
    clean = next(index for index, model in micro.places.items() if model.attack is None)
    return {
        name: train_candidate(micro, index, 1, accelerator="cpu", progress=False)
        for name, index in (("trojaned", trojaned), ("clean", clean))
    }


def test_they_give_the_accuracy_and_the_asr_of_the_entry(micro, candidates):
    for candidate in candidates.values():
        test = attack_test(micro, candidate.entry, SIGN_IMAGES)
        assert hit_rate(candidate.network, test.clean) == candidate.entry.clean_accuracy
        rates = [hit_rate(candidate.network, stamped) for stamped in test.stamped]
        assert min(rates, default=None) == candidate.entry.asr


def test_a_recipe_that_draws_other_triggers_is_refused(micro, candidates):
    entry = candidates["trojaned"].entry
    with pytest.raises(ValueError, match=f"draws other triggers for {entry.model_id} than its"):
        attack_test(micro, replace(entry, attempts=entry.attempts + 1), SIGN_IMAGES)


def test_a_trigger_that_was_learned_is_refused(micro):
    recipe = InputAwareRecipe(
        count=1,
        num_victims=None,
        poisoned_share=0.25,
        kept_share=0.0,
        crossed_share=0.25,
        width=4,
        mask_share=0.1,
        diversity_weight=1.0,
    )
    zoo = replace(micro, attacks={"input_aware": recipe})
    entry = train_candidate(zoo, 150_000, 0, accelerator="cpu", progress=False).entry
    message = r"trigger of id-00150000 \(input_aware\) was learned in its training"
    with pytest.raises(ValueError, match=message):
        attack_test(zoo, entry, SIGN_IMAGES)
    assert first_stamped_victims(zoo, entry, SIGN_IMAGES, seed=0) == {}
