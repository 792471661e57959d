"""Own photos, own weights, the other engine: `mobiledeploy build` beyond its defaults."""

import json
import shutil
from pathlib import Path

import pytest
from e2e.conftest import SIZE, mobiledeploy, printed

pytestmark = pytest.mark.tensorflow

SMALL = (
    "--arch", "v1", "--alpha", "0.25", "--image-size", str(SIZE), "--epochs", "1",
    "--qat-steps", "2",
)  # fmt: skip


@pytest.fixture(scope="session")
def weights(small_build: Path) -> Path:
    """A network for ten classes, as a user may have trained it elsewhere.

    It has to be a trained one: with random weights every image gives the same output, and the
    build is refused.
    """
    return small_build / "train/model.keras"


@pytest.fixture
def own_keras(tmp_path: Path) -> dict[str, str]:
    """The settings of somebody who works with Keras on JAX, in half precision, channels first.

    `keras.json` is Keras's and tf_keras's; the variable outweighs it. JAX need not be there.
    """
    theirs = {"backend": "torch", "floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras/keras.json").write_text(json.dumps({"epsilon": 1e-7, **theirs}))
    return {"KERAS_HOME": str(tmp_path / "keras"), "KERAS_BACKEND": "jax"}


@pytest.mark.slow
def test_photos_and_weights_make_a_build_that_verifies(
    tmp_path: Path, photos: Path, weights: Path, own_keras: dict[str, str]
) -> None:
    command = ("build", "--data", photos, "--weights", weights, *SMALL, "--json")
    done = mobiledeploy(*command, cwd=tmp_path, env=own_keras)
    report = printed(done, "build")
    assert report["holds"]
    assert "head" in report["note"]
    assert (tmp_path / "build/labels.txt").read_text().splitlines() == ["bar", "disc"]
    proof = printed(mobiledeploy("verify", "--json", cwd=tmp_path), "verify")
    assert proof["holds"]
    assert proof["same_grid"]


@pytest.mark.slow
def test_a_model_with_an_input_range_of_0_to_1_keeps_it_in_every_file(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    """The integers of a pixel stay the same: only the scale and the zero point say otherwise."""
    import keras

    image = keras.Input((SIZE, SIZE, 3))
    scaled = keras.layers.Rescaling(1 / 255)(image)
    theirs = keras.Model(image, keras.saving.load_model(weights)(scaled))
    theirs.save(tmp_path / "theirs.keras")
    command = ("build", "--data", photos, "--weights", "theirs.keras", *SMALL, "--json")
    refused = mobiledeploy(*command, cwd=tmp_path, status=2)
    assert "hint: build with `--input-range 0..1`" in refused.stderr
    report = printed(mobiledeploy(*command, "--input-range", "0..1", cwd=tmp_path), "build")
    assert report["holds"]
    contract = json.loads((tmp_path / "build/contract.json").read_text())
    assert (contract["preprocessing"]["mean"], contract["preprocessing"]["std"]) == (0, 255)
    assert contract["input"]["grid"]["zero_point"] == -128
    assert contract["input"]["grid"]["scale"] == pytest.approx(1 / 255)
    proof = printed(mobiledeploy("verify", "--json", cwd=tmp_path), "verify")
    assert proof["holds"]
    assert proof["same_grid"]


@pytest.mark.slow
def test_the_other_qat_engine_and_post_training_only_write_the_same_kinds_of_files(
    tmp_path: Path, own_keras: dict[str, str]
) -> None:
    for name, args in {
        "tfmot": ("--qat-engine", "tfmot", "--qat-steps", "2"),
        "ptq": ("--qat-steps", "0"),
    }.items():
        done = mobiledeploy(
            *("build", "--arch", "v1", "--epochs", "2", *args, "--out", name, "--json"),
            cwd=tmp_path,
            env=own_keras,
        )
        report = printed(done, "build")
        assert report["holds"]
        names = [line["name"] for line in report["scores"]]
        assert ("qat int8" in names) == (name == "tfmot")


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["v1", "v2"])
def test_float_files_go_through_the_same_verification(
    tmp_path: Path, arch: str, weights: Path, own_keras: dict[str, str]
) -> None:
    trained = ("--weights", weights, "--epochs", "0") if arch == "v1" else ("--epochs", "2")
    command = ("build", "--arch", arch, "--float", "--image-size", str(SIZE), *trained)
    mobiledeploy(*command, cwd=tmp_path, env=own_keras)
    proof = printed(mobiledeploy("verify", "--json", cwd=tmp_path), "verify")
    assert proof["holds"]
    assert proof["same_grid"] is None
    assert 0 < proof["float_comparisons"][0]["max_difference"] < 1e-4
    for option in (("--level", "full"), ("--data", "digits")):
        done = mobiledeploy("verify", *option, cwd=tmp_path, status=2)
        assert option[0] in done.stderr


