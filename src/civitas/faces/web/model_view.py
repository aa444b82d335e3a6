"""What a model's page shows, put together from its document and what stands around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.catalog.showing import Extras, Frame, Shot
from civitas.domains.catalog.types import Availability, Origin, Status
from civitas.domains.studio import families, graphs
from civitas.domains.studio.stacking import NETWORKS
from civitas.faces.web import (
    formats,
    model_files,
    model_licence,
    model_snippets,
    pictures,
    recipes,
    structured,
)
from civitas.faces.web.access_view import OfferView
from civitas.faces.web.cards import cards_of, model_href
from civitas.faces.web.model_files import Access, PageFile
from civitas.faces.web.model_licence import LicenceCard
from civitas.faces.web.model_snippets import Snippet
from civitas.faces.web.pictures import Eyes, avatar_url
from civitas.faces.web.props import Creator, ModelCard, Picture, Stat, type_name
from civitas.faces.web.recipes import SamplePicture

RELATIONS: Final[Mapping[str, str]] = {
    "trained_on": "Trained on",
    "fine_tuned_from": "Fine-tuned from",
    "merged_from": "Merged from",
    "forked_from": "Forked from",
    "distilled_from": "Distilled from",
    "converted_from": "Converted from",
}
_STATUS_WORDS: Final[Mapping[str, str]] = {
    Status.DRAFT: "A draft. Only you can see it.",
    Status.TRAINING: "In training. Only you can see it.",
    Status.SCHEDULED: "Scheduled. Until then only you can see it.",
    Status.UNPUBLISHED: "Unpublished. Only you can see it.",
    Status.UNPUBLISHED_VIOLATION: "Unpublished by the staff. Only you can see it.",
    Status.GATHER_INTEREST: "Gathering interest. Only you can see it.",
}


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a version comes from: a parent here, with its address, or one elsewhere, by its AIR."""

    relation: str
    name: str
    version: str
    href: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Companion:
    """A version that goes well with this one."""

    name: str
    version: str
    href: str
    type: str
    base_model: str
    strength: float | None
    note: str | None
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where an imported model came from."""

    platform: str
    creator: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A version in the changelog; `text` is what its creator wrote of it."""

    name: str
    href: str
    when: datetime | None
    base_model: str
    text: str | None
    current: bool


@dataclass(frozen=True, slots=True)
class Meta:
    """What machines that follow links read."""

    title: str
    description: str
    canonical: str
    api: str
    oembed: str
    image: str | None
    json_ld: Markup


@dataclass(frozen=True, slots=True)
class ModelView:
    """The context of the model's template."""

    frame: Frame
    doc: Mapping[str, Any]
    version: Mapping[str, Any] | None
    tabs: tuple[tuple[str, str, bool], ...]
    creator: Creator | None
    stats: tuple[Stat, ...]
    samples: tuple[SamplePicture, ...]
    opened: SamplePicture | None
    files: tuple[PageFile, ...]
    main: PageFile | None
    access: Access
    licence: LicenceCard
    snippets: tuple[Snippet, ...]
    details: tuple[tuple[str, object, str | None], ...]
    origins: tuple[Origins, ...]
    children: int
    companions: tuple[Companion, ...]
    changes: tuple[Change, ...]
    attribution: Attribution | None
    others: tuple[ModelCard, ...]
    status_words: str | None
    missing_version: bool
    meta: Meta
    href: str
    offered: OfferView | None
    # Where pictures are made with this version; None when they cannot be made with it here.
    create_href: str | None


def version_of(document: Mapping[str, Any], wanted: int | None) -> Mapping[str, Any] | None:
    """The version that was asked for, else the first."""
    versions: Sequence[Mapping[str, Any]] = document["modelVersions"]
    chosen = next((v for v in versions if v["id"] == wanted), None)
    return chosen or next(iter(versions), None)


