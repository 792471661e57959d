"""The manifest of a compiled app has what Gradle's plug-in would add to the source manifest."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from unit.deploy.projects import DEMO, copied_demo, edit

from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import android_project, compile_app

NAME = "{http://schemas.android.com/apk/res/android}"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return copied_demo(tmp_path)


def test_the_manifest_gets_what_gradle_would_add_and_keeps_the_rest(app: Path) -> None:
    edit(app / "app/build.gradle.kts", 'applicationId = "dev.', 'applicationId = "org.')
    source = (DEMO / "app/src/main/AndroidManifest.xml").read_text(encoding="utf-8")
    assert 'authorities="${applicationId}.taken"' in source
    before = ET.fromstring(source.replace("${applicationId}", "org.mobiledeploy.demo"))
    after = ET.fromstring(compile_app.merged_manifest(android_project.read(app)))
    assert after.attrib.pop("package") == "org.mobiledeploy.demo"
    application = after.find("application")
    assert application is not None
    assert application.attrib.pop(f"{NAME}extractNativeLibs") == "false"
    shape = [(element.tag, element.attrib) for element in before.iter()]
    assert [(element.tag, element.attrib) for element in after.iter()] == shape


def test_a_file_that_is_not_a_manifest_is_refused(app: Path) -> None:
    project = android_project.read(app)
    for text, message in (("<manifest>", "is not XML"), ("<a/>", "expected a manifest")):
        project.manifest.write_text(text)
        with pytest.raises(BundleError, match=message):
            compile_app.merged_manifest(project)
