"""Every operation of the OpenAPI document with a request that its owner could make, so that new routes are covered."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_key, make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import (
    make_blob,
    make_file,
    make_model,
    make_published_model,
    make_upload,
    make_version,
)
from tests.factories.collections import make_collection
from tests.factories.http import Client
from tests.factories.media import make_blob as make_media
from tests.factories.media import make_delivery, make_step, make_workflow
from tests.factories.memberships import make_membership, make_month
from tests.factories.posts import make_image, make_post
from tests.factories.programme import SCORE, earn, make_member, make_withdrawal
from tests.factories.push_service import Browser

from civitas.app.web import create_app
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import sessions
from civitas.domains.accounts.tables import ApiKey
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.blobs import references
from civitas.domains.buzz.buying.codes import CodeKey, read
from civitas.domains.buzz.buying.tables import Purchase, RedeemCode
from civitas.domains.buzz.earning.tables import ReferralReward
from civitas.domains.buzz.ledger import holds
from civitas.domains.buzz.ledger.posting import Entry, post, transfer
from civitas.domains.buzz.memberships.tables import MembershipOrder
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop import creators as creator_shop
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.tables import Cosmetic
from civitas.domains.buzz.shop.types import CosmeticType, ItemStatus
from civitas.domains.buzz.types import Currency, EntryType, house, wallet
from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.tables import FileHash, FileHeader, Model, ModelFile
from civitas.domains.community.announcements import keeping as announcing
from civitas.domains.community.announcements.keeping import Notice
from civitas.domains.community.articles import publishing as article_publishing
from civitas.domains.community.articles import writing as article_writing
from civitas.domains.community.articles.tables import ArticleFile
from civitas.domains.community.chat import messages as chat_messages
from civitas.domains.community.chat import rooms as chat_rooms
from civitas.domains.community.chat.types import Member as Standing
from civitas.domains.community.comments import writing
from civitas.domains.community.notifications import push_devices
from civitas.domains.community.reviews.tables import Review
from civitas.domains.community.searches import keeping
from civitas.domains.community.searches.addresses import Place
from civitas.domains.gallery.collections import filling
from civitas.domains.gallery.collections.tables import CollectionItem
from civitas.domains.gallery.collections.types import ReadBy
from civitas.domains.gallery.placements import spaces
from civitas.domains.gallery.placements.spaces import Setting
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import Openness, SpaceKind, Surface
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.domains.studio import presets, snippets
from civitas.domains.studio.made import GENERATED
from civitas.faces.rest import openapi
from civitas.infra.settings import Settings
from civitas.kit import clock

SECRET = "xyzzy plugh"
CODE = "AB-CDEF-GH23"
BROWSER = Browser("https://push.example.org/mine")
READING_POSTS = {"getModelVersionsByHashes", "getModelVersionIdsByHashes", "lookAtPrompt"}
# What others may do with somebody's public model.
OPEN_TO_ALL = {
    "favoriteModel", "unfavoriteModel", "hiddenModel", "unhiddenModel", "notifyModel", "unnotifyModel", "forkModel",
    "downloadModelVersion", "describeModelVersionDownload", "purchaseVersionAccess", "donateToVersion", "redeemCode",
    "buyShopItem", "followCollection", "voteForEntry", "withdrawVote", "voteImageTag",
    "writeComment",
    "reviewVersion", "dismissAnnouncement", "react",
    "quotePlacement", "offerPlacement", "hideImage", "hideTag", "generate", "estimateGeneration",
}  # fmt: skip
# What nobody but staff may do, whoever owns the thing.
STAFF_ONLY = {"listWaitingShopItems", "reviewShopItem", "takeDownShopItem", "getCommentHistory"}
# What one may not do with one's own thing.
NOT_ONES_OWN = {"buyShopItem", "reviewVersion", "quotePlacement", "offerPlacement"}
# What the owner's things are not good for: the model is no workflow and no checkpoint, the collection no board.
UNFIT = {"getBoard", "getGraph", "estimateGraph", "runGraph", "generate", "estimateGeneration"}
# Taking back a wish of one's own, or a line of one's own history, that may not be there changes and tells nothing.
HARMLESS = {
    "unfavoriteModel", "unhiddenModel", "unnotifyModel", "hideDownload",
    "hide_download_api_v1_me_downloads__version_id__delete",
    "removeReview", "withdrawReaction", "showImage", "showTag", "hideTag",
    # What is given away is for everybody.
    "claimCosmetic",
    # Boards and announcements are everybody's.
    "dismissAnnouncement", "getLeaderboard", "listLegends",
    # A set's name is one's own: whoever writes it makes a set of their own.
    "saveSnippets",
    # One takes out what one put in, and leaves what one was invited to.
    "unfollowCollection", "leaveCollection", "removeFromCollection",
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One operation as the document has it."""

    method: str
    path: str
    name: str
    parameters: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None
    body_needed: bool

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"} and self.name not in READING_POSTS

    @property
    def of_something(self) -> bool:
        return "{" in self.path and self.name != "getModelVersionByHash" and "/users/" not in self.path

    def __str__(self) -> str:
        return self.name


