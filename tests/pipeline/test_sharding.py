"""Which models a shard scans."""

import pytest

from exray.pipeline.sharding import all_shards, parse_shard, require_limit, shard_ids

IDS = tuple("abcdefg")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_share_the_models_among_them(count):
    shards = [shard_ids(IDS, shard=f"{index}/{count}", limit=None) for index in range(count)]
    assert sorted(model_id for shard in shards for model_id in shard) == list(IDS)


def test_a_limit_is_of_every_shard():
    assert shard_ids(IDS, shard="1/2", limit=2) == ("b", "d")
    assert all_shards(IDS, shard="1/2", limit=2) == ("a", "b", "c", "d")


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "1/", "/2", "0/0"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="shard must read INDEX/COUNT with INDEX < COUNT; got "):
        parse_shard(text)


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="limit must be >= 1; got 0"):
        require_limit(0)
