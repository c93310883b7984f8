"""A run whose finished models go to an object store: another machine goes on from there."""

import pytest
from s3_server import forget, s3_server, use_server

pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's and boto's own


@pytest.fixture
def client(monkeypatch):
    with s3_server() as address:
        client = use_server(monkeypatch, address)
        client.create_bucket(Bucket="results")
        yield client
    forget()


def test_another_machine_goes_on_from_what_is_published(command, quick, client, tmp_path):
    words = [word for word in quick if not word.startswith(("paths.results=", "judge"))]
    words += ["judge=none", "limit=2", "paths.publish=s3://results/all"]
    first = command(*words, f"paths.results={tmp_path / 'first'}")
    assert first.status == 0, first.err
    listed = client.list_objects_v2(Bucket="results")["Contents"]
    names = [item["Key"].removeprefix("all/run/") for item in listed]
    models = [line.split("\t")[0] for line in first.out.splitlines()]
    assert [name for name in names if name.endswith(".zip")] == [f"{name}.zip" for name in models]
    assert {"run.json", "records.csv", "report.html", "summary.json"} <= set(names)
    assert not [name for name in names if name.startswith(".")]
    second = command(*words, f"paths.results={tmp_path / 'second'}")
    assert second.status == 0, second.err
    assert second.out == first.out
    assert second.err.count("already scanned") == 2
    other = command(*words, "seed=1", f"paths.results={tmp_path / 'third'}")
    assert other.status == 2
    assert "seed: 0 there, 1 now" in other.err  # beside what the server says


def test_a_folder_to_publish_to_is_refused(command, quick):
    said = command(*quick, "paths.publish=somewhere").mistake()
    assert said.startswith("paths.publish must be null or a URL such as s3://bucket/results; got")
