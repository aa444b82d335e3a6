"""Another format, another size, a blur: what `convertImage` asks for, and enlarging without a model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

from civitas.engines.media import reading
from civitas.engines.media.work import Limits, NotOurs, Unfit, Work

MEDIA_TYPES: Final = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
}
_ANIMATED: Final = frozenset({"webp", "gif"})


def convert(work: Work) -> Mapping[str, Any]:
    """`convertImage`: the transforms in their order, then the format."""
    wanted = work.given["output"]
    name = str(wanted.get("format", "")).lower()
    if name not in MEDIA_TYPES:
        raise Unfit(f"There is no output format {name!r:.40}; there are jpeg, png, webp and gif.")
    source = reading.opened(work.file(work.given["image"]), work.limits)
    transforms = work.given.get("transforms") or []
    shown: list[int] = []
    if source.animated and name in _ANIMATED:
        frames = []
        for frame, duration in reading.each(source, wanted.get("maxFrames"), work.limits):
            frames.append(transformed(frame, transforms, work.limits))
            shown.append(duration)
            work.tell(0.8 * len(frames) / source.frames)
    else:
        frames = [transformed(reading.still(source), transforms, work.limits)]
        if source.animated:
            work.warn(f"Of {source.frames} frames the first was converted: {name} is for still pictures.")
    if name == "jpeg" and reading.has_alpha(frames[0]):
        work.warn("Transparent parts became white: JPEG knows no transparency.")
    about = {} if wanted.get("hideMetadata") else reading.metadata(source)
    if "icc_profile" in source.image.info:
        about["icc"] = source.image.info["icc_profile"]
    data = encoded(frames, shown, name, wanted, about, loop=int(source.image.info.get("loop", 0)))
    width, height = frames[0].size
    return {"blob": work.add(data, kind="image", media_type=MEDIA_TYPES[name], width=width, height=height)}


def transformed(image: Image.Image, transforms: Sequence[Mapping[str, Any]], limits: Limits) -> Image.Image:
    """One after another. Raises Unfit for a transform that there is not."""
    for step in transforms:
        if step.get("type") == "resize":
            image = resized(image, step.get("targetWidth"), limits)
        elif step.get("type") == "blur":
            image = blurred(image, step)
        else:
            raise Unfit(f"There is no transform {step.get('type')!r:.40}; there are resize and blur.")
    return image


def resized(image: Image.Image, width: int | None, limits: Limits) -> Image.Image:
    """To a width, the height following; as it is when no width is given."""
    if width is None or width == image.width:
        return image
    height = max(1, round(image.height * width / image.width))
    if height > limits.side or width * height > limits.pixels:
        raise Unfit(f"The picture would become {width} x {height} pixels, more than this agent makes.")
    return image.resize((width, height), Image.Resampling.LANCZOS)


def blurred(image: Image.Image, step: Mapping[str, Any]) -> Image.Image:
    """Gaussian; inside the regions (`include`) or everywhere else (`exclude`)."""
    regions = step.get("regions") or []
    mask = Image.new("L", image.size, 0)
    drawing = ImageDraw.Draw(mask)
    for region in regions:
        left, right = sorted((region["x1"], region["x2"]))
        top, bottom = sorted((region["y1"], region["y2"]))
        if right > left and bottom > top and right > 0 and bottom > 0:
            # A region ends before its second corner.
            drawing.rectangle((left, top, right - 1, bottom - 1), fill=255)
    if step.get("mode") == "exclude":
        mask = mask.point(lambda value: 255 - value)
    if mask.getbbox() is None:
        return image
    premultiplied = image.convert("RGBa") if image.mode == "RGBA" else image
    soft = premultiplied.filter(ImageFilter.GaussianBlur(step["blur"])).convert(image.mode)
    return Image.composite(soft, image, mask)


def encoded(
    frames: Sequence[Image.Image],
    shown: Sequence[int],
    name: str,
    wanted: Mapping[str, Any],
    about: Mapping[str, Any],
    *,
    loop: int = 0,
) -> bytes:
    """The bytes of a file of this format; `about` is what `reading.metadata` found, or empty."""
    options: dict[str, Any] = {}
    if icc := about.get("icc"):
        options["icc_profile"] = icc
    first = frames[0]
    if name == "jpeg":
        first = reading.flattened(first)
        options |= {"quality": wanted.get("quality") or 85, "optimize": True}
    elif name == "webp":
        lossless = bool(wanted.get("lossless"))
        options |= {
            "lossless": lossless,
            "quality": 80 if lossless else wanted.get("quality") or 85,
            "method": 4,
        }
    if len(frames) > 1:
        options |= {"save_all": True, "append_images": frames[1:], "duration": list(shown), "loop": loop}
        if name == "gif":
            options["disposal"] = 2
    options |= _about(name, about)
    out = io.BytesIO()
    first.save(out, format=name.upper(), **options)
    return out.getvalue()


def _about(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """What the picture says of itself in the way of the format; GIF has none for it."""
    options: dict[str, Any] = {}
    if name == "gif" or "exif" not in about:
        return options
    exif, settings = about["exif"], about.get("settings")
    if name == "png":
        info = PngImagePlugin.PngInfo()
        texts = dict(about["text"])
        if settings:
            texts.setdefault(reading.SETTINGS, settings)
        for key, value in texts.items():
            info.add_itxt(key, value) if not value.isascii() else info.add_text(key, value)
        options["pnginfo"] = info
    elif settings:
        exif = reading.settings_in_exif(exif, settings)
    if len(exif) or exif.get_ifd(0x8769):
        options["exif"] = exif.tobytes()
    if xmp := about.get("xmp"):
        options["xmp"] = xmp
    return options


def enlarge(work: Work) -> Mapping[str, Any]:
    """`imageUpscaler` by Lanczos: twice as large for each repeat. It says that no model was at work."""
    if work.given.get("model"):
        raise NotOurs("This agent runs no upscaling model; leave `model` out to have Lanczos.")
    times = int(work.given.get("numberOfRepeats") or 1)
    source = reading.opened(work.file(work.given["image"]), work.limits)
    image = reading.still(source)
    width, height = image.width * 2**times, image.height * 2**times
    if max(width, height) > work.limits.side or width * height > work.limits.pixels:
        raise Unfit(f"The picture would become {width} x {height} pixels, more than this agent makes.")
    work.tell(0.1)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    work.tell(0.6)
    work.warn("Enlarged by Lanczos resampling: no upscaling model was at work.")
    about = reading.metadata(source)
    if "icc_profile" in source.image.info:
        about["icc"] = source.image.info["icc_profile"]
    name = "jpeg" if source.format == "JPEG" else "png"
    data = encoded([image], [], name, {"quality": 95}, about)
    return {"blob": work.add(data, kind="image", media_type=MEDIA_TYPES[name], width=width, height=height)}
