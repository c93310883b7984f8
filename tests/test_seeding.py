"""Every named part of a run has a stream of its own, the same on every machine."""

import itertools

import torch

from exray.seeding import derive_seed, generator


def test_a_seed_is_the_same_in_every_process():
    # sha256sum of "0/pair/3" and "7", by hand; Python's own hash differs from process to process
    assert derive_seed(0, "pair", 3) == 22337782051838545
    assert derive_seed(7) == 34061124792233098


def test_seeds_fit_a_generator_and_differ_by_seed_and_part():
    names = itertools.product(range(5), ("pair", "noise"), range(20))
    seeds = {derive_seed(seed, part, index) for seed, part, index in names}
    assert len(seeds) == 5 * 2 * 20
    assert all(0 <= seed < 2**56 for seed in seeds)


def test_the_order_of_the_parts_matters():
    assert derive_seed(0, "a", "b") != derive_seed(0, "b", "a")


def test_a_stream_depends_on_its_name_alone():
    first = torch.rand(4, generator=generator(0, "a"))
    torch.rand(9)  # the global stream is another
    other = torch.rand(4, generator=generator(0, "b"))
    assert torch.equal(first, torch.rand(4, generator=generator(0, "a")))
    assert not torch.equal(first, other)
