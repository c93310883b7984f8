"""An experiment's page: what is generated, and what a person wrote below it."""

from exray.experiments.provenance import Provenance
from exray.experiments.readme import END, readme_markdown


def test_what_a_person_wrote_stays_on_the_page():
    making = Provenance(
        title="Table 1",
        commands=["python run.py experiment=table_1"],
        facts={"seed": "0"},
        differs=["Another zoo."],
        costs=[("exray", 8, 30.0), ("l2", 8, 4.0)],
        scanning=100.0,
        notes=["l2: score 0.5"],
        figures=["polygon.png"],
    )
    page = readme_markdown(making, "")
    assert "Cold, scanning included: 134 s" in page
    assert "Warm, with the scanner's results kept: 34 s" in page
    assert page.endswith(f"{END}\n")
    again = readme_markdown(making, f"{page}\nWhat to make of it.\n")
    assert again == f"{page}\nWhat to make of it.\n"
    assert readme_markdown(making, again) == again
