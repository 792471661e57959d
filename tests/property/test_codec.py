"""Configs and results survive JSON, and nothing else passes for them."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec import defaults
from mobiledeploy.spec.config import ALPHAS, CROPS, HEADS, IOS, QAT_ENGINES, BuildConfig
from mobiledeploy.spec.manifest import Manifest


@st.composite
def configs(draw: st.DrawFn) -> BuildConfig:
    arch = draw(st.sampled_from(sorted(ALPHAS)))
    return defaults.decide(
        arch=arch,  # type: ignore[arg-type]
        alpha=draw(st.none() | st.sampled_from(ALPHAS[arch])),
        image_size=draw(st.none() | st.integers(16, 1024)),
        data=draw(st.text()),
        weights=draw(st.text()),
        crop=draw(st.sampled_from(CROPS)),
        learning_rate=draw(st.none() | st.floats(1e-9, 1.0)),
        qat_engine=draw(st.sampled_from(QAT_ENGINES)),
        qat_steps=draw(st.none() | st.integers(1, 1000)),
        io=draw(st.sampled_from(IOS)),
        head=draw(st.sampled_from(HEADS)),
        seed=draw(st.integers(0, 2**31 - 1)),
    )


@given(configs())
def test_a_config_survives_the_trip_through_json(config: BuildConfig) -> None:
    assert codec.from_json(BuildConfig, codec.to_json(config), where="here") == config


@given(configs(), st.data())
def test_a_missing_field_is_refused_by_name(config: BuildConfig, data: st.DataObject) -> None:
    document = codec.dump(config)
    lost = data.draw(st.sampled_from([f.name for f in dataclasses.fields(BuildConfig)]))
    del document[lost]
    with pytest.raises(CorruptFileError, match=f"x.json.*{lost}"):
        codec.load(BuildConfig, document, where="x.json")


@given(configs(), st.sampled_from([None, 1.5, "yes", [1], {}]))
def test_a_mistyped_field_is_refused(config: BuildConfig, value: object) -> None:
    document = codec.dump(config)
    document["train"]["epochs"] = value
    with pytest.raises(CorruptFileError, match="epochs"):
        codec.load(BuildConfig, document, where="x.json")


@given(st.binary())
def test_arbitrary_bytes_never_pass_nor_crash(text: bytes) -> None:
    with pytest.raises(CorruptFileError):
        codec.from_json(BuildConfig, text, where="x.json")


def test_an_unknown_field_is_refused() -> None:
    document = codec.dump(defaults.decide())
    document["extra"] = 1
    with pytest.raises(CorruptFileError, match="extra"):
        codec.load(BuildConfig, json.loads(json.dumps(document)), where="x.json")


@pytest.mark.parametrize(("found", "hint"), [(0, "earlier"), (8, "newer")])
def test_a_file_of_another_format_is_called_just_that(found: int, hint: str) -> None:
    manifest = Manifest(versions={}, config=defaults.decide(), data_digest="", files=())
    document = {**codec.dump(manifest), "format": found, "unheard_of": 1}
    with pytest.raises(
        CorruptFileError, match=rf"^x\.json is of format {found}, expected 1$"
    ) as e:
        codec.load(Manifest, document, where="x.json")
    assert e.value.hint is not None
    assert f"{hint} mobiledeploy wrote it" in e.value.hint


def test_what_a_file_holds_instead_of_a_value_is_not_repeated_at_length() -> None:
    manifest = Manifest(versions={}, config=defaults.decide(), data_digest="", files=())
    document = {**codec.dump(manifest), "mobiledeploy": ["x"] * 100_000}
    with pytest.raises(CorruptFileError) as caught:
        codec.load(Manifest, document, where="x.json")
    assert len(str(caught.value)) < 1100


def test_what_json_cannot_hold_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="received b'bytes'"):
        codec.to_json({"a": [b"bytes"]})