@pytest.mark.slow
def test_imagenet_weights_are_downloaded_once_and_checked(
    tmp_path: Path, photos: Path, weights: Path, file_server: tuple[Path, str]
) -> None:
    """From a local server, in the layout of Keras's own."""
    import keras

    folder, url = file_server
    name = "mobilenet_2_5_128_tf.h5"
    (folder / "mobilenet").mkdir()
    keras.saving.load_model(weights).save_weights(folder / "mobilenet/theirs.weights.h5")
    (folder / "mobilenet/theirs.weights.h5").rename(folder / "mobilenet" / name)
    env = {"MOBILEDEPLOY_WEIGHTS_URL": url, "MOBILEDEPLOY_CACHE": str(tmp_path / "cache")}
    command = ("build", "--data", photos, "--weights", "imagenet", *SMALL, "--image-size", "128")
    mobiledeploy(*command, cwd=tmp_path, env=env)
    shutil.rmtree(folder / "mobilenet")  # the second time nothing is fetched
    mobiledeploy(*command, "--from", "train", cwd=tmp_path, env=env)
    cached = next((tmp_path / "cache").rglob(name))
    cached.write_bytes(cached.read_bytes()[:-1] + b"?")
    done = mobiledeploy(*command, cwd=tmp_path, env=env, status=6)
    assert "SHA-256" in done.stderr


def test_a_missing_network_is_an_error_with_an_alternative_in_the_hint(
    tmp_path: Path, photos: Path
) -> None:
    env = {
        "MOBILEDEPLOY_WEIGHTS_URL": "http://127.0.0.1:9/",
        "MOBILEDEPLOY_CACHE": str(tmp_path / "cache"),
    }
    done = mobiledeploy(
        "build", "--data", photos, "--weights", "imagenet", cwd=tmp_path, env=env, status=10
    )
    assert "--weights" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "build").exists()


def test_weights_of_another_network_are_refused_by_layer_and_shape(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    done = mobiledeploy(
        *("build", "--data", photos, "--weights", weights, "--arch", "v1", "--alpha", "0.5"),
        cwd=tmp_path,
        status=2,
    )
    assert "expected" in done.stderr
    assert "received" in done.stderr
    assert "hint: " in done.stderr


def damaged(photos: Path, tmp_path: Path, what: str) -> Path:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    match what:
        case "one class":
            shutil.rmtree(folder / "bar")
        case "unreadable":
            (folder / "bar" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
        case "empty":
            shutil.rmtree(folder / "bar")
            shutil.rmtree(folder / "disc")
        case "too few":
            for path in sorted((folder / "bar").iterdir())[2:]:
                path.unlink()
        case _:
            raise AssertionError(what)
    return folder


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("one class", "class"),
        ("unreadable", "broken.jpg"),
        ("empty", "photos"),
        ("too few", "bar"),
    ],
)
def test_data_that_cannot_be_used_is_named(
    tmp_path: Path, photos: Path, what: str, message: str
) -> None:
    folder = damaged(photos, tmp_path, what)
    done = mobiledeploy("build", "--data", folder, *SMALL, cwd=tmp_path, status=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "build/manifest.json").exists()
