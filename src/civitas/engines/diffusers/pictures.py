"""Between pictures and bytes: reading what was sent, writing what was made with its recipe inside."""

from __future__ import annotations

import io
from typing import Any, Final

from PIL import Image, ImageChops, ImageFilter, ImageOps, PngImagePlugin, UnidentifiedImageError

from civitas.engines.diffusers.errors import RequestImpossible
from civitas.engines.diffusers.requests import Format, PictureRequest, Weights
from civitas.kit.generation_text import write_parameters

MAX_PIXELS: Final = 64_000_000
MEDIA: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
VERSION: Final = "Civitas"
_USER_COMMENT, _EXIF_IFD, _ARTIST = 0x9286, 0x8769, 0x013B


def read(content: bytes, what: str) -> Image.Image:
    """A picture that was sent, upright and in RGB. Raises `RequestImpossible`."""
    try:
        picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP"))
        if picture.width * picture.height > MAX_PIXELS:
            raise RequestImpossible(f"The {what} has too many pixels; at most {MAX_PIXELS // 10**6} million.")
        return ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise RequestImpossible(f"The {what} cannot be read as a picture: {error}") from error


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture in another size: scaled until it covers it, and cut around the middle."""
    if picture.size == (width, height):
        return picture
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def blended(made: Image.Image, source: Image.Image, mask: Image.Image) -> Image.Image:
    """What was made where the mask is white, the source where it is black; the seam is softened by a pixel or two."""
    soft = mask.filter(ImageFilter.GaussianBlur(max(1.0, min(made.size) / 256)))
    return Image.composite(made, source, ImageChops.lighter(soft, mask))


def thumbnail(picture: Image.Image, side: int = 256) -> bytes:
    """A small JPEG for a preview."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    return write(small, "jpeg", quality=70)


def recipe(
    request: PictureRequest, *, seed: int, size: tuple[int, int], sampler: str, steps: int, cfg: float
) -> dict[str, Any]:
    """The `meta` fields (as Civitai names them) that describe how a picture was made."""
    hashes: dict[str, str] = {}
    resources: list[dict[str, Any]] = []

    def add(kind: str, key: str, weights: Weights, weight: float | None = None) -> None:
        if weights.sha256:
            hashes[key] = weights.sha256[:10].lower()
        if weights.version_id is not None:
            entry: dict[str, Any] = {"type": kind, "modelVersionId": weights.version_id}
            if weight is not None:
                entry["weight"] = weight
            if weights.name:
                entry["modelName"] = weights.name
            resources.append(entry)

    add("checkpoint", "model", request.checkpoint)
    if request.vae is not None:
        add("vae", "vae", request.vae)
    prompt = request.prompt.strip()
    for lora in request.loras:
        add("lora", f"lora:{lora.title}", lora, lora.weight)
        mark = f"<lora:{lora.title}:{lora.weight:g}>"
        if f"<lora:{lora.title}:" not in prompt:
            prompt = f"{prompt} {mark}".strip()
    for embedding in request.embeddings:
        add("embed", f"embed:{embedding.word}", embedding)
    meta: dict[str, Any] = {
        "prompt": prompt,
        "negativePrompt": request.negative.strip(),
        "steps": steps,
        "sampler": sampler,
        "cfgScale": cfg,
        "seed": seed,
        "width": size[0],
        "height": size[1],
        "Size": f"{size[0]}x{size[1]}",
        "Model": request.checkpoint.title,
        "Version": VERSION,
    }
    meta |= _particulars(request)
    if "model" in hashes:
        meta["Model hash"] = hashes["model"]
    if hashes:
        meta["hashes"] = hashes
    if resources:
        meta["civitaiResources"] = resources
    if request.extra:
        meta["extra"] = dict(request.extra)
    return {key: value for key, value in meta.items() if value not in ("", None)}


def _particulars(request: PictureRequest) -> dict[str, Any]:
    """What is only said when it was asked for."""
    meta: dict[str, Any] = {}
    if request.vae is not None:
        meta["VAE"] = request.vae.title
    if request.clip_skip > 1:
        meta["clipSkip"] = request.clip_skip
    if request.source is not None or request.hires is not None:
        meta["denoise"] = request.denoise if request.source is not None else request.hires.denoise  # type: ignore[union-attr]
    if request.hires is not None:
        meta["Hires upscale"] = f"{request.hires.scale:g}"
    if request.control is not None:
        control = request.control
        meta["ControlNet 0"] = f"Model: {control.weights.title}, Weight: {control.weight:g}"
    return meta


def text_of(meta: dict[str, Any]) -> str:
    """The A1111 text of a recipe."""
    return write_parameters(meta)


def write(picture: Image.Image, kind: Format, *, quality: int = 92, text: str = "") -> bytes:
    """The picture as a file with `text` where generators put it: PNG `parameters`, elsewhere EXIF UserComment."""
    out = io.BytesIO()
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        if text:
            info.add_itxt("parameters", text) if not text.isascii() else info.add_text("parameters", text)
            info.add_text("Software", VERSION)
        picture.save(out, "PNG", pnginfo=info, compress_level=6)
        return out.getvalue()
    exif = Image.Exif()
    if text:
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\x00" + text.encode("utf-16-be")
        exif[_ARTIST] = "ai"
    if kind == "jpeg":
        picture.save(out, "JPEG", quality=quality, exif=exif, subsampling=0 if quality >= 90 else 2)
    else:
        picture.save(out, "WEBP", quality=quality, exif=exif, method=4)
    return out.getvalue()


def text_in(content: bytes) -> str:
    """The recipe's text in a file that `write` made; empty when there is none."""
    picture = Image.open(io.BytesIO(content))
    if picture.format == "PNG":
        return str(picture.info.get("parameters", ""))
    raw = picture.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT, b"")
    return raw[8:].decode("utf-16-be") if isinstance(raw, bytes) and raw.startswith(b"UNICODE\x00") else ""
