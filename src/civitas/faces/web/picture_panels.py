"""Pictures, films and sounds of posts as pages show them, each with the panel that says how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from civitas.domains.accounts.types import BLOCKED
from civitas.domains.catalog.documents import image_path
from civitas.domains.gallery.image_recipes import Recipe
from civitas.domains.gallery.image_tags import Carried
from civitas.domains.gallery.processing import MOVING
from civitas.domains.gallery.resources import Used
from civitas.domains.gallery.tables import Image
from civitas.domains.gallery.tools import With
from civitas.faces.web import pictures, recipes
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Picture

WIDTHS = (450, 640, 960, 1280, 2048)


@dataclass(frozen=True, slots=True)
class RecipePanel:
    """What `components/recipe.html` shows of one picture; `told` is None when there is no recipe to show."""

    image_id: int
    told: recipes.Recipe | None
    format: str | None
    faults: Sequence[str]
    used: Sequence[Used]
    tools: Sequence[With]
    tags: Sequence[Carried]
    # Of the file with its recipe in it; None when it is not given on.
    original: str | None
    has_workflow: bool
    hidden: bool
    remix_of: int | None
    remixes: Sequence[int]


@dataclass(frozen=True, slots=True)
class PostPicture:
    """One medium of a post. `film` and `sound` are addresses of what plays; `picture` stands for it until then."""

    row: Image
    number: int
    picture: Picture
    full: str
    film: str | None
    sound: str | None
    panel: RecipePanel

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"picture-{self.row.id}"


def shown(image: Image, number: int, recipe: Recipe, eyes: Eyes) -> PostPicture:
    """A ready picture for a page."""
    url = image_path(image.key, str(image.id))
    stated = {
        "url": url,
        "width": image.width,
        "height": image.height,
        "hash": image.blurhash,
        "nsfwLevel": image.nsfw_level,
        "meta": recipe.meta,
    }
    given = pictures.of_document(stated, eyes, alt=alt_of(image, recipe, number), widths=WIDTHS)
    if any(variant["format"] == MOVING for variant in image.variants):
        given = replace(given, moving=pictures.moving(url, MOVING, 960), plays=True)
    whole = url.replace("width=450", "original=true")
    return PostPicture(
        row=image,
        number=number,
        picture=given,
        full=pictures.at_width(url, 2048),
        film=whole.replace(".jpeg", ".mp4") if image.kind == "video" and image.original else None,
        sound=whole if image.kind == "audio" and image.original else None,
        panel=panel(image, recipe, whole),
    )


def panel(image: Image, recipe: Recipe, original: str) -> RecipePanel:
    """How a picture was made, for its panel."""
    return RecipePanel(
        image_id=image.id,
        told=recipes.recipe_of(recipe.meta),
        format=recipe.format,
        faults=recipe.faults,
        used=recipe.resources,
        tools=recipe.tools,
        tags=recipe.tags,
        original=original if image.kind == "image" and image.original and not image.hide_meta else None,
        has_workflow=recipe.workflow is not None,
        hidden=image.hide_meta,
        remix_of=recipe.remix_of_id,
        remixes=recipe.remix_ids,
    )


def alt_of(image: Image, recipe: Recipe, number: int) -> str:
    """Its maker's words, or those it was made from, or at least which one it is."""
    return (image.note or "")[:400] or pictures.alt_of(recipe.meta) or f"Picture {number}"


def blocked(image: Image) -> bool:
    """Whether nobody is shown it, its owner included."""
    return bool(image.nsfw_level & BLOCKED)
