"""The catalogue's enums; the values are the names on the wire (FEATURES B1, B3, B5, B6, B8)."""

from __future__ import annotations

from enum import StrEnum


class ModelType(StrEnum):
    """What kind of thing a model is."""

    CHECKPOINT = "Checkpoint"
    TEXTUAL_INVERSION = "TextualInversion"
    HYPERNETWORK = "Hypernetwork"
    AESTHETIC_GRADIENT = "AestheticGradient"
    LORA = "LORA"
    LOCON = "LoCon"
    DORA = "DoRA"
    CONTROLNET = "Controlnet"
    UPSCALER = "Upscaler"
    MOTION_MODULE = "MotionModule"
    VAE = "VAE"
    TEXT_ENCODER = "TextEncoder"
    UNET = "UNet"
    CLIP_VISION = "CLIPVision"
    POSES = "Poses"
    WILDCARDS = "Wildcards"
    WORKFLOWS = "Workflows"
    COMFY_WORKFLOWS = "ComfyWorkflows"
    DETECTION = "Detection"
    VISION_LANGUAGE = "VisionLanguage"
    CLIP = "CLIP"
    LLM = "LLM"
    OTHER = "Other"


class Status(StrEnum):
    """Where a model or version stands in its life."""

    DRAFT = "Draft"
    TRAINING = "Training"
    PUBLISHED = "Published"
    SCHEDULED = "Scheduled"
    UNPUBLISHED = "Unpublished"
    UNPUBLISHED_VIOLATION = "UnpublishedViolation"
    GATHER_INTEREST = "GatherInterest"
    DELETED = "Deleted"


class Mode(StrEnum):
    """A published model whose files (Archived) or files and images (TakenDown) are withheld."""

    ARCHIVED = "Archived"
    TAKEN_DOWN = "TakenDown"


class Availability(StrEnum):
    """Who can come across a thing."""

    PUBLIC = "Public"
    UNSEARCHABLE = "Unsearchable"
    PRIVATE = "Private"
    EARLY_ACCESS = "EarlyAccess"


class UploadType(StrEnum):
    """Whether a model was made elsewhere or trained on site."""

    CREATED = "Created"
    TRAINED = "Trained"


class CheckpointType(StrEnum):
    """How a checkpoint came to be."""

    TRAINED = "Trained"
    MERGE = "Merge"


class BaseModelType(StrEnum):
    """The variant of the base model."""

    STANDARD = "Standard"
    INPAINTING = "Inpainting"
    REFINER = "Refiner"
    PIX2PIX = "Pix2Pix"


class UsageControl(StrEnum):
    """What others may do with a version's files."""

    DOWNLOAD = "Download"
    GENERATION = "Generation"
    INTERNAL_GENERATION = "InternalGeneration"
    EXTERNAL_GENERATION = "ExternalGeneration"


class CommercialUse(StrEnum):
    """One commercial permission; the set is stored."""

    NONE = "None"
    IMAGE = "Image"
    RENT_CIVIT = "RentCivit"
    RENT = "Rent"
    SELL = "Sell"


class FileType(StrEnum):
    """What a file is for."""

    MODEL = "Model"
    PRUNED_MODEL = "Pruned Model"
    TEXT_ENCODER = "Text Encoder"
    VISION_ENCODER = "Vision Encoder"
    NEGATIVE = "Negative"
    TRAINING_DATA = "Training Data"
    VAE = "VAE"
    CONFIG = "Config"
    ARCHIVE = "Archive"
    UNET = "UNet"
    DIFFUSION_MODEL = "Diffusion Model"
    CLIP_VISION = "CLIPVision"
    CONTROLNET = "ControlNet"
    WORKFLOW = "Workflow"
    UPSCALER = "Upscaler"
    ENHANCEMENT_LORA = "Enhancement LoRA"
    OTHER = "Other"


class FileFormat(StrEnum):
    """How a file is written."""

    SAFE_TENSOR = "SafeTensor"
    PICKLE_TENSOR = "PickleTensor"
    GGUF = "GGUF"
    DIFFUSERS = "Diffusers"
    CORE_ML = "Core ML"
    ONNX = "ONNX"
    OTHER = "Other"


PRECISIONS = (
    "fp32", "fp16", "bf16", "mxfp8", "fp8_mixed", "fp8_scaled", "fp8", "int8", "nf4", "nvfp4", "int4",
)  # fmt: skip


class Visibility(StrEnum):
    """Who sees that a file exists."""

    SENSITIVE = "Sensitive"
    PRIVATE = "Private"
    PUBLIC = "Public"


class ScanStatus(StrEnum):
    """What the safety scan says of a file; only `clean` may be downloaded by others."""

    PENDING = "pending"
    CLEAN = "clean"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"
    ERROR = "error"


class HashKind(StrEnum):
    """Kinds of file hashes, by their names on the wire."""

    AUTOV1 = "AutoV1"
    AUTOV2 = "AutoV2"
    AUTOV3 = "AutoV3"
    SHA256 = "SHA256"
    CRC32 = "CRC32"
    BLAKE3 = "BLAKE3"


class Relation(StrEnum):
    """How a version came from another."""

    TRAINED_ON = "trained_on"
    FINE_TUNED_FROM = "fine_tuned_from"
    MERGED_FROM = "merged_from"
    FORKED_FROM = "forked_from"
    DISTILLED_FROM = "distilled_from"
    CONVERTED_FROM = "converted_from"


class Origin(StrEnum):
    """How a model came to this instance."""

    UPLOAD = "upload"
    IMPORT = "import"
    DEMO = "demo"
    TRAINING = "training"
