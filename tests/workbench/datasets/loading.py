"""What is demanded of a data set that is loaded, and of the refusal of one."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from workbench.datasets import Dataset, load
from workbench.system.errors import InputError

quick_fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal(source, **options):
    """The message of the InputError that loading must raise: a single line."""
    with pytest.raises(InputError) as caught:
        load(str(source), **options)
    message = str(caught.value)
    assert message == message.strip()
    assert len(message.splitlines()) == 1
    return message


def assert_sound(data):
    """What every data set promises, whatever it was loaded from."""
    assert isinstance(data, Dataset)
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert images.shape == (len(labels), data.channels, *data.image_size)
        assert images.dtype in (np.uint8, np.float32)
        assert images.flags.c_contiguous
        assert labels.dtype == np.int64
        assert labels.min() >= 0
        assert labels.max() < len(data.classes)
        assert not images.flags.writeable
        assert not labels.flags.writeable


def assert_same(one, other):
    np.testing.assert_array_equal(one.train_images, other.train_images)
    np.testing.assert_array_equal(one.train_labels, other.train_labels)
    np.testing.assert_array_equal(one.test_images, other.test_images)
    np.testing.assert_array_equal(one.test_labels, other.test_labels)
    assert one.classes == other.classes
