import shutil

import pytest

from mbhelpers import settings
from mbhelpers.data import flowers, source
from mbhelpers.data.catalog import CATALOG, find


@pytest.fixture
def archive(tmp_path, make_folder):
    """A folder in which the official archive was unpacked."""
    make_folder(tmp_path / "unpacked" / "flower_photos", {"daisy": 3, "roses": 3})
    return tmp_path / "unpacked"


def test_the_outer_and_the_inner_folder_are_taken(archive):
    inner = archive / "flower_photos"
    assert source.locate("flowers", archive) == inner
    assert source.locate("flowers", str(archive)) == inner
    assert source.locate("flowers", inner) == inner


def test_another_layout_is_refused(tmp_path, make_folder):
    make_folder(tmp_path / "data", {"cat": 1, "dog": 1})
    with pytest.raises(ValueError, match=r"holds neither flower_photos/ nor class folders such as daisy/"):
        source.locate("flowers", tmp_path / "data")
    with pytest.raises(ValueError, match=r"no folder at .*absent; pass the folder"):
        source.locate("flowers", tmp_path / "absent")


def test_an_unknown_dataset_lists_the_known():
    names = ", ".join(CATALOG)
    for ask in (lambda: source.locate("flower", "sample"), lambda: source.load("flower", None), lambda: find("flower")):
        with pytest.raises(ValueError, match=f"unknown dataset 'flower'; choose from {names} or custom"):
            ask()


def test_custom_needs_a_folder(tmp_path):
    with pytest.raises(ValueError, match="needs your own folder: pass --data FOLDER"):
        source.locate("custom", None)
    assert source.locate("custom", tmp_path) == tmp_path


def test_the_sample_is_asked_for_by_name(tmp_path, monkeypatch):
    drawn = settings.sample_folder() / "flower_photos"
    assert source.locate("flowers", "sample") == drawn
    assert source.locate("custom", "sample") == drawn
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample" / "flower_photos").mkdir(parents=True)
    assert source.locate("flowers", tmp_path / "sample") == tmp_path / "sample" / "flower_photos", "a path is a path"


def test_the_sample_is_drawn_where_it_is_not(tmp_path, monkeypatch, capsys):
    from mbhelpers.data import sample

    def draw(root):
        (root / "flower_photos").mkdir(parents=True)

    monkeypatch.setattr(settings, "sample_folder", lambda: tmp_path / "sample")
    monkeypatch.setattr(sample, "write_sample", draw)
    assert source.locate("flowers", "sample").is_dir()
    assert "drawing the sample into" in capsys.readouterr().out, "nothing happens silently"


def test_data_that_is_there_is_not_fetched(archive, monkeypatch):
    def refuse(_):
        raise AssertionError("fetched although it is there")

    monkeypatch.setattr(flowers, "fetch", refuse)
    monkeypatch.setenv("MBHELPERS_DATA", str(archive))
    assert source.locate("flowers", None) == archive / "flower_photos"


def test_data_that_is_absent_is_fetched_saying_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(flowers, "fetch", lambda home: home / "fetched")
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path))
    assert source.locate("flowers", None) == tmp_path / "fetched"
    assert "3,670 images" in capsys.readouterr().out


def test_load_reports_what_it_left_out(archive, capsys):
    for i in range(7):
        (archive / "flower_photos" / "daisy" / f"empty_{i}.jpg").touch()
    images = source.load("flowers", archive)
    said = capsys.readouterr().out
    assert len(images) == 6
    assert "left out 7 of 13 files: daisy/empty_0.jpg: empty file; " in said
    assert "and 2 more" in said
    assert len(images.skipped) == 7


def test_load_is_silent_when_all_is_well(archive, capsys):
    assert source.load("flowers", archive).classes == ("daisy", "roses"), "a subset of the classes will do"
    assert capsys.readouterr().out == ""


def test_load_refuses_a_class_of_another_data_set(archive):
    shutil.copytree(archive / "flower_photos" / "daisy", archive / "flower_photos" / "orchids")
    with pytest.raises(ValueError, match="class folders orchids that this dataset has not"):
        source.load("flowers", archive)
    assert source.load("custom", archive / "flower_photos").classes == ("daisy", "orchids", "roses")
