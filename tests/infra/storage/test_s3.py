"""What only a bucket does: its settings, its pages, its silence."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from civitas.infra.storage import s3 as bucket_store
from civitas.infra.storage.multipart import MIN_PART
from civitas.infra.storage.opening import open_store
from civitas.infra.storage.s3 import S3Store
from civitas.infra.storage.s3_clients import control_client, read_url
from civitas.kit.clock import now
from civitas.kit.errors import Invalid, Unavailable

from .conftest import BUCKET, KEY, s3_settings

HOUR = timedelta(hours=1)


def test_addresses() -> None:
    assert read_url("s3://bucket") == ("bucket", "")
    assert read_url("s3://bucket/") == ("bucket", "")
    assert read_url("s3://bucket/a/b/") == ("bucket", "a/b")


@pytest.mark.parametrize(
    "change",
    [{"s3_secret_key": None}, {"s3_access_key": None}, {"s3_allow_http": False}],
)
def test_settings_that_do_not_fit(change: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        open_store(s3_settings("http://127.0.0.1:1", "x").model_copy(update=change), Path("unused"), KEY)
    assert caught.value.code == "storage_url"


async def test_links_show_the_public_address_and_no_secret(moto: str) -> None:
    settings = s3_settings(moto, "pre").model_copy(
        update={"s3_public_endpoint": "https://files.example.org", "s3_secret_key": SecretStr("hush-hush")}
    )
    store = open_store(settings, Path("unused"), KEY)
    await store.put("a.bin", b"x", "a/b")
    url = await store.sign_get("a.bin", filename="a.bin", content_type="a/b", expires=HOUR)
    assert url.startswith(f"https://files.example.org/{BUCKET}/pre/a.bin?")
    assert "hush" not in url
    assert "X-Amz-Expires=3600" in url
    await store.aclose()


async def test_the_size_of_a_part_is_signed(s3: S3Store) -> None:
    handle = await s3.begin_multipart("up/x", MIN_PART, MIN_PART, "a/b")
    url = (await s3.sign_part("up/x", handle, 1, MIN_PART, HOUR)).url
    assert "content-length%3Bhost" in urlsplit(url).query
    summed = await s3.begin_multipart("up/y", MIN_PART, MIN_PART, "a/b", checksums=True)
    signed = await s3.sign_part("up/y", summed, 1, MIN_PART, HOUR, checksum="A" * 43 + "=")
    assert "x-amz-checksum-sha256" in signed.url
    with pytest.raises(Invalid) as caught:
        await s3.sign_part("up/x", handle, 1, MIN_PART, HOUR, checksum="A" * 43 + "=")
    assert caught.value.code == "part_checksum"


async def test_the_type_is_kept(s3: S3Store, moto: str) -> None:
    await s3.put("media/x.webp", b"x", "image/webp")
    url = await s3.sign_get("media/x.webp", filename="x.webp", content_type="image/webp", expires=HOUR)
    key = urlsplit(url).path.removeprefix(f"/{BUCKET}/")
    control = control_client(s3_settings(moto, ""), moto)
    assert control.head_object(Bucket=BUCKET, Key=key)["ContentType"] == "image/webp"
    control.close()


async def test_many_parts_and_uploads_come_in_pages(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_store, "PAGE", 2)
    size = 5 * MIN_PART
    handle = await s3.begin_multipart("up/pages", size, MIN_PART, "a/b")
    async with httpx.AsyncClient() as client:
        for number in range(1, 6):
            signed = await s3.sign_part("up/pages", handle, number, MIN_PART, HOUR)
            (await client.put(signed.url, content=b"tiny")).raise_for_status()
    assert [part.number for part in await s3.list_parts("up/pages", handle)] == [1, 2, 3, 4, 5]
    with pytest.raises(Invalid) as caught:
        await s3.complete_multipart("up/pages", handle)
    assert caught.value.code == "parts_missing"


async def test_a_bucket_that_does_not_answer() -> None:
    store = open_store(s3_settings("http://127.0.0.1:1", "x"), Path("unused"), KEY)
    for ask in (
        store.head("a"),
        store.read_range("a", 0, 5),
        store.put("a", b"x", "a/b"),
        store.delete("a"),
        anext(store.list_prefix("")),
        store.begin_multipart("a", MIN_PART, MIN_PART, "a/b"),
        store.complete_multipart("a", f"{MIN_PART}-{MIN_PART}-0-abc"),
        anext(store.list_stale_multiparts(now())),
    ):
        with pytest.raises(Unavailable) as caught:
            await ask
        assert caught.value.code == "storage_failed"
        assert "127.0.0.1" not in caught.value.message
    await store.aclose()


async def test_no_such_bucket(moto: str) -> None:
    settings = s3_settings(moto, "x").model_copy(update={"url": "s3://no-such-bucket"})
    store = open_store(settings, Path("unused"), KEY)
    with pytest.raises(Unavailable):
        await store.begin_multipart("a", MIN_PART, MIN_PART, "a/b")
    with pytest.raises(Unavailable):
        await store.put("a", b"x", "a/b")
    await store.aclose()
