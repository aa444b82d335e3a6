"""Links: what they say, and that nothing in them can be changed."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.infra.storage.signing import LinkSigner, disposition_of
from civitas.kit.clock import held_at, now
from civitas.kit.errors import Forbidden

from .conftest import KEY

HOUR = timedelta(hours=1)
HANDLE = "5242880-5242880-0-" + "a" * 32


def opened(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return unquote(parts.path).removeprefix("/storage/"), dict(parse_qsl(parts.query, keep_blank_values=True))


def get_url(links: LinkSigner, **changes: object) -> str:
    asked = {"filename": "My Model.safetensors", "content_type": "application/x", "expires": HOUR} | changes
    return links.get_url("blobs/aa/one.bin", **asked)  # type: ignore[arg-type]


def test_a_download_link() -> None:
    links = LinkSigner(KEY, "https://files.example.org/")
    url = get_url(links, etag="ABC123", public=True)
    assert url.startswith(
        "https://files.example.org/storage/blobs/aa/one.bin/My%20Model.safetensors?expires="
    )
    assert "response-content-disposition=attachment%3B%20filename%3D%22My%20Model.safetensors%22&" in url
    grant = links.open_get(*opened(url))
    assert (grant.key, grant.public, grant.etag) == ("blobs/aa/one.bin", True, "ABC123")
    assert grant.disposition == 'attachment; filename="My Model.safetensors"'
    assert timedelta(minutes=59) < grant.expires - now() <= HOUR


def test_a_relative_link() -> None:
    assert get_url(LinkSigner(KEY)).startswith("/storage/blobs/")


@given(st.text(max_size=300))
def test_every_name_gives_a_link_that_opens_and_a_plain_disposition(name: str) -> None:
    links = LinkSigner(KEY)
    grant = links.open_get(*opened(get_url(links, filename=name)))
    assert grant.disposition == disposition_of(name)
    assert grant.disposition.count("=") == 1
    assert grant.disposition.count('"') == 2
    assert grant.disposition.isascii() and grant.disposition.isprintable()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires", "99999999999"),
        ("expires", ""),
        ("response-content-disposition", 'attachment; filename="My Model.exe"'),
        ("response-content-disposition", "inline"),
        ("response-content-type", "text/html"),
        ("etag", "other"),
        ("public", "1"),
        ("signature", ""),
        ("signature", "ä"),
        ("signature", "A" * 43),
    ],
)
def test_no_field_of_a_download_link_can_change(name: str, value: str) -> None:
    links = LinkSigner(KEY)
    path, query = opened(get_url(links))
    with pytest.raises(Forbidden) as caught:
        links.open_get(path, query | {name: value})
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    "path",
    [
        "blobs/aa/two.bin/My Model.safetensors",
        "blobs/aa/one.bin",
        "blobs/aa/one.bin/Other.safetensors",
        "/My Model.safetensors",
        "My Model.safetensors",
        "../../etc/passwd/My Model.safetensors",
        "",
    ],
)
def test_a_link_is_for_one_path(path: str) -> None:
    links = LinkSigner(KEY)
    with pytest.raises(Forbidden):
        links.open_get(path, opened(get_url(links))[1])


def test_stray_parameters_do_not_matter() -> None:
    links = LinkSigner(KEY)
    path, query = opened(get_url(links))
    assert links.open_get(path, query | {"token": "abc"}).key == "blobs/aa/one.bin"


def test_links_expire_and_belong_to_one_key() -> None:
    links = LinkSigner(KEY)
    path, query = opened(get_url(links))
    with held_at(now() + HOUR + timedelta(seconds=1)), pytest.raises(Forbidden) as caught:
        links.open_get(path, query)
    assert caught.value.code == "link_expired"
    with pytest.raises(Forbidden):
        LinkSigner(KEY[::-1]).open_get(path, query)
    with pytest.raises(ValueError, match="16 bytes"):
        LinkSigner(b"short")


def test_a_part_link() -> None:
    links = LinkSigner(KEY)
    path, query = opened(links.part_url("up/one", HANDLE, 1, 5242880, HOUR))
    grant = links.open_part(path, query)
    assert (grant.key, grant.handle, grant.number, grant.size, grant.checksum) == (
        "up/one",
        HANDLE,
        1,
        5242880,
        None,
    )
    for changed in (
        {"part": "2"},
        {"size": "9"},
        {"upload": HANDLE[::-1]},
        {"checksum": "x"},
        {"expires": "9" * 11},
    ):
        with pytest.raises(Forbidden):
            links.open_part(path, query | changed)
    for missing in query:
        with pytest.raises(Forbidden):
            links.open_part(path, {name: value for name, value in query.items() if name != missing})


def test_a_part_link_is_no_download_link() -> None:
    links = LinkSigner(KEY)
    path, query = opened(links.part_url("up/one", HANDLE, 1, 5242880, HOUR))
    disposition = {"response-content-disposition": 'attachment; filename="one"'}
    with pytest.raises(Forbidden):
        links.open_get(path, query | disposition)
    path, query = opened(get_url(links))
    with pytest.raises(Forbidden):
        links.open_part("blobs/aa/one.bin", query | {"upload": HANDLE, "part": "1", "size": "5"})


@pytest.mark.parametrize("content_type", ["text/html\r\nX: y", "x", "a/b; charset=utf-8; q", "", "a/b,c/d"])
def test_only_plain_types_are_signed(content_type: str) -> None:
    links = LinkSigner(KEY)
    grant = links.open_get(*opened(get_url(links, content_type=content_type)))
    assert grant.content_type == "application/octet-stream"
