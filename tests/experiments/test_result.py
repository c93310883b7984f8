"""A table as values and as files: both hold the same digits."""

import io

import pandas as pd

from exray.experiments.result import read_rows


def test_rows_keep_empty_words_and_unknown_truths():
    text = "row,is_trojaned,scanner_flags,probability\nnone,True,,0.5\nNA,,False,\n"
    rows = read_rows(io.StringIO(text))
    assert list(rows["row"]) == ["none", "NA"]
    assert rows["is_trojaned"].isna().tolist() == [False, True]
    assert rows["scanner_flags"].dtype == pd.BooleanDtype()
