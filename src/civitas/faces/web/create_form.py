"""The form of the generator: from what was entered, or from where somebody came, to a recipe, and back to fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from civitas.domains.studio.families import Family
from civitas.domains.studio.recipes import Recipe
from civitas.faces.web.form_values import validated
from civitas.faces.web.forms import Entered
from civitas.kit.errors import Invalid
from civitas.kit.ids import row_id

# Fields of the form by the recipe's own names; numbers are empty where the family's usual value is meant.
TEXTS: Final = ("prompt", "negative_prompt", "sampler", "source_image", "mask_image")
# Of the ControlNet: the field of the form, and the recipe's name.
CONTROL_DECIMALS: Final = (
    ("control_weight", "weight"),
    ("control_start", "start_step"),
    ("control_end", "end_step"),
)
WHOLES: Final = ("steps", "width", "height", "seed", "clip_skip", "quantity", "checkpoint", "vae", "remix_of")
DECIMALS: Final = ("cfg_scale", "denoise")
WORDS: Final = ("workflow", "output_format", "priority", "snippets")
FLAGS: Final = ("allow_mature", "acknowledged")
DRAFT: Final[str] = "txt2img:draft"
WORKFLOWS: Final = (
    ("txt2img", "From words"),
    (DRAFT, "Draft"),
    ("img2img", "From a picture"),
    ("txt2img:hires-fix", "Large"),
)
PRIORITIES: Final = (("low", "When there is room"), ("normal", "Normal"), ("high", "Soon"))
FORMATS: Final = (("jpeg", "JPEG"), ("png", "PNG"), ("webP", "WebP"))


def recipe_of(form: Entered) -> Recipe:
    """The recipe that a form asks for. Raises Invalid with a sentence for each field that cannot be read."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name in TEXTS:
        if text := form.get(name).strip():
            values[name] = text
    for name in WORDS:
        if word := form.get(name):
            values[name] = word
    for name in WHOLES:
        if text := form.get(name).strip():
            if text.isascii() and text.isdecimal() and len(text) < 20:
                values[name] = int(text)
            else:
                wrong[name] = "A whole number, please."
    for name in DECIMALS:
        if text := form.get(name).strip():
            values[name] = _decimal(text, name, wrong)
    values |= {name: form.flag(name) for name in FLAGS}
    if size := form.get("size"):
        width, _, height = size.partition("x")
        if width.isdecimal() and height.isdecimal() and len(size) < 12:
            values |= {"width": int(width), "height": int(height)}
    values["resources"] = [_resource(form, text, wrong) for text in form.all("resource") if text.isdecimal()]
    if control := _control(form, wrong):
        values["controls"] = [control]
    if form.get("workflow") == "txt2img:hires-fix" and (scale := form.get("hires_scale").strip()):
        values["hires"] = {"scale": _decimal(scale, "hires_scale", wrong)}
    if form.get("workflow") != "img2img":
        values.pop("source_image", None)
        values.pop("mask_image", None)
    if "checkpoint" not in values and not wrong:
        wrong["checkpoint"] = "Choose a model to make pictures with."
    if wrong:
        raise Invalid("Please check these fields.", code="validation_failed", fields=wrong)
    return validated(Recipe, values)


def _resource(form: Entered, text: str, wrong: dict[str, str]) -> dict[str, Any]:
    strength = form.get(f"strength-{text}").strip()
    made: dict[str, Any] = {"version_id": int(text)}
    if strength:
        made["strength"] = _decimal(strength, "resources", wrong)
    return made


def _control(form: Entered, wrong: dict[str, str]) -> dict[str, Any]:
    """The ControlNet with its picture; nothing when none was chosen."""
    net, image = form.get("control").strip(), form.get("control_image").strip()
    if not net and not image:
        return {}
    version_id = row_id(net)
    if version_id is None:
        wrong["control"] = "Choose the ControlNet that follows the picture, or take the picture out."
    if not image:
        wrong["control_image"] = "Choose the picture that the ControlNet follows, or take the ControlNet out."
    if wrong:
        return {}
    made: dict[str, Any] = {
        "version_id": version_id,
        "image": image,
        "preprocessor": form.get("control_kind", "canny"),
        "prepared": form.flag("control_prepared"),
    }
    for field, name in CONTROL_DECIMALS:
        if text := form.get(field).strip():
            made[name] = _decimal(text, field, wrong)
    return made


def _decimal(text: str, name: str, wrong: dict[str, str]) -> float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = float("nan")
    if not abs(number) < 10**6:
        wrong[name] = "A number, please."
        return 0.0
    return number


def filled(fields: Mapping[str, Any]) -> Entered:
    """A form with a recipe's fields in it, whatever their spelling on the wire; unknown ones are left out."""
    values: dict[str, tuple[str, ...]] = {}
    for name in (*TEXTS, *WHOLES, *DECIMALS, *WORDS):
        value = fields.get(name, fields.get(_camel(name)))
        if value is not None and not isinstance(value, dict | list):
            values[name] = (_text(value),)
    for name in FLAGS:
        if fields.get(name, fields.get(_camel(name))):
            values[name] = ("true",)
    resources: Sequence[Any] = fields.get("resources") or ()
    chosen: list[str] = []
    for resource in resources:
        version = resource.get("versionId", resource.get("version_id"))
        chosen.append(str(version))
        if resource.get("strength") is not None:
            values[f"strength-{version}"] = (_text(resource["strength"]),)
    if chosen:
        values["resource"] = tuple(chosen)
    values |= _control_filled(fields)
    hires = fields.get("hires")
    if isinstance(hires, dict) and hires.get("scale") is not None:
        values["hires_scale"] = (_text(hires["scale"]),)
    return Entered(values)


def _control_filled(fields: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for one in fields.get("controls") or ():
        known = {
            "control": one.get("versionId", one.get("version_id")),
            "control_image": one.get("image"),
            "control_kind": one.get("preprocessor"),
            **{field: one.get(_camel(name), one.get(name)) for field, name in CONTROL_DECIMALS},
        }
        made: dict[str, tuple[str, ...]] = {
            name: (_text(value),) for name, value in known.items() if value is not None
        }
        return made | ({"control_prepared": ("true",)} if one.get("prepared", True) else {})
    # From the picture that somebody just sent, before anything else was chosen.
    sent = fields.get("controlImage")
    return {"control_image": (_text(sent),)} if sent else {}


def workflows(family: Family | None) -> tuple[tuple[str, str], ...]:
    """The ways of making that a kind of model has."""
    return tuple(one for one in WORKFLOWS if one[0] != DRAFT or family is None or family.draft is not None)


def ids(form: Entered, name: str) -> list[int]:
    """The version ids that a field holds."""
    return [
        int(text) for text in form.all(name) if text.isascii() and text.isdecimal() and 0 < len(text) < 19
    ]


def sizes(family: Family, form: Entered) -> list[tuple[str, str, bool]]:
    """The family's sizes as `(value, label, chosen)`; the first is chosen when the form says none of them."""
    asked = form.get("size") or f"{form.get('width')}x{form.get('height')}"
    offered = [(f"{width}x{height}", f"{label} {width} × {height}") for label, width, height in family.sizes]
    if asked != "x" and asked not in {value for value, _ in offered}:
        width, _, height = asked.partition("x")
        if width.isdecimal() and height.isdecimal():
            offered.append((asked, f"{width} × {height}"))
    chosen = asked if asked in {value for value, _ in offered} else offered[0][0]
    return [(value, label, value == chosen) for value, label in offered]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
