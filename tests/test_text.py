"""Text that several packages write."""

from exray.text import markdown_table


def test_a_table_without_rows_has_its_header():
    assert markdown_table(["a", "b"], []) == "| a | b |\n|---|---|\n"
