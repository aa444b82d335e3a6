"""A private world in which civitai.com is a Civitas: a mount and network namespace, names, certificates, a log.

Nothing in it reaches out and nothing outside reaches in, except through the gate, a socket in a file: so the
tests' own requests travel through TLS and the same port as the clients'.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

import httpx
import trustme
from tests.compat.server import SITE_HOSTS, STORAGE_HOST, Config

ROOT = Path(__file__).parents[2]
START_S, END_S, RUN_S = 120.0, 60.0, 90.0


def obstacle() -> str | None:
    """Why a private world cannot be made on this machine; None when it can."""
    if sys.platform != "linux":
        return "namespaces need Linux"
    if os.geteuid() != 0:
        return "making a network namespace with bind mounts needs root"
    missing = [name for name in ("unshare", "nsenter", "ip", "mount") if shutil.which(name) is None]
    if missing:
        return f"these programs are not installed: {', '.join(missing)} (Debian: util-linux, mount, iproute2)"
    script = (
        "ip link set lo up && ip addr add 198.51.100.10/32 dev lo && mount --bind /etc/hostname /etc/hosts"
    )
    tried = subprocess.run(
        ["unshare", "-mn", "sh", "-c", script], capture_output=True, text=True, timeout=20, check=False
    )
    return None if tried.returncode == 0 else f"this kernel refuses a namespace: {tried.stderr.strip()}"


@dataclass(frozen=True)
class Seen:
    """A request as it came, and the head of its answer. Header names are in lower case."""

    at: float
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int
    answer: Mapping[str, str]

    @property
    def host(self) -> str:
        """The host that was asked."""
        return self.headers.get("host", "")

    @property
    def agent(self) -> str:
        """The client's name for itself."""
        return self.headers.get("user-agent", "")

    @property
    def params(self) -> dict[str, str]:
        """The query, the last of each name."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass
class Watch:
    """What came while a block ran; complete when the block has ended."""

    requests: list[Seen] = field(default_factory=list)

    def to(self, path: str, host: str | None = None) -> list[Seen]:
        """Requests whose path begins so, of one host or of all."""
        return [seen for seen in self.requests if seen.path.startswith(path) and host in (None, seen.host)]


class World:
    """The namespace and what runs in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home
        self.log = folder / "requests.jsonl"
        self.gate = folder / "gate"
        self.bundle = folder / "ca.pem"
        self.catalogue: dict[str, Any] = json.loads((home / "catalogue.json").read_text())
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._trusting: set[Path] = set()

    def start(self) -> None:
        """Make the world and wait until the site in it answers. RuntimeError with the server's last words."""
        config = Config(
            home=str(self.home),
            certificate=str(self.folder / "site.pem"),
            key=str(self.folder / "site.key"),
            log=str(self.log),
            gate=str(self.gate),
        )
        self._certify(config)
        self.log.touch()
        path = self.folder / "config.json"
        path.write_text(json.dumps(asdict(config)))
        self._output = (self.folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            ["unshare", "-mn", "--propagation", "private", sys.executable, "-m", "tests.compat.server", str(path)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=self._output, stderr=self._output, start_new_session=True,
            env={key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "PORT"}},
        )  # fmt: skip
        self._wait_ready()

    def _certify(self, config: Config) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("*.civitai.com", *SITE_HOSTS, STORAGE_HOST)
        authority.cert_pem.write_to_path(self.bundle)
        certificate.private_key_pem.write_to_path(config.key)
        Path(config.certificate).write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_S
        with self.browser() as client:
            while time.monotonic() < deadline and self._process and self._process.poll() is None:
                try:
                    if self.gate.exists() and client.get("/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
        tail = (self.folder / "server.log").read_bytes()[-3000:].decode(errors="replace")
        self.stop()
        raise RuntimeError(f"The private world did not start. Its server's last words:\n{tail}")

    def stop(self) -> None:
        """End the server by its pid, and whatever of its session is left."""
        process = self._process
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._end_database()
        if self._output:
            self._output.close()
        self._process = None

    def _end_database(self) -> None:
        """The database has a process group of its own, so a killed server leaves it behind."""
        try:
            pid = int((self.home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
            if str(self.home).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGQUIT)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            pass

    def key(self, person: str = "reader") -> str:
        """An API key of one of the people."""
        return str(self.catalogue["keys"][person])

    def file(self, name: str) -> dict[str, Any]:
        """Id, version, size and SHA-256 (lower case) of a file."""
        found: dict[str, Any] = self.catalogue["files"][name]
        return found

    def browser(self, host: str = "civitai.com", **options: Any) -> httpx.Client:
        """A client of the tests' own, through the gate; redirects are not followed by themselves."""
        trust = ssl.create_default_context(cafile=str(self.bundle))
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.gate), verify=trust),
            base_url=f"https://{host}", timeout=30, trust_env=False, **options,
        )  # fmt: skip

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """What is asked of the site while the block runs."""
        start, watch = self.log.stat().st_size, Watch()
        yield watch
        with self.log.open("rb") as source:
            source.seek(start)
            watch.requests = [Seen(**json.loads(line)) for line in source]

    def run(
        self, *arguments: str | Path, home: Path, timeout: float = RUN_S, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A program in the world, with `home` as its home and working folder; its output as text.

        It finds our authority where programs look for it. TimeoutExpired, and it is killed, after `timeout` seconds.
        """
        assert self._process is not None
        inside = ["nsenter", "-t", str(self._process.pid), "-m", "-n", f"--wd={home}", "--"]
        process = subprocess.Popen(
            [*inside, *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env=self._environment(home) | environment,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, "")

    def _environment(self, home: Path) -> dict[str, str]:
        trust = str(self.bundle)
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "SSL_CERT_FILE": trust,
            "REQUESTS_CA_BUNDLE": trust,
            "CURL_CA_BUNDLE": trust,
            "NODE_EXTRA_CA_CERTS": trust,
        }

    def trust_in(self, folder: Path) -> None:
        """Let every certifi below `folder` hold our authority, inside the world only: the files stay as they are."""
        assert self._process is not None
        for path in folder.rglob("certifi/cacert.pem"):
            if path in self._trusting:
                continue
            self._trusting.add(path)
            command: Sequence[str] = ["mount", "--bind", str(self.bundle), str(path)]
            subprocess.run(["nsenter", "-t", str(self._process.pid), "-m", *command], check=True)
