"""For programs that find their own way: robots.txt, the site map, oEmbed, and a page for language models."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.catalog import reading, search, showing
from civitas.domains.catalog.types import Availability
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.web import pictures
from civitas.faces.web.cards import model_href
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound

router = APIRouter(include_in_schema=False)

XML: Final = "application/xml; charset=utf-8"
HOUR: Final = {"Cache-Control": "public, max-age=3600"}
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE: Final = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_CLOSED: Final = (
    "/api/",
    "/account",
    "/me/",
    "/login",
    "/search",
    "/moderator",
    "/models/create",
    "/mailbox",
)


@router.get("/robots.txt")
async def robots(request: Request) -> Response:
    """Which pages are for finding (RFC 9309): not those of one person, nor endless combinations of filters."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _CLOSED), "Disallow: /*?*cursor="]
    lines += ["", f"Sitemap: {base_url(request)}/sitemap.xml", ""]
    return PlainTextResponse("\n".join(lines), headers=HOUR)


@router.get("/sitemap.xml")
async def index(request: Request) -> Response:
    """The index of the site map (sitemaps.org): one page of fixed addresses, then models by the ten thousand."""
    base = base_url(request)
    firsts = await showing.map_pages(state_of(request).reads)
    pages = [f"{base}/sitemap/pages.xml", *(f"{base}/sitemap/models/{first}.xml" for first in firsts)]
    body = "".join(f"<sitemap><loc>{escape(page)}</loc></sitemap>" for page in pages)
    return Response(f"{_HEAD}<sitemapindex {_SPACE}>{body}</sitemapindex>", media_type=XML, headers=HOUR)


@router.get("/sitemap/pages.xml")
async def pages(request: Request) -> Response:
    """The addresses that are always there."""
    base = base_url(request)
    body = "".join(f"<url><loc>{base}{path}</loc></url>" for path in ("/", "/models", "/creators", "/tags"))
    return Response(f"{_HEAD}<urlset {_SPACE}>{body}</urlset>", media_type=XML, headers=HOUR)


@router.get("/sitemap/models/{first:int}.xml")
async def models(request: Request, first: int) -> Response:
    """Listed models from the id `first` on; the list is walked by key, however long it is."""
    if not 0 <= first < 2**63:
        raise NotFound("There is no such page of the site map.", code="sitemap_not_found")
    base = base_url(request)
    rows = await showing.map_models(state_of(request).reads, first=first)
    if not rows:
        raise NotFound("There is no such page of the site map.", code="sitemap_not_found")
    body = "".join(
        f"<url><loc>{escape(base + model_href(number, name))}</loc>"
        f"<lastmod>{clock.rfc3339(moment)}</lastmod></url>"
        for number, name, moment in rows
    )
    return Response(f"{_HEAD}<urlset {_SPACE}>{body}</urlset>", media_type=XML, headers=HOUR)


@router.get("/oembed")
async def oembed(request: Request, url: str = "", maxwidth: int = 640, format: str = "json") -> Response:
    """A model's page as an oEmbed link (oembed.com 1.0), with a picture for everybody where there is one."""
    if format != "json":
        raise Invalid("Only json is answered here.", code="bad_format")
    base = base_url(request)
    if urlsplit(url[:2000]).netloc != urlsplit(base).netloc:
        raise NotFound("This address is not of this site.", code="foreign_address")
    named = search.parse(url[: search.MAX_QUERY]).model_ids
    if not named:
        raise NotFound("This address is not that of a model.", code="model_not_found")
    document = (await reading.model(state_of(request).reads, named[0])).objects("")[0]
    level = document["nsfwLevel"]
    if document["availability"] == Availability.PRIVATE or (level and not level & SAFE_MASK):
        raise NotFound("This model cannot be embedded.", code="model_not_found")
    answer: dict[str, Any] = {
        "version": "1.0",
        "type": "link",
        "title": document["name"],
        "provider_name": state_of(request).settings.site.name,
        "provider_url": base,
        "cache_age": 3600,
    }
    if document["creator"]["username"]:
        name = document["creator"]["username"]
        answer |= {"author_name": name, "author_url": f"{base}/user/{quote(name)}"}
    image = next((i for v in document["modelVersions"] for i in v["images"] if i["type"] == "image"), None)
    if image is not None:
        width = max(1, min(maxwidth, image["width"], 1280))
        answer |= {
            "thumbnail_url": base + pictures.at_width(image["url"], width),
            "thumbnail_width": width,
            "thumbnail_height": round(image["height"] * width / image["width"]),
        }
    return JSONResponse(answer, headers={**HOUR, "Access-Control-Allow-Origin": "*"})


@router.get("/llms.txt")
async def llms(request: Request) -> Response:
    """What this site is and how programs use it, in a form that language models read (llmstxt.org)."""
    base, name = base_url(request), state_of(request).settings.site.name
    text = f"""# {name}

> Generative-AI models with their files, hashes, scan results, licences and lineage, published by their makers.

Everything public can be read without an account over the API, which is described at {base}/api/v1/openapi.json.

## Find

- [Models]({base}/api/v1/models): `query`, `types`, `baseModels`, `tag`, `username`, `sort`, `period`, `cursor`
- [By hash]({base}/api/v1/model-versions/by-hash/HASH): the version that a file belongs to; SHA256, AutoV2, BLAKE3, CRC32
- [Creators]({base}/api/v1/creators) and [tags]({base}/api/v1/tags)

## Take

- `GET {base}/api/download/models/VERSION_ID` leads to the file of a version; ranges and resuming work
- Compare the SHA256 of what you received with the one in the API's answer
- `civitas download MODEL --layout comfyui` does both

## Read

- [Models for people]({base}/models), [site map]({base}/sitemap.xml), [API documentation]({base}/api/docs)
- Every model's page answers JSON to `Accept: application/json`
- Honour the licence: `allowNoCredit`, `allowCommercialUse`, `allowDerivatives`, `allowDifferentLicense`
"""
    return PlainTextResponse(text, headers=HOUR)
