"""A server on this machine that can break off, and a network that only the test knows."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unpaired.pretrained import catalogue
from unpaired.pretrained.catalogue import Network, Variant
from unpaired.pretrained.sources import File, Source, Urls

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """Serves `content`; `cut_after` breaks the connection after that many bytes of an answer."""

    address: str
    content: bytes = CONTENT
    cut_after: int | None = None
    knows_ranges: bool = True
    starts: list[int] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/weights.bin":
                self.send_error(404)
                return
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked[1]) if asked and state.knows_ranges else 0
            state.starts.append(start)
            if start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut_after])

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        state = Server(f"http://127.0.0.1:{http_server.server_port}/weights.bin")
        thread = threading.Thread(target=http_server.serve_forever, daemon=True)
        thread.start()
        yield state
        http_server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test."""
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Network]:
    """Puts a network called "toy" of one file into the catalogue: `network(source, …)`."""

    def put(*sources: Source | str, num_bytes: int | None = len(CONTENT), sha256: str | None = SHA256) -> Network:
        file = File(name="weights.bin", num_bytes=num_bytes, sha256=sha256)
        origins = tuple(Urls((source,)) if isinstance(source, str) else source for source in sources)
        return put_variants(Variant(what="a toy", files=(file,), sources=origins))

    def put_variants(*variants: Variant) -> Network:
        made = Network(name="toy", used_for="tests", licence="none (nobody)", variants=variants, extra="toys")
        monkeypatch.setitem(catalogue.NETWORKS, "toy", made)
        return made

    put.variants = put_variants  # type: ignore[attr-defined]
    return put
