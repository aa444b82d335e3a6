"""An agent that is told to end (SIGTERM) claims nothing more, finishes what it has, and ends well."""

from __future__ import annotations

import signal

from tests.engines.media.made import video
from tests.flows.test_agent import Site, data_url, site, step_of, until

__all__ = ["site"]


def smoother(seconds: float) -> dict[str, object]:
    """Work that takes a while."""
    clip = data_url(video(seconds, size=(320, 240), fps=20, tone=None), "video/mp4")
    return {"steps": [{"$type": "videoInterpolation", "input": {"video": clip, "interpolationFactor": 2}}]}


async def test_a_terminated_agent_finishes_its_job_and_leaves_the_next_to_others(
    site: Site,
) -> None:
    await site.people()
    site.start("serve")
    site.start("background")
    agent = site.agent(0)
    site.ready()
    under_way = site.call("POST", "/v2/consumer/workflows", json=smoother(3.0))["id"]
    until(lambda: step_of(site, under_way)["status"] == "processing")
    waiting = site.call("POST", "/v2/consumer/workflows", json=smoother(1.0))["id"]
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(timeout=90) == 0
    ended = step_of(site, under_way)
    assert ended["status"] == "succeeded", ended
    assert step_of(site, waiting)["status"] == "unassigned"
    site.agent(1)
    until(lambda: step_of(site, waiting)["status"] == "succeeded")
