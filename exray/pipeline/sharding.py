"""Which classifiers of a dataset a run scans: shards and limits."""


def require_limit(limit: int | None) -> None:
    """Refuses a number of models that is none.

    Raises:
        ValueError: If it is not positive.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1; got {limit}")


def parse_shard(text: str) -> tuple[int, int]:
    """Index and number of shards from ``0/4``.

    Raises:
        ValueError: If it does not read so, or the index is not below the number.

    Example:
        >>> parse_shard("1/4")
        (1, 4)
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f"shard must read INDEX/COUNT with INDEX < COUNT; got {text!r}")
    return int(index), int(count)


def wanted_ids(ids: tuple[str, ...], *, shard: str, limit: int | None) -> tuple[str, ...]:
    """The ids of one shard, at most ``limit`` of them.

    Raises:
        ValueError: If the shard or the limit is no such thing.

    Example:
        >>> wanted_ids(("a", "b", "c"), shard="1/2", limit=None)
        ('b',)
    """
    index, count = parse_shard(shard)
    require_limit(limit)
    return ids[index::count][:limit]


def all_shards(ids: tuple[str, ...], *, shard: str, limit: int | None) -> tuple[str, ...]:
    """The ids of all shards that one of them belongs to, at most ``limit`` of each.

    Raises:
        ValueError: If the shard or the limit is no such thing.

    Example:
        >>> all_shards(("a", "b", "c", "d"), shard="1/2", limit=1)
        ('a', 'b')
    """
    _, count = parse_shard(shard)
    parts = [wanted_ids(ids, shard=f"{index}/{count}", limit=limit) for index in range(count)]
    return tuple(sorted((each for part in parts for each in part), key=ids.index))
