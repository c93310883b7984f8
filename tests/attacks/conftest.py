"""Signs to stamp."""

import pytest

from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator


@pytest.fixture(scope="session")
def signs():
    """Four classes of signs, 16 pixels wide."""
    return SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=16)
