"""Pages: what falls on which, where they lie, and how they lead to each other."""

from exray.reports.pages import page_links, page_path, parts, remove_pages_beyond


def test_every_item_is_on_one_page_in_its_order():
    items = list(range(1234))
    pages = parts(items, lambda item: item % 40)
    assert [item for page in pages for item in page] == items
    assert all(len(page) <= 100 and sum(item % 40 for item in page) <= 75 for page in pages)


def test_one_item_with_more_cards_than_a_page_holds_has_its_own():
    assert parts([1, 5000, 1], lambda item: item) == [[1], [5000], [1]]


def test_without_items_there_is_one_empty_page():
    assert parts([], lambda item: 0) == [[]]  # noqa: ARG005 - never called


def test_links_lead_to_the_pages_files(tmp_path):
    links = page_links(tmp_path / "report.html", ["a to b", "c to d"], 2)
    assert [(link.address, link.is_current) for link in links] == [
        ("report.html", False),
        ("report-2.html", True),
    ]
    assert page_links(tmp_path / "report.html", ["a to b"], 1) == []


def test_pages_of_a_longer_list_are_removed_and_other_files_stay(tmp_path):
    path = tmp_path / "report.html"
    kept = [path, page_path(path, 2), tmp_path / "report-final.html", tmp_path / "x-9.html"]
    for place in [*kept, page_path(path, 3), page_path(path, 10)]:
        place.write_text("")
    remove_pages_beyond(path, 2)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