@lru_cache(1)
def app() -> FastAPI:
    """The app without adapters: only its routes are looked at."""
    found: Any = create_app(Settings(home=Path("unused")), lambda: None)  # type: ignore[arg-type, return-value]
    while not isinstance(found, FastAPI):
        found = found.app
    return found


@lru_cache(1)
def document() -> dict[str, Any]:
    return openapi.document(app())


@lru_cache(1)
def operations() -> tuple[Operation, ...]:
    made = []
    for path, item in document()["paths"].items():
        # No owner may do what staff do; those routes have tests of their own.
        if path.startswith("/api/v1/staff/"):
            continue
        for method, found in item.items():
            body = found.get("requestBody", {})
            content = body.get("content", {})
            schema = content.get("application/json", {}).get("schema")
            made.append(
                Operation(
                    method.upper(), path, found["operationId"], tuple(found.get("parameters", ())),
                    schema if schema is not None else ({} if content else None), bool(body.get("required")),
                )
            )  # fmt: skip
    return tuple(made)


@dataclass
class Owned:
    """Somebody's things of every kind."""

    person: int
    model: int
    version: int
    second: int
    file: int
    image: int
    upload: uuid.UUID
    key: int
    session: int
    sha256: str
    entry: int
    other: int
    purchase: int
    item: int
    cosmetic: int
    withdrawal: int
    preset: int
    membership: int
    order: uuid.UUID
    secret: int
    delivery: int
    post: int
    posted: int
    made: str
    output: str
    article: int
    article_file: int
    revision: int
    chat: int
    message: int
    own_message: int
    announcement: int
    collection: int
    second_collection: int
    collection_item: int
    comment: int
    review: int
    device: int
    search: int
    placement: int

    def path_value(self, operation: Operation, name: str) -> str:
        """What stands for this name in the path; a KeyError asks whoever adds a route to say what its name means."""
        known: dict[str, Any] = {
            "model_id": self.model, "modelId": self.model, "version_id": self.version, "versionId": self.version,
            "file_id": self.file, "image_id": self.image, "upload_id": self.upload, "key_id": self.key,
            "post_id": self.post, "tag": "boat",
            "hash": self.sha256, "username": "somebody_else", "verb": "follow",
            "session_id": self.session, "entry_id": self.entry, "purchase_id": self.purchase,
            "item_id": self.item, "cosmetic_id": self.cosmetic, "withdrawal_id": self.withdrawal,
            "preset_id": self.preset, "name": "words",
            "reaction": "like",
            "membership_id": self.membership, "order_id": self.order,
            "secret_id": self.secret, "delivery_id": self.delivery,
            "article_file_id": self.article_file, "article_id": self.article, "revision_id": self.revision,
            "chat_id": self.chat, "message_id": self.message, "board": "models",
            "announcement_id": self.announcement,
            "collection_id": self.collection, "collection_item_id": self.collection_item, "entity_id": self.image,
            "generation_id": self.made, "blob_id": self.output,
            "comment_id": self.comment, "review_id": self.review, "device_id": self.device, "search_id": self.search,
            "placement_id": self.placement,
            "kind": "model", "subject_id": self.model,
        }  # fmt: skip
        if operation.name == "takeBackChatMessage":
            return str(self.own_message)
        if "/tags/{name}" in operation.path:
            return "style"
        if name == "id":
            prefixes = {"/models/": self.model, "/model-versions/": self.version, "/model-files/": self.file}
            return str(next(value for prefix, value in prefixes.items() if prefix in operation.path))
        return str(known[name])

    def body(self, operation: Operation) -> Any:
        """A body that its owner could send."""
        known: dict[str, Any] = {
            "inviteCollaborator": {"username": "somebody_else"},
            "answerInvitation": {"accept": True},
            "setVersionOrigins": {"recommended": []},
            "submitShopItem": {"name": "Mine", "plate": "ember", "price": 500},
            "buyShopItem": {},
            "updateShopItem": {"price": 600},
            "reviewShopItem": {"status": "Published", "note": "fine"},
            "takeDownShopItem": {"reason": "wrong"},
            "setAccessTerms": {"gate": "permanent", "downloadPrice": 300},
            "purchaseVersionAccess": {"permission": "Download"},
            "donateToVersion": {"amount": 5},
            "giveVersionAccess": {"permission": "Generate"},
            "updateModel": {"name": "changed"},
            "saveArticle": {"content": "changed"},
            "openChat": {"usernames": ["somebody_else"]},
            "inviteToChat": {"username": "somebody_else"},
            "autosaveArticle": {"content": "changed"},
            "createPurchase": {"pack": "5k"},
            "orderMembership": {"tier": "silver", "months": 3},
            "changeMembership": {"cancelAtEnd": True},
            "buyPerksMonth": {"tier": "bronze"},
            "redeemCode": {"code": CODE},
            "lookAtPrompt": {"prompt": "a red circle"},
            "generate": {"prompt": "a red circle", "checkpoint": self.version},
            "estimateGeneration": {"prompt": "a red circle", "checkpoint": self.version},
            "makeOutputStricter": {"level": "r"},
            "judgeGeneration": {"liked": True},
            "archiveGenerations": {"ids": [self.made]},
            "enlarge": {"blobId": self.output},
            "estimateEnlargement": {"blobId": self.output},
            "makePreset": {"name": "Made", "settings": {"steps": 20}},
            "saveSnippets": {"entries": ["red", "blue"]},
            "createModel": {"name": "made", "type": "LORA"},
            "createVersion": {"name": "made", "baseModel": "SDXL 1.0"},
            "updateVersion": {"name": "changed"},
            "orderVersions": {"ids": [self.second, self.version]},
            "addFile": {"uploadId": str(self.upload)},
            "updateFile": {"name": "changed.safetensors"},
            "createUpload": {"filename": "a.safetensors", "size": 9},
            "signUploadParts": {"numbers": [1]},
            "addVersionImage": {"uploadId": str(self.upload)},
            "orderVersionImages": {"ids": [self.image]},
            "updateImage": {"nsfwLevel": 2},
            "createPost": {"title": "made"},
            "updatePost": {"title": "changed"},
            "postGeneration": {"workflowId": self.made},
            "addPostImage": {"uploadId": str(self.upload)},
            "addArticleImage": {"uploadId": str(self.upload)},
            "addArticleFile": {"uploadId": str(self.upload)},
            "orderPostImages": {"ids": [self.posted]},
            "ratePostImages": {"nsfwLevel": 2},
            "addImageResource": {"strength": 0.5},
            "setImageTools": {"tools": [{"kind": "tool", "name": "ComfyUI"}]},
            "setImageTags": {"tags": ["boat"]},
            "voteImageTag": {"vote": 1},
            "giveTip": {"kind": "user", "subjectId": self.other, "amount": 50},
            "buyWithReferralTokens": {"tier": "bronze", "days": 14},
            "setBrowsing": {"showMature": False, "browsingLevel": 3},
            "changePreferences": {"content": {"left_handed": True}},
            "getModelVersionsByHashes": [self.sha256],
            "getModelVersionIdsByHashes": [self.sha256],
            "joinCreatorProgram": {"acceptTerms": True},
            "bankBuzz": {"yellow": 10_000},
            "setPayoutMethod": {"method": "paypal", "details": {"email": "owner@example.org"}},
            "withdrawCash": {"amountCents": 6_000},
            "setMyHome": {"blocks": [{"kind": "creators"}]},
            "createCollection": {"name": "Made", "kind": "image"},
            "updateCollection": {"name": "Changed"},
            "setCollectionCover": {"itemId": self.collection_item},
            "setContributor": {"permissions": ["add"]},
            "addToCollection": {"ids": [self.image]},
            "removeFromCollection": {"ids": [self.image]},
            "moveBetweenCollections": {"ids": [self.image], "to": self.second_collection},
            "noteCollectionItem": {"note": "For the wall"},
            "reviewCollectionItems": {"itemIds": [self.collection_item], "status": "rejected"},
            "scoreEntry": {"score": 7},
            "setContest": {"judging": True},
            "writeComment": {"kind": "model", "subjectId": self.model, "content": "Something"},
            "pinComment": {"pinned": True},
            "reviewVersion": {"recommended": True},
            "excludeReview": {"excluded": True},
            "lockThread": {"locked": True},
            "registerPushDevice": {
                "endpoint": BROWSER.endpoint,
                "keys": {"p256dh": BROWSER.subscription.p256dh, "auth": BROWSER.subscription.auth},
            },
            "renamePushDevice": {"name": "A phone"},
            "saveSearch": {"name": "Boats", "place": "images", "filters": {"tag": ["boat"]}},
            "changeSavedSearch": {"notify": True},
            "offerPlacement": {"sticker": "heart"},
            "setMyPlacementSpace": {"sticker": {"mode": "auto", "price": 20}},
            "setPostPlacementSpace": {"remix": {"mode": "review"}},
            "setImagePlacementSpace": {"sticker": {"mode": "off"}},
        }
        if operation.name in known:
            return known[operation.name]
        return sample(operation.body or {}) if operation.body_needed else None

    def query(self, operation: Operation) -> dict[str, Any]:
        """The parameters that must be there."""
        known = {
            "amount": "1",
            "left": self.version,
            "right": self.second,
            "entityType": "Model",
            "buzz": 5000,
            "tier": "gold",
            "kind": "model",
            "subjectId": self.model,
            "ids": self.model,
        }
        found = {
            p["name"]: known.get(p["name"]) or sample(p["schema"])
            for p in operation.parameters
            if p["in"] == "query" and p.get("required")
        }
        return found | ({"entityIds": self.model} if operation.name == "checkPermissions" else {})


