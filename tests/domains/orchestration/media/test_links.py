"""Links that are permissions: they hold for a while, say nothing, and cannot be changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.kit import clock
from civitas.kit.errors import Forbidden

LINKS = MediaLinks.derived(b"a secret for tests only, 32 bytes", "https://hub.example.org/")
ID = blobs.new_id()
NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def signed(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return parts.path.rsplit("/", 1)[-1], {name: value[0] for name, value in parse_qs(parts.query).items()}


def test_a_blobs_link_holds_for_a_day_and_is_the_same_for_an_hour() -> None:
    with clock.held_at(NOW):
        url, expires = LINKS.blob_url(ID)
        blob_id, query = signed(url)
        assert url.startswith("https://hub.example.org/v2/consumer/blobs/")
        assert expires == datetime(2026, 5, 5, 13, tzinfo=UTC)
        assert LINKS.open_blob(blob_id, **query) == expires
        with clock.held_at(NOW + timedelta(minutes=20)):
            assert LINKS.blob_url(ID) == (url, expires)
        with pytest.raises(Forbidden, match="ours"):
            LINKS.open_blob(blobs.new_id(), **query)
        with pytest.raises(Forbidden, match="ours"):
            LINKS.open_blob(ID, sig=query["sig"], exp=str(int(query["exp"]) + 1))
    with clock.held_at(expires), pytest.raises(Forbidden) as ended:
        LINKS.open_blob(ID, **query)
    assert ended.value.code == "link_expired"


@pytest.mark.parametrize("exp", ["", "-1", "1e9", "٣", "9" * 30, "0x10"])
def test_strange_times_are_refused(exp: str) -> None:
    with pytest.raises(Forbidden):
        LINKS.open_blob(ID, sig="x", exp=exp)
    with pytest.raises(Forbidden):
        LINKS.open_blob(ID, sig="ü", exp="1")


def test_tokens_say_what_was_put_in_and_nothing_to_others() -> None:
    with clock.held_at(NOW):
        expires = NOW + timedelta(hours=1)
        url = LINKS.content_url(ID, expires=expires, filename="cat.png", download=True)
        assert ID not in url and "cat" not in url
        grant = LINKS.open_content(url.rsplit("/", 1)[-1])
        assert (grant.blob_id, grant.filename, grant.download, grant.expires) == (
            ID,
            "cat.png",
            True,
            expires,
        )
        upload, until = LINKS.upload_url(blob_id=ID, person_id=7)
        found = LINKS.open_upload(signed(upload)[1]["sig"])
        assert (found.blob_id, found.person_id) == (ID, 7) and until == NOW + timedelta(hours=1)
        assert LINKS.open_archive(LINKS.archive_url(ID, expires).rsplit("/", 1)[-1]) == ID
        assert LINKS.open_blocked(LINKS.blocked_url(64, 48).rsplit("/", 1)[-1]) == (64, 48)
        assert LINKS.open_preview(LINKS.preview_url("job_1").rsplit("/", 1)[-1]) == "job_1"
    with clock.held_at(NOW + timedelta(hours=2)):
        with pytest.raises(Forbidden):
            LINKS.open_content(url.rsplit("/", 1)[-1])
        with pytest.raises(Forbidden):
            LINKS.open_upload(signed(upload)[1]["sig"])


@pytest.mark.parametrize(
    "opening",
    [LINKS.open_content, LINKS.open_upload, LINKS.open_archive, LINKS.open_blocked, LINKS.open_preview],
)
@pytest.mark.parametrize("token", ["", "x", "!!", "A" * 5000, "ü", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "upload"])
def test_no_token_opens_another_door(opening: Callable[[str], Any], token: str) -> None:
    sealed = signed(LINKS.upload_url(blob_id=ID, person_id=7)[0])[1]["sig"] if token == "upload" else token
    if token == "upload" and opening == LINKS.open_upload:
        sealed = sealed[:-2]
    with pytest.raises(Forbidden) as refused:
        opening(sealed)
    assert refused.value.code == "bad_signature"


def test_another_instances_links_do_not_open() -> None:
    other = MediaLinks.derived(b"another secret for tests, 32 byt", "")
    with pytest.raises(Forbidden):
        LINKS.open_preview(other.preview_url("job_1").rsplit("/", 1)[-1])
