"""Where the configuration lies."""

from exray.presets import conf
from exray.presets.conf import conf_folder, option_names


def test_a_wheels_own_folder_comes_before_the_checkouts(tmp_path, monkeypatch):
    monkeypatch.setattr(conf, "_PACKAGE", tmp_path / "exray")
    assert conf_folder() == tmp_path / "conf"
    (tmp_path / "exray" / "conf").mkdir(parents=True)
    assert conf_folder() == tmp_path / "exray" / "conf"


def test_options_are_a_groups_yaml_files_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(conf, "_PACKAGE", tmp_path / "exray")
    group = tmp_path / "conf" / "judge"
    (group / "folder").mkdir(parents=True)
    for name in ("b.yaml", "a.yaml", "notes.md"):
        (group / name).write_text("")
    assert option_names("judge") == ["a", "b"]
    assert option_names("judges") == []


def test_the_checkout_has_the_root_file():
    assert (conf_folder() / "config.yaml").is_file()
