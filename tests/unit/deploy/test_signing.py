"""Passwords come from a file or the environment, and no other program can read them."""

from pathlib import Path

import pytest

from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.deploy import signing, toolchain
from mobiledeploy.deploy.jdk import Jdk
from mobiledeploy.deploy.signing import KEY_VARIABLE, STORE_VARIABLE, SigningKey
from mobiledeploy.deploy.toolchain import Toolchain

JAVA = """#!/bin/sh
echo "$@" > {folder}/arguments
cat > {folder}/input
{then}
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "own.p12").write_bytes(b"a keystore")
    return tmp_path / "own.p12"


def java(folder: Path, then: str) -> Jdk:
    program = folder / "java"
    program.write_text(JAVA.format(folder=folder, then=then))
    program.chmod(0o755)
    return Jdk(java=program, javac=program, keytool=program, home=folder)


def tools(folder: Path) -> Toolchain:
    return toolchain.Toolchain(folder=folder, parts=("apksig",))


def test_passwords_come_from_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORE_VARIABLE, "one")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert signing.own_key(store, alias="a", password_file=None) == SigningKey(
        keystore=store, password="one", key_password="one", alias="a"
    )
    monkeypatch.setenv(KEY_VARIABLE, "two")
    assert signing.own_key(store, alias=None, password_file=None).key_password == "two"


@pytest.mark.parametrize(("text", "key"), [("one\n", "one"), ("one\ntwo\n", "two")])
def test_passwords_come_from_a_file(store: Path, tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "secret").write_text(text)
    key_of_file = signing.own_key(store, alias=None, password_file=tmp_path / "secret")
    assert (key_of_file.password, key_of_file.key_password) == ("one", key)


def test_a_missing_keystore_or_password_is_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    with pytest.raises(RequestError) as caught:
        signing.own_key(store, alias=None, password_file=None)
    assert STORE_VARIABLE in str(caught.value.hint)
    with pytest.raises(RequestError, match="no keystore"):
        signing.own_key(tmp_path / "none", alias=None, password_file=None)
    with pytest.raises(RequestError, match="cannot be read"):
        signing.own_key(store, alias=None, password_file=tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(RequestError, match="expected one line or two"):
        signing.own_key(store, alias=None, password_file=tmp_path / "empty")


def test_a_password_is_neither_an_argument_nor_in_a_message_nor_shown(
    store: Path, tmp_path: Path
) -> None:
    key = SigningKey(keystore=store, password="first secret", key_password="second secret")
    assert "secret" not in repr(key)
    jdk = java(tmp_path, "echo error: no; exit 1")
    with pytest.raises(BundleError, match="error: no") as caught:
        signing.sign(store, store, key, min_sdk=24, jdk=jdk, toolchain=tools(tmp_path))
    assert "secret" not in str(caught.value)
    assert "secret" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "input").read_text() == "first secret\nsecond secret\n"


@pytest.mark.parametrize("certificates", [0, 2])
def test_an_apk_is_signed_by_one_key(store: Path, tmp_path: Path, certificates: int) -> None:
    jdk = java(tmp_path, "echo scheme v2; " + "echo certificate 00; " * certificates)
    with pytest.raises(BundleError, match=f"signed by one key, received {certificates}"):
        signing.verify(store, min_sdk=24, jdk=jdk, toolchain=tools(tmp_path))


def test_a_debug_key_is_made_once_and_kept(tmp_path: Path) -> None:
    jdk = java(tmp_path, 'while [ "$1" != -keystore ]; do shift; done; date +%N > "$2"')
    key = signing.debug_key(jdk, cache=tmp_path / "cache")
    assert key.keystore.stat().st_mode & 0o777 == 0o600
    made = key.keystore.read_bytes()
    assert signing.debug_key(jdk, cache=tmp_path / "cache") == key
    assert key.keystore.read_bytes() == made
    assert [path.name for path in key.keystore.parent.iterdir()] == ["debug.p12"]
