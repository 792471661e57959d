"""What the pipeline refuses before any work, and what makes a stage stale."""

from pathlib import Path
from typing import Any, NoReturn

import pytest

from mobiledeploy import defaults, manifest, pipeline, stages
from mobiledeploy.errors import RequestError
from mobiledeploy.progress import Event


class StoppedError(Exception):
    """The pipeline got as far as training."""


def stop(*args: Any, **kwargs: Any) -> NoReturn:
    raise StoppedError


def events_of_a_build(root: Path) -> list[Event]:
    events: list[Event] = []
    with pytest.raises(StoppedError):
        pipeline.build(defaults.decide(), root, progress=events.append)
    return events


def test_images_are_decoded_anew_by_another_version_of_the_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "train", stop)
    up_to_date = Event("data", "up to date")
    assert up_to_date not in events_of_a_build(tmp_path)
    assert up_to_date in events_of_a_build(tmp_path)
    other = {**manifest.versions(), "pillow": "0.1"}
    monkeypatch.setattr(manifest, "versions", lambda: other)
    assert up_to_date not in events_of_a_build(tmp_path)


@pytest.mark.parametrize("inside", ["", "build"])
def test_a_build_folder_among_the_photos_is_refused(tmp_path: Path, inside: str) -> None:
    config = defaults.decide(data=str(tmp_path))
    with pytest.raises(RequestError, match="lies in the data folder"):
        pipeline.build(config, tmp_path / inside)
    assert list(tmp_path.iterdir()) == []