def view_of(
    frame: Frame,
    document: Mapping[str, Any],
    wanted: int | None,
    extras: Extras,
    others: Sequence[Mapping[str, Any]],
    *,
    eyes: Eyes,
    signed_in: bool,
    opened: int | None,
    base: str,
    offered: OfferView | None = None,
) -> ModelView:
    """Put the page together. `wanted` and `opened` are ids from the address: a version, a picture's recipe."""
    version = version_of(document, wanted)
    shown = wanted if version is not None and version["id"] == wanted else None
    href = model_href(document["id"], document["name"], shown)
    access = Access(False, "There is no version yet.")
    files: tuple[PageFile, ...] = ()
    if version is not None:
        access = model_files.access_of(
            document,
            version,
            signed_in=signed_in,
            may_edit=frame.may_edit,
            here=quote(href, safe=""),
            offer=offered.offer if offered else None,
        )
        files = model_files.files_of(document, version, extras, access, may_edit=frame.may_edit)
    main = next((file for file in files if file.primary), next(iter(files), None))
    samples = recipes.samples_of(version, document["name"], eyes) if version is not None else ()
    return ModelView(
        frame=frame,
        doc=document,
        version=version,
        tabs=_tabs(document, version),
        creator=_creator(frame),
        stats=_stats(document["stats"]),
        samples=samples,
        opened=next((sample for sample in samples if sample.image_id == opened), None),
        files=files,
        main=main,
        access=access,
        licence=model_licence.card_of(document, [version["baseModel"]] if version is not None else []),
        snippets=_snippets(document, version, main, base),
        details=_details(document, version) if version is not None else (),
        origins=tuple(_origin(parent) for parent in extras.parents),
        children=extras.children,
        companions=tuple(_companion(one, eyes) for one in extras.recommended),
        changes=_changes(document, version),
        attribution=_attribution(frame),
        others=cards_of(others, eyes),
        status_words=None if frame.public else _STATUS_WORDS.get(frame.status, "Only you can see it."),
        missing_version=wanted is not None and shown is None,
        meta=meta_of(document, version, base=base),
        href=href,
        offered=offered,
        create_href=_create_href(document, version),
    )


def _snippets(
    document: Mapping[str, Any], version: Mapping[str, Any] | None, main: PageFile | None, base: str
) -> tuple[Snippet, ...]:
    if version is None or main is None or not main.href:
        return ()
    return model_snippets.snippets(document, version, main, base=base)


def _create_href(document: Mapping[str, Any], version: Mapping[str, Any] | None) -> str | None:
    if version is not None and document["type"] in graphs.TYPES:
        return f"/create/graph/{version['id']}"
    if version is None or document["type"] not in {"Checkpoint", "VAE", *NETWORKS}:
        return None
    return f"/create?version={version['id']}" if families.of_base_model(version["baseModel"]) else None


def _tabs(
    document: Mapping[str, Any], current: Mapping[str, Any] | None
) -> tuple[tuple[str, str, bool], ...]:
    return tuple(
        (
            version["name"]
            if version["status"] == Status.PUBLISHED
            else f"{version['name']} · {version['status']}",
            model_href(document["id"], document["name"], version["id"]),
            current is not None and version["id"] == current["id"],
        )
        for version in document["modelVersions"]
    )


def _creator(frame: Frame) -> Creator | None:
    owner = frame.owner
    if owner.username is None or not owner.active:
        return None
    note = f"{formats.plural(owner.models, 'model')} · {formats.short(owner.followers)} followers"
    return Creator(owner.username, avatar_url(owner.avatar_key), note, owner.badge)


def _stats(stats: Mapping[str, Any]) -> tuple[Stat, ...]:
    every = (
        Stat("download", stats["downloadCount"], "downloads"),
        Stat("heart", stats["favoriteCount"], "favourites"),
        Stat("thumb-up", stats["thumbsUpCount"], "thumbs up"),
        Stat("comment", stats["commentCount"], "comments"),
        Stat("bookmark", stats["collectedCount"], "collections"),
        Stat("sparkle", stats["generationCount"], "generations"),
    )
    return tuple(stat for place, stat in enumerate(every) if place < 2 or stat.value)


