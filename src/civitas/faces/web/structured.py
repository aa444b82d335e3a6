"""Pages as JSON-LD: schema.org for search engines, with the model vocabulary's own words beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from markupsafe import Markup

CONTEXT: Final[Sequence[Any]] = (
    "https://schema.org",
    {
        "civitai": "https://developer.civitai.com/vocab#",
        "air": "civitai:air",
        "baseModel": "civitai:baseModel",
    },
)


def script(data: Mapping[str, Any]) -> Markup:
    """JSON for a `<script type="application/ld+json">`: nothing in it can end the element."""
    text = orjson.dumps(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def of_model(
    document: Mapping[str, Any],
    version: Mapping[str, Any] | None,
    *,
    href: str,
    image: str | None,
    base: str,
) -> Markup:
    """A model's page as a `SoftwareApplication` with its files as `DataDownload`s."""
    creator = document["creator"]["username"]
    stats = document["stats"]
    data: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "SoftwareApplication",
        "@id": href,
        "url": href,
        "name": document["name"],
        "applicationCategory": "MultimediaApplication",
        "applicationSubCategory": document["type"],
        "operatingSystem": "Any",
        "datePublished": document["publishedAt"],
        "dateModified": document["updatedAt"],
        "keywords": document["tags"],
        "interactionStatistic": {
            "@type": "InteractionCounter",
            "interactionType": "https://schema.org/DownloadAction",
            "userInteractionCount": stats["downloadCount"],
        },
    }
    if creator:
        data["author"] = {"@type": "Person", "name": creator, "url": f"{base}/user/{creator}"}
    if image:
        data["image"] = image
    if stats["ratingCount"]:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": stats["rating"],
            "ratingCount": stats["ratingCount"],
            "bestRating": 5,
            "worstRating": 0,
        }
    if version is not None:
        data["softwareVersion"] = version["name"]
        data["baseModel"] = version["baseModel"]
        data["air"] = version["air"]
        data["associatedMedia"] = [
            {
                "@type": "DataDownload",
                "name": file["name"],
                "contentUrl": f"{base}{file['downloadUrl']}",
                "contentSize": f"{file['sizeKB']:.0f} KB",
                "sha256": file["hashes"].get("SHA256"),
            }
            for file in version["files"]
        ]
    return script(data)


def breadcrumbs(items: Sequence[tuple[str, str]]) -> Markup:
    """A `BreadcrumbList` of (name, absolute address)."""
    return script(
        {
            "@context": "https://schema.org",
            "@type": "BreadcrumbList",
            "itemListElement": [
                {"@type": "ListItem", "position": place, "name": name, "item": href}
                for place, (name, href) in enumerate(items, 1)
            ],
        }
    )
