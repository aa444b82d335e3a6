"""The download route and the storage behind it, as clients that are not installed here use them (WIRE section 1).

Each test says in a word whose habit it repeats.
"""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from tests.compat import seeding as seed
from tests.compat.server import BUSY_DOWNLOADS, BUSY_HOST, PLAIN_HOST, STORAGE_HOST
from tests.compat.world import World

MAIN_FILE = "paper-boats_v2.safetensors"
BIG_FILE = "paper-harbour.safetensors"
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Opera/9.80 (Windows NT 6.1; WOW64)",
)
PROGRAMS = ("python-requests/2.31", "curl/8.5.0", "Wget/1.21", "aria2/1.36.0", "comfyui", "")


def route(version: int, query: str = "") -> str:
    return f"/api/download/models/{version}{'?' + query if query else ''}"


def bearer(world: World, person: str = "reader") -> dict[str, str]:
    return {"Authorization": f"Bearer {world.key(person)}"}


def link_to(site: httpx.Client, version: int, query: str = "") -> str:
    answer = site.get(route(version, query))
    assert answer.status_code == 307, answer.text
    return answer.headers["location"]


def assert_told(answer: httpx.Response, status: int) -> dict[str, object]:
    """A refusal in JSON: what clients would save as a model if it were a page (WIRE rule 7)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert "no-store" in answer.headers["cache-control"]
    found: dict[str, object] = answer.json()
    assert found["error"] and found["message"]
    return found


# The redirect.


def test_every_program_is_sent_on_to_a_link_of_its_own(world: World, site: httpx.Client) -> None:
    for agent in (*PROGRAMS, *BROWSERS):
        answer = site.get(route(seed.MAIN_V2), headers={"User-Agent": agent})
        assert answer.status_code == 307, (agent, answer.text)
        assert answer.headers["cache-control"] == "no-store" and not answer.content
        link = urlsplit(answer.headers["location"])
        assert (link.scheme, link.netloc) == ("https", STORAGE_HOST)
        assert unquote(link.path).endswith(f"/{MAIN_FILE}")
        query = parse_qs(link.query)
        assert query["response-content-disposition"] == [f'attachment; filename="{MAIN_FILE}"']
        assert int(query["expires"][0]) > datetime.now(UTC).timestamp() + 60


def test_the_parameters_of_a_download_address_choose_the_file(world: World, site: httpx.Client) -> None:
    wanted = {
        "type=Model&format=SafeTensor&size=full&fp=fp16": MAIN_FILE,
        "type=Model&format=SafeTensor&size=pruned&fp=fp32": "paper-boats_v2_fp32.safetensors",
        "type=Pruned%20Model&format=SafeTensor": None,
        f"fileId={world.file(MAIN_FILE)['id']}": MAIN_FILE,
        "format=safetensor": MAIN_FILE,
    }
    for query, name in wanted.items():
        answer = site.get(route(seed.MAIN_V2, query))
        if name is None:
            assert "not found" in str(assert_told(answer, 404)["error"])
        else:
            assert f"/{name}?" in answer.headers["location"]


def test_each_address_in_the_documents_leads_to_its_file(world: World, site: httpx.Client) -> None:
    version = site.get(f"/api/v1/model-versions/{seed.MAIN_V2}").json()
    assert len(version["files"]) == 3
    for file in version["files"]:
        link = site.get(file["downloadUrl"]).headers["location"]
        body = site.get(link)
        assert body.status_code == 200 and len(body.content) == round(file["sizeKB"] * 1024)
        assert hashlib.sha256(body.content).hexdigest().upper() == file["hashes"]["SHA256"]


def test_lora_manager_asks_with_head_for_the_size(world: World, site: httpx.Client) -> None:
    with world.watching() as seen:
        answer = site.head(route(seed.BIG_VERSION), headers=bearer(world), follow_redirects=True)
    assert answer.status_code == 200 and not answer.content
    assert int(answer.headers["content-length"]) == world.file(BIG_FILE)["size"]
    assert answer.headers["content-disposition"].count("=") == 1
    assert len(seen.requests) == 1


def test_a1111_helper_takes_the_name_after_the_only_equals_sign(world: World, site: httpx.Client) -> None:
    for query, kept in (("", MAIN_FILE), ("type=VAE", None)):
        link = link_to(site, seed.MAIN_V2, query)
        for method in ("GET", "HEAD"):
            parts = site.request(method, link).headers["content-disposition"].split("=")
            assert len(parts) == 2, parts
            name = parts[1].strip('"')
            assert name.isascii() and name.endswith(".safetensors") and "/" not in name
            assert kept in (None, name)


def test_invoke_finds_the_name_by_pattern_and_carries_its_token_in_the_query(
    world: World, site: httpx.Client
) -> None:
    address = route(seed.MEMBERS_VERSION, f"token={world.key()}")
    answer = site.get(address, follow_redirects=True)
    assert answer.status_code == 200
    found = re.match(r'.*filename="?([^"]+)"?', answer.headers["content-disposition"])
    assert found and found[1] == "members.safetensors"
    assert world.key() not in str(answer.url)
    assert hashlib.sha256(answer.content).hexdigest() == world.file("members.safetensors")["sha256"]


# Who may, and how the others are told.


def test_a_person_in_a_browser_is_led_to_sign_in(world: World, site: httpx.Client) -> None:
    for agent in BROWSERS:
        answer = site.get(route(seed.MEMBERS_VERSION, "type=Model"), headers={"User-Agent": agent})
        assert answer.status_code in (302, 303, 307)
        target = urlsplit(answer.headers["location"])
        assert target.path == "/login"
        query = parse_qs(target.query)
        assert query["reason"] == ["download-auth"]
        assert query["returnUrl"] == [route(seed.MEMBERS_VERSION, "type=Model")]
    page = site.get(answer.headers["location"], headers={"Accept": "text/html"})
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]


def test_a_program_without_a_key_is_told_in_json(world: World, site: httpx.Client) -> None:
    for agent in PROGRAMS:
        for method in ("GET", "HEAD"):
            answer = site.request(method, route(seed.MEMBERS_VERSION), headers={"User-Agent": agent})
            assert answer.status_code == 401, (agent, method)
            assert answer.headers["content-type"].startswith("application/json")
    assert_told(site.get(route(seed.MEMBERS_VERSION)), 401)


def test_a_key_counts_more_than_a_browsers_name(world: World, site: httpx.Client) -> None:
    browser = {"User-Agent": BROWSERS[0]}
    for headers, query in ((bearer(world) | browser, ""), (browser, f"token={world.key()}")):
        answer = site.get(route(seed.MEMBERS_VERSION, query), headers=headers)
        assert answer.status_code == 307 and STORAGE_HOST in answer.headers["location"]
    assert_told(
        site.get(route(seed.MEMBERS_VERSION), headers=browser | {"Authorization": "Bearer wrong"}), 401
    )
    assert_told(site.get(route(seed.MEMBERS_VERSION, "token=wrong"), headers=browser), 401)


def test_early_access_tells_its_deadline(world: World, site: httpx.Client) -> None:
    for headers in ({}, bearer(world), {"User-Agent": BROWSERS[0]}):
        told = assert_told(site.get(route(seed.EARLY_VERSION), headers=headers), 403)
        assert told["error"] == "Early Access"
        assert datetime.fromisoformat(str(told["deadline"])) > datetime.now(UTC)
    version = site.get(f"/api/v1/model-versions/{seed.EARLY_VERSION}").json()
    assert version["availability"] == "EarlyAccess" and version["earlyAccessEndsAt"] == told["deadline"]
    assert version["earlyAccessTimeFrame"] > 0
    owner = site.get(route(seed.EARLY_VERSION), headers=bearer(world, "paper_maker"))
    assert owner.status_code == 307


def test_what_is_gone_or_closed_or_unknown_says_which(world: World, site: httpx.Client) -> None:
    assert_told(site.get(route(seed.ARCHIVED_VERSION)), 410)
    assert_told(site.get(route(seed.DELETED_VERSION)), 410)
    closed = assert_told(site.get(route(seed.CLOSED_VERSION)), 401)
    assert "The creator of this asset has disabled downloads" in str(closed["error"])
    assert "not found" in str(assert_told(site.get(route(999_999_999)), 404)["error"])
    assert_told(site.get("/api/download/models/abc"), 400)
    assert_told(site.get("/api/download/models/99999999999999999999999"), 400)


def test_a_pickle_that_nobody_cleared_stays_with_its_owner(world: World, site: httpx.Client) -> None:
    version = site.get(f"/api/v1/model-versions/{seed.ODD_VERSION}").json()
    files = {file["name"]: file for file in version["files"]}
    assert files["odd.safetensors"]["pickleScanResult"] == "Success"
    assert files["odd.pt"]["pickleScanResult"] == "Danger" and files["odd.pt"]["pickleScanMessage"]
    assert site.get(files["odd.safetensors"]["downloadUrl"]).status_code == 307
    for headers in ({}, bearer(world)):
        told = assert_told(site.get(files["odd.pt"]["downloadUrl"], headers=headers), 403)
        assert told["code"] == "file_unsafe"
    owner = site.get(
        files["odd.pt"]["downloadUrl"], headers=bearer(world, "paper_maker"), follow_redirects=True
    )
    assert owner.status_code == 200 and owner.content == seed.ODD_PICKLE


def test_too_many_downloads_are_told_when_to_come_back(world: World) -> None:
    with world.browser(BUSY_HOST, headers=bearer(world, "hasty")) as busy:
        answers = [busy.get(route(seed.MAIN_V1)) for _ in range(BUSY_DOWNLOADS + 2)]
    assert answers[0].status_code == 307
    told = assert_told(answers[-1], 429)
    assert "again" in str(told["message"]).lower() or told["error"]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600


# The storage.


def test_storage_describes_what_it_sends(world: World, site: httpx.Client) -> None:
    file = world.file(BIG_FILE)
    link = link_to(site, seed.BIG_VERSION)
    for method in ("GET", "HEAD"):
        answer = site.request(method, link, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == file["size"]
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["etag"] == f'"{file["sha256"]}"'
        assert parsedate_to_datetime(answer.headers["last-modified"]) < datetime.now(UTC)
        assert "content-encoding" not in answer.headers and "transfer-encoding" not in answer.headers
        assert answer.headers["content-type"] == "application/octet-stream"
        assert len(answer.content) == (file["size"] if method == "GET" else 0)
    assert hashlib.sha256(site.get(link).content).hexdigest() == file["sha256"]


def test_storage_answers_parts_in_parallel(world: World, site: httpx.Client) -> None:
    file = world.file(BIG_FILE)
    link = link_to(site, seed.BIG_VERSION)
    size, piece = file["size"], 1_000_003

    def part(start: int) -> bytes:
        stop = min(start + piece, size) - 1
        answer = site.get(link, headers={"Range": f"bytes={start}-{stop}"})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop}/{size}"
        assert int(answer.headers["content-length"]) == stop - start + 1
        return answer.content

    with ThreadPoolExecutor(8) as pool:
        whole = b"".join(pool.map(part, range(0, size, piece)))
    assert hashlib.sha256(whole).hexdigest() == file["sha256"]


def test_storage_resumes_only_what_is_still_the_same(world: World, site: httpx.Client) -> None:
    file = world.file(BIG_FILE)
    link = link_to(site, seed.BIG_VERSION)
    tag, size = f'"{file["sha256"]}"', file["size"]
    rest = site.get(link, headers={"Range": "bytes=1000-", "If-Range": tag})
    assert rest.status_code == 206 and len(rest.content) == size - 1000
    other = site.get(link, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    assert other.status_code == 200 and len(other.content) == size
    end = site.get(link, headers={"Range": "bytes=-100"})
    assert end.status_code == 206 and end.headers["content-range"] == f"bytes {size - 100}-{size - 1}/{size}"
    first = site.get(link, headers={"Range": "bytes=0-0"})
    assert first.status_code == 206 and len(first.content) == 1
    beyond = site.get(link, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{size}"
    unchanged = site.get(link, headers={"If-None-Match": tag})
    assert unchanged.status_code == 304 and not unchanged.content


def test_a_link_drawn_anew_continues_a_download(world: World, site: httpx.Client) -> None:
    first, second = (link_to(site, seed.BIG_VERSION) for _ in range(2))
    head = site.get(first, headers={"Range": "bytes=0-999999"})
    rest = site.get(second, headers={"Range": "bytes=1000000-", "If-Range": head.headers["etag"]})
    assert rest.status_code == 206
    assert hashlib.sha256(head.content + rest.content).hexdigest() == world.file(BIG_FILE)["sha256"]


def test_a_stray_key_does_not_break_the_storage(world: World, site: httpx.Client) -> None:
    for value in (f"Bearer {world.key()}", "Bearer wrong", "Basic dTpw", "nonsense"):
        headers = {"Authorization": value}
        link = link_to(site, seed.MAIN_V2)
        assert site.get(link, headers=headers).status_code == 200
        assert site.head(link, headers=headers).status_code == 200
        assert site.get(f"{link}&token=wrong", headers=headers).status_code in (200, 403)


def test_a_plain_instance_serves_its_own_links_although_programs_keep_their_key(world: World) -> None:
    with world.browser(PLAIN_HOST, headers=bearer(world), follow_redirects=True) as plain:
        answer = plain.get(route(seed.MAIN_V2))
        assert answer.status_code == 200 and answer.url.host == PLAIN_HOST
        assert "authorization" in answer.request.headers
        assert hashlib.sha256(answer.content).hexdigest() == world.file(MAIN_FILE)["sha256"]
        document = plain.get(f"/api/v1/models/{seed.MAIN}").json()
    assert document["modelVersions"][0]["downloadUrl"].startswith(f"https://{PLAIN_HOST}/")


def test_a_link_that_was_changed_is_refused_in_json(world: World, site: httpx.Client) -> None:
    link = link_to(site, seed.MAIN_V2)
    other = link_to(site, seed.BIG_VERSION)
    signature = parse_qs(urlsplit(link).query)["signature"][0]
    spoiled = (
        link.replace(signature, signature[::-1]),
        link.replace("expires=1", "expires=2"),
        link.replace("paper-boats_v2.safetensors%22", "x.exe%22"),
        link.split("&signature=")[0],
        link.split("?")[0],
        f"https://{STORAGE_HOST}{urlsplit(other).path}?{urlsplit(link).query}",
    )
    for address in spoiled:
        assert address != link
        answer = site.get(address)
        assert answer.status_code in (400, 403, 404), address
        assert answer.headers["content-type"].startswith("application/json") and answer.json()["error"]


@pytest.mark.parametrize("agent", PROGRAMS[:2])
def test_the_first_byte_comes_soon(site: httpx.Client, agent: str) -> None:
    with site.stream(
        "GET", route(seed.BIG_VERSION), headers={"User-Agent": agent}, follow_redirects=True
    ) as answer:
        next(answer.iter_raw(1024))
    assert answer.elapsed.total_seconds() < 30
