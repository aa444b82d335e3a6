"""Preview pictures as clients fetch them: with the width rewritten, the original, and without any key."""

from __future__ import annotations

import io
import re

import httpx
import pytest
from PIL import Image
from tests.compat import seeding as seed


@pytest.fixture
def address(site: httpx.Client) -> str:
    """The first picture of the main version, as its document tells it."""
    version = site.get(f"/api/v1/model-versions/{seed.MAIN_V2}").json()
    found: str = version["images"][0]["url"]
    assert re.search(r"/width=\d+/", found)
    return found


def fetched(site: httpx.Client, address: str) -> tuple[httpx.Response, Image.Image]:
    answer = site.get(address)
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    return answer, picture


def test_the_width_can_be_rewritten_to_any(site: httpx.Client, address: str) -> None:
    widths = []
    for wanted in (1, 96, 320, 450, 512, 1024, 99999):
        answer, picture = fetched(site, re.sub(r"/width=\d+/", f"/width={wanted}/", address))
        assert answer.headers["content-type"] == "image/jpeg" and picture.format == "JPEG"
        assert "immutable" in answer.headers["cache-control"]
        assert picture.width <= seed.PICTURE[0]
        widths.append(picture.width)
    assert widths == sorted(widths) and widths[0] < widths[-1] == seed.PICTURE[0]


@pytest.mark.parametrize(
    "transform", ["original=true", "original=true,quality=90", "width=4096,original=true"]
)
def test_the_original_can_be_asked_for_with_its_recipe(
    site: httpx.Client, address: str, transform: str
) -> None:
    answer, picture = fetched(site, re.sub(r"/width=\d+/", f"/{transform}/", address))
    assert answer.headers["content-type"] == "image/png" and picture.size == seed.PICTURE
    assert "a paper boat" in str(picture.info.get("parameters"))


@pytest.mark.parametrize(
    "transform",
    [
        "anim=false,width=450",
        "anim=false,transcode=true,width=450,optimized=true",
        "width=450%2Canim%3Dfalse",
    ],
)
def test_other_wishes_do_no_harm(site: httpx.Client, address: str, transform: str) -> None:
    answer, _ = fetched(site, re.sub(r"/width=\d+/", f"/{transform}/", address))
    assert answer.headers["content-type"] == "image/jpeg"


def test_pictures_need_no_key_and_can_be_asked_for_again(site: httpx.Client, address: str) -> None:
    answer, _ = fetched(site, address)
    assert site.get(address, headers={"Authorization": "Bearer wrong"}).status_code == 200
    again = site.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    part = site.get(address, headers={"Range": "bytes=0-9"})
    assert part.status_code == 206 and part.content == answer.content[:10]
    assert int(site.head(address).headers["content-length"]) == len(answer.content)
    assert "set-cookie" not in answer.headers


def test_both_lists_lead_to_the_same_pictures(site: httpx.Client) -> None:
    inside = site.get(f"/api/v1/model-versions/{seed.MAIN_V2}").json()["images"]
    listed = site.get("/api/v1/images", params={"modelVersionId": seed.MAIN_V2}).json()["items"]
    assert {image["id"] for image in inside} == {image["id"] for image in listed}
    names = [image["url"].rsplit("/", 1)[1] for image in inside]
    assert len(set(names)) == len(names)
    key = re.compile(r"/img/([^/]+)/")

    def keys(images: list[dict[str, str]]) -> set[str]:
        return {found[1] for image in images if (found := key.search(image["url"]))}

    assert keys(inside) == keys(listed) and len(keys(inside)) == len(inside)
