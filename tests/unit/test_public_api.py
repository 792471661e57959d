"""What `import mobiledeploy` offers."""

import subprocess
import sys

import mobiledeploy


def test_every_public_name_resolves_and_says_what_it_does() -> None:
    for name in mobiledeploy.__all__:
        value = getattr(mobiledeploy, name)
        assert name == "__version__" or len(value.__doc__) > 80


def test_the_homes_and_the_public_names_are_the_same() -> None:
    assert sorted(mobiledeploy.__all__) == ["__version__", *sorted(mobiledeploy._HOMES)]


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(mobiledeploy, "train_me_something")


def test_importing_the_package_imports_nothing_else() -> None:
    ours = "m for m in sys.modules if m.startswith('mobiledeploy')"
    code = f"import sys, mobiledeploy; print(*({ours}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == {"mobiledeploy", "mobiledeploy._version"}
