"""A machine that draws: speaks the agents' protocol through the gate and delivers a picture for whatever is asked of it."""

from __future__ import annotations

import hashlib
import threading
from types import TracebackType
from typing import Any

from tests.compat.world import World
from tests.factories.bytes import picture

HOST = "orchestration.civitai.com"
CAPABILITIES = ["textToImage/*", "convertImage"]


class Easel:
    """Works while the block runs. `fails` says why its jobs fail."""

    def __init__(self, world: World, *, fails: str | None = None) -> None:
        self._world = world
        self._fails = fails
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.trouble: list[str] = []
        self.done = 0

    def __enter__(self) -> Easel:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)
        assert not self.trouble, self.trouble

    def _work(self) -> None:
        try:
            with self._world.browser(
                HOST, headers={"authorization": f"Bearer {self._world.catalogue['agent']}"}
            ) as site:
                said = {"protocol": 1, "name": "easel", "capabilities": CAPABILITIES, "slots": 4}
                site.post("/v2/agents/register", json=said).raise_for_status()
                while not self._stop.is_set():
                    asked = site.post("/v2/agents/claims", json={"free": 4, "waitS": 1})
                    asked.raise_for_status()
                    for job in asked.json()["jobs"]:
                        self._do(site, job)
        except Exception as error:  # noqa: BLE001 - told by the block that waits for it
            self.trouble.append(repr(error))

    def _do(self, site: Any, job: dict[str, Any]) -> None:
        base = f"/v2/agents/claims/{job['claim']}"
        if not self._told(site.post(f"{base}/progress", json={"fraction": 0.5})):
            return
        result: dict[str, Any] = {"outcome": "failed", "reason": self._fails, "seconds": 0.1}
        if self._fails is None:
            result = {"outcome": "succeeded", "seconds": 0.1, "delivered": [], "output": {}}
            made = []
            for slot in range(job["slots"]):
                body = picture(colour="teal" if slot % 2 else "navy")
                digest = hashlib.sha256(body).hexdigest()
                headers = {"content-type": "image/png", "x-content-sha256": digest}
                if not self._told(site.put(f"{base}/blobs/{slot}", content=body, headers=headers)):
                    return
                result["delivered"].append({
                    "slot": slot, "kind": "image", "mediaType": "image/png", "size": len(body), "sha256": digest,
                    "width": 64, "height": 48,
                })  # fmt: skip
                made.append({"$blob": slot})
            result["output"] = {"images": made} if job["stepType"] == "textToImage" else {"blob": made[0]}
        self.done += self._told(site.post(f"{base}/result", json={"result": result}))

    @staticmethod
    def _told(answer: Any) -> bool:
        """Whether the site took it; a client may cancel what was claimed at any moment."""
        if answer.status_code == 410:
            return False
        answer.raise_for_status()
        return True
