"""ImageNet weights are downloaded once, completely, and checked by their digest."""

import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mobiledeploy.base import download_cache
from mobiledeploy.base.errors import CorruptFileError, DownloadError, RequestError
from mobiledeploy.base.progress import Event
from mobiledeploy.spec.config import Arch
from mobiledeploy.training import imagenet_weights

DATA = bytes(range(256)) * 3000
DIGEST = hashlib.sha256(DATA).hexdigest()
V1 = "mobilenet/mobilenet_2_5_128_tf.h5"
KERNELS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
Download: TypeAlias = Callable[..., Path]
V2 = f"mobilenet_v2/{KERNELS}_1.0_224.h5"


class Server:
    """A server for files on a loopback port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.cut = 0

        class Handler(SimpleHTTPRequestHandler):
            def log_message(handler, *_: object) -> None:  # noqa: N805
                self.requests.append(handler.path)

            def copyfile(handler, source: Any, target: Any) -> None:  # noqa: N805
                data = source.read()
                target.write(data[: len(data) - self.cut])

        self.http = ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(root))
        )
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def put(self, path: str, data: bytes = DATA) -> None:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_bytes(data)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    server = Server(tmp_path / "served")
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def get(server: Server, tmp_path: Path) -> Download:
    return functools.partial(
        imagenet_weights.download,
        "v1",
        alpha=0.25,
        image_size=128,
        base_url=server.url,
        cache=tmp_path / "cache",
    )


def test_weights_are_downloaded_once(server: Server, get: Download) -> None:
    server.put(V1)
    events: list[Event] = []
    path = get(progress=events.append)
    assert path.read_bytes() == DATA
    assert path == get()
    assert len(server.requests) == 1
    counted = [event for event in events if event.total]
    assert counted[-1].done == counted[-1].total == len(DATA)
    assert DIGEST in events[-1].message


def test_the_expected_digest_is_enforced(server: Server, get: Download, tmp_path: Path) -> None:
    server.put(V1)
    with pytest.raises(DownloadError, match=f"SHA-256 {DIGEST}, expected {'0' * 64}"):
        get(sha256="0" * 64)
    assert not (tmp_path / "cache").exists()
    assert get(sha256=DIGEST).read_bytes() == DATA


def test_a_pinned_file_is_checked(server: Server, tmp_path: Path) -> None:
    server.put(V2)
    with pytest.raises(DownloadError, match="expected 3e195a28"):
        imagenet_weights.download(
            "v2", alpha=1.0, image_size=224, base_url=server.url, cache=tmp_path / "cache"
        )


def test_a_changed_file_in_the_cache_is_refused(server: Server, get: Download) -> None:
    server.put(V1)
    path = get()
    path.write_bytes(DATA[:-1])
    with pytest.raises(CorruptFileError, match=f"expected SHA-256 {DIGEST}") as error:
        get()
    assert error.value.hint == f"delete {path} to download it again"


def test_the_first_digest_is_recorded_and_required(server: Server, get: Download) -> None:
    server.put(V1)
    get().unlink()
    server.put(V1, b"something else")
    with pytest.raises(DownloadError, match=f"expected {DIGEST}"):
        get()


def test_an_interrupted_download_leaves_nothing(
    server: Server, get: Download, tmp_path: Path
) -> None:
    server.put(V1)
    server.cut = 1000
    with pytest.raises(DownloadError):
        get()
    assert not (tmp_path / "cache").exists()


def test_an_error_names_a_missing_file(get: Download) -> None:
    with pytest.raises(DownloadError, match=rf"cannot download http.*{V1}: HTTP Error 404"):
        get()


def test_without_a_network_the_hint_is_to_name_a_file(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot download") as error:
        imagenet_weights.download(
            "v2", alpha=1.0, image_size=224, base_url="http://127.0.0.1:1", cache=tmp_path
        )
    assert error.value.hint is not None
    assert "--weights FILE" in error.value.hint


def test_other_protocols_than_http_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="expected an http or https URL"):
        imagenet_weights.download(
            "v2", alpha=1.0, image_size=224, base_url=tmp_path.as_uri(), cache=tmp_path
        )


def test_environment_variables_set_the_url_and_the_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(V1)
    monkeypatch.setenv(imagenet_weights.URL_VARIABLE, f"{server.url}/")
    monkeypatch.setenv(download_cache.VARIABLE, str(tmp_path / "other"))
    path = imagenet_weights.download("v1", alpha=0.25, image_size=128)
    assert path == tmp_path / "other" / Path(V1).name


@pytest.mark.parametrize(
    ("arch", "alpha", "size", "name"),
    [
        ("v1", 0.25, 128, "mobilenet/mobilenet_2_5_128_tf.h5"),
        ("v1", 0.5, 160, "mobilenet/mobilenet_5_0_160_tf.h5"),
        ("v1", 0.75, 192, "mobilenet/mobilenet_7_5_192_tf.h5"),
        ("v1", 1.0, 224, "mobilenet/mobilenet_1_0_224_tf.h5"),
        ("v1", 1.0, 96, "mobilenet/mobilenet_1_0_224_tf.h5"),
        ("v2", 0.35, 96, f"mobilenet_v2/{KERNELS}_0.35_96.h5"),
        ("v2", 1.0, 160, f"mobilenet_v2/{KERNELS}_1.0_160.h5"),
        ("v2", 1.4, 224, f"mobilenet_v2/{KERNELS}_1.4_224.h5"),
        ("v2", 1.3, 200, f"mobilenet_v2/{KERNELS}_1.3_224.h5"),
    ],
)
def test_files_have_the_names_of_keras_applications(
    server: Server, tmp_path: Path, arch: Arch, alpha: float, size: int, name: str
) -> None:
    server.put(name)
    path = imagenet_weights.download(
        arch, alpha=alpha, image_size=size, base_url=server.url, cache=tmp_path / "cache"
    )
    assert path.read_bytes() == DATA


def test_an_unknown_alpha_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="alpha of v2"):
        imagenet_weights.download("v2", alpha=0.3, image_size=224, cache=tmp_path)
