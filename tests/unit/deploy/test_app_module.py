"""The application module of real projects is found, and nothing else is taken for one."""

import re
from pathlib import Path

import pytest
from unit.deploy.projects import DEMO, PROJECTS, write_project

from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.deploy import app_module

FOUND = {
    # project: kind, module, whether the script is in Kotlin
    "groovy": ("android", "app", False),
    "old groovy": ("android", "mobile", False),
    "kotlin": ("android", "app", True),
    "catalogue": ("android", "app", True),
    "catalogue of another name": ("android", "application", True),
    "convention plug-in": ("android", "app", True),
    "one module": ("android", ".", True),
    "nested": ("android", "apps/phone", True),
    "flutter": ("flutter", "android/app", True),
    "old flutter": ("flutter", "android/app", False),
    "react native": ("react-native", "android/app", False),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_application_module_of_a_project_is_found(name: str, tmp_path: Path) -> None:
    module = app_module.find(write_project(tmp_path / "mine", name))
    kind, folder, in_kotlin = FOUND[name]
    assert (module.kind, module.in_kotlin) == (kind, in_kotlin)
    assert module.folder.relative_to(tmp_path / "mine").as_posix() == folder
    place = "assets" if kind == "flutter" else f"{folder}/src/main/assets"
    assert module.assets == tmp_path / "mine" / place


def test_the_demo_is_found() -> None:
    module = app_module.find(DEMO)
    assert (module.kind, module.folder) == ("android", DEMO / "app")


@pytest.mark.parametrize("name", ["flutter", "react native"])
def test_the_folder_android_of_a_project_stands_for_the_project(name: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", name)
    assert app_module.find(project / "android") == app_module.find(project)


def test_the_modules_own_folder_may_be_named(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "kotlin")
    assert app_module.find(project / "app").folder == project / "app"


def test_several_applications_need_a_choice(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "phone and watch")
    with pytest.raises(BundleError, match="several application modules: :app, :wear") as caught:
        app_module.find(project)
    assert "--module" in str(caught.value.hint)
    for module in ("wear", ":wear"):
        assert app_module.find(project, module).folder == project / "wear"
    with pytest.raises(RequestError, match="no application module `data`") as unknown:
        app_module.find(project, "data")
    assert ":app, :wear" in str(unknown.value.hint)


@pytest.mark.parametrize("spelling", [":apps:phone", "apps/phone", "apps:phone"])
def test_a_nested_module_may_be_spelt_as_gradle_or_the_shell_does(
    spelling: str, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "mine", "nested")
    assert app_module.find(project, spelling).folder == project / "apps/phone"


NOT_FOUND = {
    "a folder app that is no module": "holds no build.gradle",
    "a web project": "holds no build.gradle",
    "a library": "none of its scripts (build.gradle.kts, lib/build.gradle.kts) applies",
    "commented out": "none of its scripts",
    "no manifest": "src/main/AndroidManifest.xml is missing",
    "flutter without android": "has pubspec.yaml, but no folder `android`",
    "expo": "has package.json, but no folder `android`",
    "a broken catalogue": "is not a version catalogue",
}


@pytest.mark.parametrize("name", NOT_FOUND)
def test_what_is_no_application_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", name)
    with pytest.raises(BundleError, match=re.escape(NOT_FOUND[name])):
        app_module.find(project)


def test_every_sample_project_is_found_or_refused() -> None:
    assert FOUND.keys() | NOT_FOUND.keys() | {"phone and watch"} == PROJECTS.keys()


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, message in (("file", "is not a folder"), ("nowhere", "does not exist")):
        with pytest.raises(BundleError, match=message) as caught:
            app_module.find(tmp_path / name)
        assert "--new DIR" in str(caught.value.hint)
