"""What the Python tests share: NumPy where it is installed, and a seed."""
import pytest

import jt


@pytest.fixture(autouse=True)
def seeded():
    jt.set_global_seed(7)


@pytest.fixture
def np():
    return pytest.importorskip("numpy")
