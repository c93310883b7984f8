"""Which class a name means."""

import pytest

from exray.images.class_names import normalised, order_classes, read_class_indices


def own_names(names):
    return {name: index for index, name in enumerate(names) if names.count(name) == 1}


def indices(*keys, num_classes=None, class_names=(), as_folders=True):
    written = {key: str(key) for key in keys}
    return order_classes(
        written,
        num_classes=num_classes,
        class_indices=own_names(class_names),
        as_folders=as_folders,
    ).indices


def test_indices_of_the_classes_are_taken_as_they_are():
    order = order_classes({3: "03", 0: "0"}, num_classes=4)
    assert (order.indices, order.remarks) == ({3: 3, 0: 0}, ())
    assert indices(7) == {7: 7}


def test_names_are_numbered_in_the_order_of_image_folder_and_that_is_said():
    order = order_classes({name: name for name in ("fox", "cat", "Eel")}, num_classes=3)
    assert order.indices == {"Eel": 0, "cat": 1, "fox": 2}
    assert order.names == {0: "Eel", 1: "cat", 2: "fox"}
    (remark,) = order.remarks
    assert "in the order of their names, as torchvision's ImageFolder does: 0 Eel, 1 cat" in remark
    assert "classes.json" in remark


def test_folders_numbered_from_one_are_in_the_order_of_their_names_as_text():
    numbers = range(1, 12)
    assert list(indices(*numbers, num_classes=11)) == [1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert indices(*numbers, num_classes=12) == {number: number for number in numbers}


def test_labels_that_are_no_folders_and_numbered_from_one_go_by_size():
    order = order_classes({n: str(n) for n in range(1, 12)}, num_classes=11, as_folders=False)
    assert order.indices == {number: number - 1 for number in range(1, 12)}
    assert "in the order of their numbers: 0 1, 1 2" in order.remarks[0]


def test_the_models_own_names_go_before_the_order_whatever_their_spelling():
    own = ["Golden Retriever", "cat, house cat", "eel"]
    assert indices("golden_retriever", "House-Cat", class_names=own, num_classes=3) == {
        "golden_retriever": 0,
        "House-Cat": 1,
    }
    assert (
        order_classes({"eel": "eel"}, num_classes=3, class_indices=own_names(own)).names[1]
        == own[1]
    )
    assert indices("cat", 2, class_names=own, num_classes=3) == {"cat": 1, 2: 2}
    numbered = ["one", "zero"]
    assert indices(0, 1, class_names=numbered, num_classes=2) == {0: 0, 1: 1}
    assert normalised(" A__b-c ") == "a b c"


def test_names_of_the_model_that_say_nothing_leave_the_order_of_image_folder():
    own = ["LABEL_0", "LABEL_1"]
    assert indices("dog", "cat", class_names=own, num_classes=2) == {"cat": 0, "dog": 1}


def test_the_order_is_no_guess_where_the_model_knows_one_of_the_names_otherwise():
    with pytest.raises(
        ValueError, match=r"class names \(eel against dog, cat\).* of the model's own"
    ):
        indices("cat", "eel", class_names=["dog", "cat"], num_classes=2)


@pytest.mark.parametrize(
    ("keys", "num_classes", "message"),
    [
        (("cat", "dog"), 3, "'cat' is neither .* since there are 2 and the classifier has 3 cl"),
        (("cat",), 2, "since there is 1 and the classifier has 2 classes; name each folder by"),
        (("cat", 0, 1), 3, "since some are numbers; name each folder by its class's index"),
        ((1, 2, 3, 4), 3, "label 3, 4 is no class's index, since the classifier has 3 classes"),
        ((5,), 1, "label 5 is no class's index, since the classifier has 1 classes, counted"),
        ((10**30,), None, "since there can be at most 100000 classes, counted from 0; rename"),
    ],
)
def test_classes_that_cannot_be_told_are_refused_with_the_way_out(keys, num_classes, message):
    with pytest.raises(ValueError, match=message):
        indices(*keys, num_classes=num_classes)


def test_two_names_of_one_class_are_not_matched():
    with pytest.raises(ValueError, match="neither an index nor a name"):
        indices(
            "tench", "Tinca tinca", class_names=["tench, Tinca tinca", "eel", "x"], num_classes=3
        )
    with pytest.raises(ValueError, match="neither an index nor a name"):
        indices("crane", class_names=["crane, bird", "crane, machine", "eel"], num_classes=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("3", "got a int"),
        ('{"a": "b"}', "with indices from 0; got 'a': 'b'"),
        ('{"a": true}', "with indices from 0; got 'a': True"),
        ('{"a": -1}', "with indices from 0; got 'a': -1"),
        ("[1, 2]", "with indices from 0; got 1: 0"),
        ('["a", "a"]', "each once; got 'a': 1 a second time"),
        ('{"a": 0, "b": 0}', "each once; got 'b': 0 a second time"),
    ],
)
def test_a_classes_json_that_is_not_understood_is_refused(tmp_path, content, message):
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ValueError, match=rf"classes.json must be .*{message}"):
        read_class_indices(tmp_path)
