"""Which models of a dataset a run scans: shards and limits."""


def require_limit(limit: int | None) -> None:
    """Refuses a limit that is not positive.

    Args:
        limit: Number of models at most; None for all.

    Raises:
        ValueError: If it is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1; got {limit}")


def parse_shard(text: str) -> tuple[int, int]:
    """Index and number of shards from text such as ``0/4``.

    Args:
        text: ``INDEX/COUNT``.

    Raises:
        ValueError: If the text has another form, or the index is not below the number.

    Example:
        >>> parse_shard("1/4")
        (1, 4)
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f"shard must read INDEX/COUNT with INDEX < COUNT; got {text!r}")
    return int(index), int(count)


def shard_ids(ids: tuple[str, ...], *, shard: str, limit: int | None) -> tuple[str, ...]:
    """The ids of one shard, at most ``limit`` of them.

    Args:
        ids: Those of all models, in their order.
        shard: ``INDEX/COUNT``.
        limit: Number of models at most; None for all.

    Raises:
        ValueError: If the shard or the limit is invalid.

    Example:
        >>> shard_ids(("a", "b", "c"), shard="1/2", limit=None)
        ('b',)
    """
    index, count = parse_shard(shard)
    require_limit(limit)
    return ids[index::count][:limit]


def all_shards(ids: tuple[str, ...], *, shard: str, limit: int | None) -> tuple[str, ...]:
    """The ids of all shards of a run together, at most ``limit`` per shard.

    Args:
        ids: Those of all models, in their order.
        shard: ``INDEX/COUNT`` of any of them.
        limit: Number of models per shard at most; None for all.

    Raises:
        ValueError: If the shard or the limit is invalid.

    Example:
        >>> all_shards(("a", "b", "c", "d"), shard="1/2", limit=1)
        ('a', 'b')
    """
    _, count = parse_shard(shard)
    shards = [shard_ids(ids, shard=f"{index}/{count}", limit=limit) for index in range(count)]
    return tuple(sorted((model_id for part in shards for model_id in part), key=ids.index))