def _details(
    document: Mapping[str, Any], version: Mapping[str, Any]
) -> tuple[tuple[str, object, str | None], ...]:
    rows: list[tuple[str, object, str | None]] = [
        ("Type", type_name(document["type"]), None),
        (
            "Base model",
            Markup('<a href="/base-models/{}">{}</a>').format(
                quote(version["baseModel"]), version["baseModel"]
            ),
            None,
        ),
    ]
    if version["baseModelType"] not in (None, "Standard"):
        rows.append(("Variant", version["baseModelType"], None))
    if document["checkpointType"]:
        rows.append(("Checkpoint", document["checkpointType"], None))
    if strength := _strength(version["settings"]):
        rows.append(("Suggested strength", strength, None))
    for label, key in (("Clip skip", "clipSkip"), ("Training steps", "steps"), ("Epochs", "epochs")):
        if version[key]:
            rows.append((label, formats.number(version[key]), None))
    if version["publishedAt"]:
        rows.append(("Published", formats.date(datetime.fromisoformat(version["publishedAt"])), None))
    rows.append(("Downloads", formats.number(version["stats"]["downloadCount"]), None))
    if version["air"]:
        rows.append(("AIR", Markup("<code>{}</code>").format(version["air"]), version["air"]))
    rows.append(("Version id", str(version["id"]), str(version["id"])))
    return tuple(rows)


def _strength(settings: Mapping[str, Any]) -> str:
    least, best, most = settings["minStrength"], settings["strength"], settings["maxStrength"]
    around = f"{least:g} to {most:g}" if least is not None and most is not None else ""
    if best is None:
        return around
    return f"{best:g} ({around})" if around else f"{best:g}"


def _origin(parent: Mapping[str, Any]) -> Origins:
    relation = RELATIONS.get(parent["relation"], "Made from")
    note = None if parent["note"] == "merge recipe" else parent["note"]
    if parent["versionId"] is None:
        return Origins(relation, parent["air"], "", None, note)
    href = model_href(parent["modelId"], parent["model"], parent["versionId"])
    maker = f" by {parent['creator']}" if parent["creator"] else ""
    return Origins(relation, parent["model"], parent["version"] + maker, href, note)


def _companion(found: Mapping[str, Any], eyes: Eyes) -> Companion:
    preview = found["preview"]
    return Companion(
        name=found["model"],
        version=found["version"],
        href=model_href(found["modelId"], found["model"], found["versionId"]),
        type=found["type"],
        base_model=found["baseModel"],
        strength=found["strength"],
        note=found["note"],
        picture=pictures.of_shot(Shot(**preview), eyes, alt="") if preview else None,
    )


def _changes(document: Mapping[str, Any], current: Mapping[str, Any] | None) -> tuple[Change, ...]:
    return tuple(
        Change(
            version["name"],
            model_href(document["id"], document["name"], version["id"]),
            datetime.fromisoformat(version["publishedAt"]) if version["publishedAt"] else None,
            version["baseModel"],
            version["description"],
            current is not None and version["id"] == current["id"],
        )
        for version in document["modelVersions"]
    )


def _attribution(frame: Frame) -> Attribution | None:
    source = frame.source
    if not source or (frame.origin != Origin.IMPORT and not source.get("url")):
        return None
    url = str(source.get("url") or "")
    host = urlsplit(url).hostname if url.startswith(("https://", "http://")) else None
    return Attribution(
        platform=str(source.get("platform") or host or "another site"),
        creator=str(source["creator"]) if source.get("creator") else None,
        url=url if host else None,
    )


def meta_of(document: Mapping[str, Any], version: Mapping[str, Any] | None, *, base: str) -> Meta:
    """Titles, pictures and JSON-LD for other programs; pictures of safe levels only, whoever looks."""
    href = base + model_href(document["id"], document["name"])
    text = Markup(document["description"] or "").striptags()  # noqa: S704 - becomes plain text
    plain = " ".join(text.split())
    about = (
        f"{type_name(document['type'])} for {version['baseModel']}"
        if version
        else type_name(document["type"])
    )
    images = version["images"] if version else ()
    safe = next((i for i in images if i["nsfwLevel"] & SAFE_MASK and i["type"] == "image"), None)
    image = base + pictures.at_width(safe["url"], 1280) if safe else None
    return Meta(
        title=f"{document['name']} · {about}",
        description=(plain[:197] + "…") if len(plain) > 200 else plain or about,
        canonical=href,
        api=f"{base}/api/v1/models/{document['id']}",
        oembed=f"{base}/oembed?url={quote(href, safe='')}",
        image=image,
        json_ld=structured.of_model(document, version, href=href, image=image, base=base),
    )


def listed(frame: Frame) -> bool:
    """Whether search engines may keep the page."""
    return frame.public and frame.availability != Availability.UNSEARCHABLE
