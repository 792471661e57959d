"""Whatever the classes and copies: a partition, every class everywhere, nothing shared."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.data.split import LIMIT, split


@given(
    sizes=st.lists(st.integers(3, 60), min_size=2, max_size=6),
    copies=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=10),
)
def test_splits_are_a_partition_without_leaks(
    sizes: list[int], copies: list[tuple[int, int]]
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    contents = [hashlib.sha256(str(i).encode()).digest() for i in range(len(labels))]
    # Copy only beyond the first three of each class, so that these stay different.
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    spare = [i for i in range(len(labels)) if i - first[labels[i]] >= 3]
    for target, source in copies if spare else []:
        own = spare[target % len(spare)]
        contents[own] = contents[spare[source % len(spare)]]
    splits = split(labels, contents, [str(label) for label in range(len(sizes))])
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(len(labels)))
    homes = [{contents[i] for i in found} for found in splits.values()]
    assert sum(map(len, homes)) == len(set(contents))
    for part, found in splits.items():
        assert set(labels[found].tolist()) == set(range(len(sizes)))
        assert part == "train" or len(found) <= LIMIT