def sample(schema: dict[str, Any]) -> Any:
    """A small value that a schema allows."""
    if "$ref" in schema:
        return sample(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return sample(schema[choice][0])
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "array":
        return [sample(schema.get("items", {}))] * schema.get("minItems", 0)
    if kind in {"integer", "number"}:
        return max(1, schema.get("minimum", 1))
    return {"boolean": True, "null": None}.get(str(kind), "x" * max(4, schema.get("minLength", 0)))


async def ask(client: Client, operation: Operation, owned: Owned, **changes: Any) -> httpx.Response:
    """Make the request of the owner as whoever the client is now."""
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            value = owned.path_value(operation, parameter["name"])
            path = path.replace(f"{{{parameter['name']}}}", value)
    options: dict[str, Any] = {"params": owned.query(operation) or None}
    if operation.body is not None and operation.method not in {"GET", "HEAD"}:
        body = owned.body(operation)
        if body is not None:
            options["json"] = body
    return await client.request(operation.method, path, **(options | changes))


async def make_earnings(session: AsyncSession, person: int) -> None:
    """Yellow Buzz to tip with, and tokens of an invitation to spend."""
    legs = transfer(house("mint", Currency.YELLOW), wallet(person, Currency.YELLOW), 4000)
    await post(session, Entry(f"test:{person}", EntryType.PURCHASE, legs))
    session.add(
        ReferralReward(
            key="tokens", kind="tokens", referrer_id=person, referee_id=await make_person(session), amount=9,
            left=9, status="settled", settles_at=clock.now(), expires_at=clock.now() + timedelta(days=9),
        )
    )  # fmt: skip
    await session.flush()


async def _offered_to(session: AsyncSession, person: int, placer: int, image: int) -> int:
    """An offer that waits for the owner of a picture, and spaces that are open."""
    wanted = dict.fromkeys(Surface, Setting(Openness.REVIEW, 40))
    await spaces.arrange(session, actor_for(person), kind=SpaceKind.USER, subject_id=person, wanted=wanted)
    await give_buzz(session, placer, 100)
    made = Placement(
        key=f"placement:{placer}:owned", surface="sticker", image_id=image, owner_id=person, placer_id=placer,
        sticker="star", hold_id=0, colour="yellow", price=40, decline_fee=12, platform_part=12, seller_part=0,
        expires_at=clock.now() + timedelta(days=2), status="pending", reason=SECRET,
    )  # fmt: skip
    held = await holds.reserve(
        session, key=made.key, person_id=placer, colours=(Currency.YELLOW,), total=40,
        type=EntryType.PURCHASE, expires_at=clock.now() + timedelta(days=3),
    )  # fmt: skip
    made.hold_id = held.id
    session.add(made)
    await session.flush()
    return made.id


async def make_owned(client: Client, *, public: bool) -> Owned:
    """A person with a model, two versions, a file, a picture, an upload and a key; drafts, or all of it public."""
    async with client.house.database.unit() as session:
        person = await make_person(
            session, "owner_of_all", score=SCORE, created_at=clock.now() - timedelta(days=30)
        )
        other = await make_person(session, "somebody_else")
        await make_earnings(session, person)
        browser = await sessions.open_session(session, person, method="password")
        if public:
            model, (version, second) = await make_published_model(
                session, person, versions=2, name=f"Public {SECRET}", version={"description": SECRET}
            )
            file = await session.scalar(select(ModelFile.id).where(ModelFile.version_id == version))
            session.add(FileHeader(file_id=file, metadata_={}, tensors=[], tensor_count=0, parameter_count=0))
        else:
            model = await make_model(session, person, name=f"Draft {SECRET}", description=SECRET)
            version = await make_version(session, model, name=f"One {SECRET}", description=SECRET)
            second = await make_version(session, model, name=f"Two {SECRET}", position=1)
            file = await make_file(session, version, name=f"{SECRET}.safetensors")
        upload = await make_upload(session, person, f"{SECRET}.safetensors")
        blob = await make_blob(session)
        post = Post(person_id=person, version_id=version, showcase=True, published_at=clock.now())
        session.add(post)
        await session.flush()
        image = Image(
            post_id=post.id, person_id=person, blob_id=blob, key=str(uuid.uuid4()), name=f"{SECRET}.png",
            nsfw_level=1, status="ready", width=64, height=64, variants=[],
        )  # fmt: skip
        session.add(image)
        await session.flush()
        await references.add(session, blob_id=blob, kind="image", subject_id=image.id)
        posted = await make_post(session, person, published=public, title=SECRET, detail=SECRET)
        shown = await make_image(session, posted, note=SECRET)
        session.add(ImageResource(image_id=image.id, version_id=version, source="person"))
        entry = (await give_buzz(session, person, 1)).entry_id
        item = await creator_shop.submit(
            session,
            actor_for(person),
            item=Submission(CosmeticType.NAME_PLATE, f"Plate {SECRET}", "", 2_000, plate="ember"),
        )
        item.status = ItemStatus.PUBLISHED if public else ItemStatus.PENDING
        worn = Cosmetic(type="NamePlate", source="Claim", name="Given", plate="ocean", created_at=clock.now())
        session.add(worn)
        await session.flush()
        await cosmetics.gain(session, person_id=person, cosmetic=worn)
        await make_key(session, person)
        purchase = Purchase(
            key=f"{SECRET}:{person}",
            person_id=person,
            colour="green",
            buzz=20_000,
            cents=500,
            provider="stripe",
            reference=SECRET,
            url=f"https://pay.example/{SECRET}",
            state="pending",
            created_at=clock.now(),
        )
        session.add(purchase)
        digest = CodeKey.derived(client.house.secret).digest(read(CODE))
        session.add(RedeemCode(digest=digest, hint="AB", kind="buzz", colour="yellow", amount=4))
        await session.flush()
        key = await session.scalar(select(ApiKey.id).where(ApiKey.person_id == person))
        sha256 = await session.scalar(
            select(FileHash.value).where(FileHash.file_id == file, FileHash.kind == "SHA256")
        )
        await session.execute(update(Model).where(Model.id == model).values(updated_at=clock.now()))
        await rebuilding.rebuild(session, [model])
        assert file is not None and key is not None and sha256 is not None
        await make_member(session, person)
        await earn(session, person, yellow=50_000)
        withdrawal = await make_withdrawal(session, person)
        preset = await presets.make(session, actor_for(person), name=SECRET, settings={"steps": 20})
        await snippets.save(session, actor_for(person), name="words", entries=[SECRET])
        membership = await make_membership(session, person, "bronze", provider="stripe")
        bought = MembershipOrder(
            person_id=person, recipient_id=person, kind="prepaid", tier="bronze", billing="prepaid", colour="green",
            months=3, cents=3000, provider="stripe", status="open", created_at=clock.now(),
            expires_at=clock.now() + timedelta(days=1),
        )  # fmt: skip
        session.add(bought)
        await session.flush()
        await make_month(session, membership, person)
        signing, delivery = await make_delivery(session, person, SECRET)
        flow = await make_workflow(session, person, tags=[GENERATED], notes={"prompt": SECRET})
        await make_step(session, flow, type="textToImage", input={"prompt": SECRET})
        output = await make_media(session, flow)
        article = await article_writing.create(
            session, actor_for(person), title=f"Article {SECRET}", content=SECRET
        )
        if public:
            await article_publishing.publish(session, actor_for(person), article_id=article.id)
        attachment = ArticleFile(
            article_id=article.id, blob_id=await make_blob(session), name="notes.txt", size=5
        )
        session.add(attachment)
        await session.flush()
        revision = (await article_writing.newest(session, article.id)).id
        third = await make_person(session, "third_of_them")
        chat = await chat_rooms.open_room(session, actor_for(person), people=[third, other], name=SECRET)
        await chat_rooms.answer(session, actor_for(other), room_id=chat.id, state=Standing.JOINED)
        # Reported by its owner, or taken back by them: a message that can be either is somebody else's.
        message = await chat_messages.say(session, actor_for(other), room_id=chat.id, content=SECRET)
        await chat_rooms.answer(session, actor_for(other), room_id=chat.id, state=Standing.LEFT)
        notice = await announcing.put_up(session, SYSTEM, notice=Notice("Hello"))
        own_words = await chat_messages.say(session, actor_for(person), room_id=chat.id, content=SECRET)
        access = ReadBy.PUBLIC if public else ReadBy.PRIVATE
        kept = await make_collection(session, actor_for(person), name=f"Set {SECRET}", read_by=access)
        other_set = await make_collection(session, actor_for(person), read_by=ReadBy.PRIVATE)
        await filling.add(session, actor_for(person), collection_id=kept.id, subject_ids=[image.id])
        kept_item = await session.scalar(
            select(CollectionItem.id).where(CollectionItem.collection_id == kept.id)
        )
        comment = await writing.write(
            session, actor_for(person), subject=Subject("model", model), content=f"Said {SECRET}"
        )
        review = Review(
            version_id=version, model_id=model, person_id=other, recommended=True, content=f"Found {SECRET}"
        )
        session.add(review)
        await session.flush()
        device = await push_devices.register(
            session,
            actor_for(person),
            subscription=Browser("https://push.example.org/theirs").subscription,
            name=SECRET,
            safe=False,
        )
        search = await keeping.save(
            session, actor_for(person), name=SECRET, place=Place.MODELS, pairs=[("tag", "boat")]
        )
        placement = await _offered_to(session, person, other, image.id)
        return Owned(
            person,
            model,
            version,
            second,
            file,
            image.id,
            upload,
            key,
            browser.actor.session_id or 0,
            sha256,
            entry,
            other,
            purchase.id,
            item.id,
            worn.id,
            withdrawal,
            preset.id,
            membership,
            bought.id,
            signing,
            delivery,
            posted,
            shown,
            flow.id,
            output,
            article.id,
            attachment.id,
            revision,
            chat.id,
            message.id,
            own_words.id,
            notice.id,
            kept.id,
            other_set.id,
            kept_item or 0,
            comment.id,
            review.id,
            device,
            search.id,
            placement,
        )
