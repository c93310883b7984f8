"""What a seed decides."""

from exray.zoo.training_plan import planned


def test_an_attempt_has_a_seed_and_an_attack_of_its_own_and_the_same_at_any_time(micro):
    first, again, second = (planned(micro, 1, attempt) for attempt in (0, 0, 1))
    assert (first.seed, second.seed) == (8, 1_000_008)
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.attacks == again.attacks != second.attacks
    assert planned(micro, 0, 0).attacks == ()
