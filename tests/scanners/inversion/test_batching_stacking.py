"""Batches of several candidates' images in shared memory."""

import pytest
import torch

from exray.scanners.inversion.batching import Stack

ONE, OTHER = torch.rand(2, 4, 3, 5, 6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_images_are_stacked_in_the_order_in_memory_that_they_have(layout):
    images = [each.contiguous(memory_format=layout) for each in (ONE, OTHER)]
    together = Stack().of(images)
    assert torch.equal(together, torch.stack([ONE, OTHER]))
    assert together.flatten(0, 1).is_contiguous(memory_format=layout)


def test_memory_is_shared_from_call_to_call():
    stack = Stack()
    first = stack.of([ONE, OTHER])
    assert stack.of([OTHER]).data_ptr() == first.data_ptr()
    assert torch.equal(first[0], OTHER)


def test_only_the_same_tensors_are_given_again_untouched():
    stack = Stack()
    stack.of([ONE, OTHER]).zero_()
    assert not stack.of([ONE, OTHER], reuse=True).any()
    assert torch.equal(stack.of([ONE, OTHER.clone()], reuse=True)[0], ONE)
    assert torch.equal(stack.of([ONE], reuse=True), ONE[None])
    assert torch.equal(stack.of([ONE]), ONE[None])
