"""The names of `import cops_core as cops`."""

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import cops_core as cops


@pytest.mark.parametrize("name", cops.PUBLIC)
def test_each_name_is_what_its_module_defines(name):
    found = getattr(cops, name)
    assert callable(found)
    assert found.__module__ == cops.PUBLIC[name]().__name__
    assert found.__doc__
    assert name in dir(cops)
    assert name in cops.__all__


def test_no_module_hides_a_name():
    modules = {module.name for module in pkgutil.iter_modules(cops.__path__)}
    assert not modules & set(cops.PUBLIC)
    for name in cops.PUBLIC:
        importlib.import_module(cops.PUBLIC[name]().__name__)
        assert not isinstance(getattr(cops, name), ModuleType)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'cops_core' has no attribute 'selct'"):
        _ = cops.selct


def test_the_import_alone_is_cheap():
    program = "import sys, cops_core; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n"
