"""What a publisher declares of images, in words and as a preprocessing."""

from exray.models.declared_input import DeclaredInput


def test_a_declaration_in_words():
    declared = DeclaredInput(source="timm", size=248, crop=224, interpolation="bicubic", std=(0.5,))
    assert declared.description == "size 248, crop 224, bicubic, std 0.5"
    assert declared.side == 224
    assert declared.preprocessing.std == (0.5,)


def test_nothing_declared():
    assert DeclaredInput(source="timm").description == "images as they are"
    assert DeclaredInput(source="timm").side is None
