"""Sign APKs, with the user's key or a debug key, and verify their signatures.

Android's own library does it. Passwords go to the signer through its standard input: arguments
can be read by every user.
"""

import contextlib
import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from mobiledeploy.base import download_cache, programs
from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.base.files import storage_errors
from mobiledeploy.deploy.jdk import QUICK, Jdk
from mobiledeploy.deploy.kotlin import joined
from mobiledeploy.deploy.toolchain import FOLDER, Toolchain

STORE_VARIABLE: Final = "MOBILEDEPLOY_KEYSTORE_PASSWORD"
"""Environment variable with the password of the user's keystore."""
KEY_VARIABLE: Final = "MOBILEDEPLOY_KEY_PASSWORD"
"""Environment variable with the password of the key, if it is another one."""

Scheme: TypeAlias = Literal["v2", "v3"]

_SIGNER: Final = Path(__file__).with_name("ApkSigner.java")
_DEBUG_PASSWORD: Final = "android"  # noqa: S105  as Android's tools have it: a debug key is no secret


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What signs an APK.

    Attributes:
        keystore: JKS or PKCS 12.
        password: Of the keystore.
        key_password: Of the key.
        alias: Of the key; None if it is the only one.
    """

    keystore: Path
    password: str = dataclasses.field(repr=False)
    key_password: str = dataclasses.field(repr=False)
    alias: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What verifying found.

    Attributes:
        schemes: Of Android's signature schemes.
        certificate: SHA-256 of the signer's certificate, hexadecimal.
    """

    schemes: tuple[Scheme, ...]
    certificate: str


def own_key(keystore: Path, *, alias: str | None, password_file: Path | None) -> Key:
    """Return the user's key, with its passwords from a file or the environment.

    Args:
        keystore: JKS or PKCS 12.
        alias: Of the key; None if it is the only one.
        password_file: First line: the keystore's password; second, if any: the key's.

    Raises:
        RequestError: The keystore or its password is missing.
    """
    if not keystore.is_file():
        raise RequestError(f"there is no keystore {keystore}")
    if password_file is None:
        password = os.environ.get(STORE_VARIABLE)
        if password is None:
            raise RequestError(
                f"the password of {keystore} is not known",
                hint=f"put it into the environment as {STORE_VARIABLE}, or into a file that "
                "`--keystore-password-file` names",
            )
        key_password = os.environ.get(KEY_VARIABLE, password)
    else:
        try:
            lines = password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{password_file} cannot be read: {error}") from error
        if not 1 <= len(lines) <= 2:
            raise RequestError(f"{password_file}: expected one line or two, found {len(lines)}")
        password, key_password = lines[0], lines[-1]
    return Key(keystore=keystore, password=password, key_password=key_password, alias=alias)


def debug_key(jdk: Jdk, *, cache: Path | None = None) -> Key:
    """Return this machine's debug key, made the first time; it lies in the cache.

    Raises:
        StorageError: The cache cannot be written.
    """
    folder = (cache or download_cache.folder()) / FOLDER
    path = folder / "debug.p12"
    key = Key(keystore=path, password=_DEBUG_PASSWORD, key_password=_DEBUG_PASSWORD)
    if path.is_file():
        return key
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".debug-key-", dir=folder) as made:
            store = Path(made) / path.name
            programs.run(
                jdk.keytool, "-genkeypair", "-keystore", store, "-storetype", "PKCS12",
                "-storepass", _DEBUG_PASSWORD, "-alias", "androiddebugkey",
                "-keyalg", "RSA", "-keysize", "2048", "-validity", "10950",
                "-dname", "CN=Android Debug,O=Android,C=US",
                failed=BundleError, what="making a debug key",
            )  # fmt: skip
            store.chmod(0o600)
            # Another process may have made one meanwhile; it is as good.
            with contextlib.suppress(FileExistsError):
                os.link(store, path)
    return key


def sign(apk: Path, out: Path, key: Key, *, min_sdk: int, jdk: Jdk, toolchain: Toolchain) -> None:
    """Write a signed copy of an APK; where its entries begin does not change.

    Args:
        apk: Aligned, unsigned.
        out: The signed copy.
        key: Signs it.
        min_sdk: Oldest API level that must accept the signature: 24 or newer.
        jdk: Runs the signer.
        toolchain: Holds the part `apksig`.

    Raises:
        BundleError: The keystore cannot be opened, or the key is not in it.
    """
    _run(
        "sign", apk, out, key.keystore, str(min_sdk), *([key.alias] if key.alias else []),
        what=f"signing with {key.keystore}", jdk=jdk, toolchain=toolchain,
        stdin=f"{key.password}\n{key.key_password}\n".encode(),
    )  # fmt: skip


def verify(apk: Path, *, min_sdk: int, jdk: Jdk, toolchain: Toolchain) -> Signature:
    """Return by whom an APK is signed, after verifying it as Android does.

    Raises:
        BundleError: It is not signed, or was changed after signing.
    """
    said = _run(
        "verify", apk, str(min_sdk),
        what=f"verification of {apk.name}", jdk=jdk, toolchain=toolchain,
    )  # fmt: skip
    lines = [line.split() for line in said.splitlines()]
    certificates = [line[1] for line in lines if line[0] == "certificate"]
    if len(certificates) != 1:
        raise BundleError(f"{apk} is signed by {len(certificates)} keys, expected one")
    found = {line[1] for line in lines if line[0] == "scheme"}
    schemes = tuple(scheme for scheme in get_args(Scheme) if scheme in found)
    return Signature(schemes=schemes, certificate=certificates[0])


def _run(*words: str | Path, what: str, jdk: Jdk, toolchain: Toolchain, stdin: bytes = b"") -> str:
    class_path = joined(toolchain.jars("apksig"))
    return programs.run(
        jdk.java, *QUICK, "-cp", class_path, _SIGNER, *words,
        failed=BundleError, what=what, stdin=stdin,
    )  # fmt: skip
