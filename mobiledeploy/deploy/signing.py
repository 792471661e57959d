"""Signatures of APKs, made by Android's own library `apksig`.

The key is the user's or a debug key. Passwords go to the signer through its standard input, since
every user of a machine can read arguments.
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
from mobiledeploy.deploy.jdk import QUICK, Jdk, class_path_argument
from mobiledeploy.deploy.toolchain import FOLDER, Toolchain

STORE_VARIABLE: Final = "MOBILEDEPLOY_KEYSTORE_PASSWORD"
"""Environment variable with the password of the user's keystore."""
KEY_VARIABLE: Final = "MOBILEDEPLOY_KEY_PASSWORD"
"""Environment variable with the password of the key, if it is not the keystore's."""

Scheme: TypeAlias = Literal["v2", "v3"]
"""Android's signature schemes."""

_SIGNER: Final = Path(__file__).with_name("ApkSigner.java")
_DEBUG_PASSWORD: Final = "android"  # noqa: S105  a debug key is no secret


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key in a keystore, which signs APKs.

    Attributes:
        keystore: The file, JKS or PKCS 12.
        password: The keystore's password.
        key_password: The key's password.
        alias: The key's name; None if it is the only one.
    """

    keystore: Path
    password: str = dataclasses.field(repr=False)
    key_password: str = dataclasses.field(repr=False)
    alias: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The verified signature of an APK.

    Attributes:
        schemes: The signature schemes that it has.
        certificate: SHA-256 of the signer's certificate, hexadecimal.
    """

    schemes: tuple[Scheme, ...]
    certificate: str


def own_key(keystore: Path, *, alias: str | None, password_file: Path | None) -> SigningKey:
    """Return the user's key, with its passwords from a file or the environment.

    Args:
        keystore: The file, JKS or PKCS 12.
        alias: The key's name; None if it is the only one.
        password_file: A text file: the keystore's password, and on a second line, if there is
            one, the key's.

    Raises:
        RequestError: The keystore or its password is missing.
    """
    if not keystore.is_file():
        raise RequestError(
            f"there is no keystore {keystore}",
            hint="name yours with `--keystore`, or leave it out to sign with a debug key",
        )
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
            raise RequestError(
                f"{password_file} cannot be read: {error}",
                hint="name a text file with the password to `--keystore-password-file`",
            ) from error
        if not 1 <= len(lines) <= 2:
            raise RequestError(
                f"{password_file}: expected one line or two, received {len(lines)}",
                hint="first line: the keystore's password; second: the key's, if it differs",
            )
        password, key_password = lines[0], lines[-1]
    return SigningKey(keystore=keystore, password=password, key_password=key_password, alias=alias)


def debug_key(jdk: Jdk, *, cache: Path | None = None) -> SigningKey:
    """Return this machine's debug key, which the first call makes in the cache folder.

    Raises:
        StorageError: The cache cannot be written.
    """
    folder = (cache or download_cache.folder()) / FOLDER
    path = folder / "debug.p12"
    key = SigningKey(keystore=path, password=_DEBUG_PASSWORD, key_password=_DEBUG_PASSWORD)
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
            # Another process may have made one meanwhile, which will do.
            with contextlib.suppress(FileExistsError):
                os.link(store, path)
    return key


def sign(
    apk: Path, out: Path, key: SigningKey, *, min_sdk: int, jdk: Jdk, toolchain: Toolchain
) -> None:
    """Write a signed copy of an APK; its entries stay at their offsets.

    Args:
        apk: The APK without a signature, its entries aligned.
        out: The signed copy.
        key: The key that signs it.
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
    """Verify an APK's signature as Android does, and return it.

    Raises:
        BundleError: It is not signed, or was changed after signing.
    """
    printed = _run(
        "verify", apk, str(min_sdk),
        what=f"verification of {apk.name}", jdk=jdk, toolchain=toolchain,
    )  # fmt: skip
    lines = [line.split() for line in printed.splitlines()]
    certificates = [line[1] for line in lines if line[0] == "certificate"]
    if len(certificates) != 1:
        raise BundleError(f"expected {apk} to be signed by one key, received {len(certificates)}")
    printed_schemes = {line[1] for line in lines if line[0] == "scheme"}
    schemes = tuple(scheme for scheme in get_args(Scheme) if scheme in printed_schemes)
    return Signature(schemes=schemes, certificate=certificates[0])


def _run(*words: str | Path, what: str, jdk: Jdk, toolchain: Toolchain, stdin: bytes = b"") -> str:
    class_path = class_path_argument(toolchain.jars("apksig"))
    return programs.run(
        jdk.java, *QUICK, "-cp", class_path, _SIGNER, *words,
        failed=BundleError, what=what, stdin=stdin,
    )  # fmt: skip
