"""Vision models of the Hugging Face hub, through ``transformers``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from knownot.embeddings.pooling import POOLINGS, choose_pooling, pool, vision_part
from knownot.hardware import cpu_has_bfloat16, gpu_has_bfloat16

PRECISIONS = ("auto", "32-true", "bf16-mixed")
#: Pictures at once: what a CPU gains nothing beyond, and what keeps a GPU busy.
BATCH_ON_CPU, BATCH_ON_GPU = 16, 64
# What transformers raises for a model that is absent, incomplete, or of another kind.
PROBLEMS = (OSError, ValueError, ImportError, RuntimeError, LookupError, AttributeError, TypeError)
#: Photos are decoded at this many times the size that the model sees, so that they are shrunk well.
OVERSAMPLING = 2


class Pretrained:
    """A vision model with its image processor.

    Parameters
    ----------
    name : str
    processor : transformers.BaseImageProcessor
    model : nn.Module
    pooling : {"auto", "pooler", "cls", "mean"}
    device : torch.device
    precision : {"32-true", "bf16-mixed"}
    absent : frozenset of str
        Weights that the checkpoint lacks.
    """

    def __init__(
        self,
        name: str,
        processor: Any,
        model: nn.Module,
        pooling: str,
        device: torch.device,
        precision: str,
        absent: frozenset[str] = frozenset(),
    ) -> None:
        self.processor, self.model, self.device = processor, model.eval().to(device), device
        self.side = needed_side(processor)
        self.batch_size = BATCH_ON_CPU if device.type == "cpu" else BATCH_ON_GPU
        self._mixed = precision == "bf16-mixed"
        try:
            grey = _stacked([self.prepare(Image.new("RGB", (224, 224), "grey"))], device)
            with torch.inference_mode():
                outputs = vision_part(self.model)(**grey)
        except PROBLEMS as error:
            raise ValueError(
                f"Encoder {name!r}, a {type(model).__name__}, does not take pictures alone ({_first_line(error)}): "
                "choose a vision model, such as a ViT, DINOv2, CLIP, SigLIP, ConvNeXt or ResNet."
            ) from error
        self.pooling = choose_pooling(model, outputs, pooling, absent)
        self.description = {
            "encoder": name,
            "revision": str(getattr(model.config, "_commit_hash", None) or "local"),
            "pooling": self.pooling,
            "precision": precision,
            "device": device.type,
        }

    def prepare(self, image: Image.Image) -> dict[str, Tensor]:
        made = self.processor(images=image, return_tensors="pt")
        return {name: value[0] for name, value in made.items() if isinstance(value, Tensor)}

    def encode(self, prepared: Sequence[dict[str, Tensor]]) -> Tensor:
        inputs = _stacked(prepared, self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed):
            return pool(self.model, inputs, self.pooling).float()


def load_pretrained(name: str, pooling: str, device: torch.device, precision: str) -> Pretrained:
    """Load a model by its name on the hub, or from a folder.

    No code of the model's author is run: the architecture must be one of ``transformers``, and the weights must be
    safetensors.

    Parameters
    ----------
    name : str
    pooling : {"auto", "pooler", "cls", "mean"}
    device : torch.device
    precision : {"auto", "32-true", "bf16-mixed"}

    Raises
    ------
    ValueError
        If it cannot be found or used.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is {pooling!r}: choose {', '.join(POOLINGS)}.")
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: choose {', '.join(PRECISIONS)}.")
    place = _place(name)
    transformers = _transformers()
    import safetensors

    with _quiet(transformers):
        stored = {"trust_remote_code": False, "local_files_only": not Path(place).is_dir() and _must_be_stored(name)}
        try:
            processor = _load_processor(transformers, place, stored)
        except PROBLEMS as error:
            raise ValueError(_why_no_processor(name, error)) from error
        try:
            model, found = transformers.AutoModel.from_pretrained(
                place,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **stored,
            )
        except (*PROBLEMS, safetensors.SafetensorError) as error:
            raise ValueError(
                f"The weights of encoder {name!r} cannot be loaded: {_first_line(error)}. "
                "Needed is a vision model of transformers, saved as safetensors."
            ) from error
        absent = frozenset(found["missing_keys"])
        if untrained := sorted(key for key in absent if "pooler" not in key):
            raise ValueError(
                f"Encoder {name!r} lacks {len(untrained)} weights, first {untrained[0]!r}: they would be random. "
                "Choose a checkpoint of the whole model."
            )
        return Pretrained(name, processor, model, pooling, device, choose_precision(precision, device), absent)


def choose_precision(precision: str, device: torch.device) -> str:
    """Choose bfloat16 where the hardware computes in it.

    Examples
    --------
    >>> choose_precision("32-true", torch.device("cpu"))
    '32-true'
    """
    if precision != "auto":
        return precision
    fast = {"cpu": cpu_has_bfloat16, "cuda": gpu_has_bfloat16}
    return "bf16-mixed" if fast.get(device.type, lambda: False)() else "32-true"


def needed_side(processor: Any) -> int | None:
    """Pixels of the shorter side that photos need, so that a processor only ever shrinks them; None: all of them."""
    size = getattr(processor, "size", None)
    if not size or not getattr(processor, "do_resize", True):
        return None
    sides = [value for _, value in dict(size).items() if isinstance(value, int)]
    if not sides:
        return None
    return round(OVERSAMPLING * max(sides) / (getattr(processor, "crop_pct", None) or 1))


def _load_processor(transformers: Any, place: str, stored: dict[str, bool]) -> Any:
    """Load the Pillow kind of an image processor: torchvision may be missing, and numbers must not depend on it."""
    settings, _ = transformers.BaseImageProcessor.get_image_processor_dict(place, **stored)
    if str(settings.get("image_processor_type")).startswith("DINOv3ViT"):
        # There is none for Pillow, but it does what that of ViT does, up to the rounding to eight bits.
        from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

        return ViTImageProcessorPil.from_dict(settings)
    return transformers.AutoImageProcessor.from_pretrained(place, backend="pil", **stored)


def _stacked(prepared: Sequence[dict[str, Tensor]], device: torch.device) -> dict[str, Tensor]:
    shapes = {name: {tuple(one[name].shape) for one in prepared} for name in prepared[0]}
    if uneven := {name: found for name, found in shapes.items() if len(found) > 1}:
        name, found = next(iter(uneven.items()))
        raise ValueError(
            f"The encoder's image processor makes {name} of different shapes of photos of different sizes, such as "
            f"{', '.join(map(str, sorted(found)[:2]))}, which cannot go through it together: use a batch size of 1."
        )
    return {name: torch.stack([one[name] for one in prepared]).to(device, non_blocking=True) for name in prepared[0]}


def _place(name: str) -> str:
    """Tell a folder from a name on the hub."""
    path = Path(name).expanduser()
    if name and path.is_dir():
        if not (path / "config.json").is_file():
            raise ValueError(
                f"{name} is no saved encoder, since it holds no config.json: give a folder that save_pretrained wrote, "
                "or the name of a model on the Hugging Face hub."
            )
        return str(path)
    if path.is_file() or not name or name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        what = "is a file" if path.is_file() else "is not there"
        raise ValueError(
            f"{name!r} {what}: give the folder of an encoder that save_pretrained wrote, or the name of a model on the "
            "Hugging Face hub, such as facebook/dinov2-small."
        )
    return name


def _must_be_stored(name: str) -> bool:
    """Whether the hub cannot be reached, so that only what was downloaded before is there.

    Asked once, since each file would be asked for many times.

    Raises
    ------
    ValueError
        If there is no such model on the hub, or it can neither be reached nor was downloaded.
    """
    import huggingface_hub as hub
    from huggingface_hub import errors

    try:
        hub.HfApi().model_info(name, timeout=10)
    except errors.HFValidationError as error:
        raise ValueError(
            f"Encoder {name!r} is no folder here, and no name on the Hugging Face hub, such as facebook/dinov2-small."
        ) from error
    except errors.GatedRepoError as error:
        raise ValueError(
            f"The authors of encoder {name!r} ask for consent: give it on https://huggingface.co/{name}, then "
            "log in with: hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ValueError(
            f"Encoder {name!r} is no folder here, and the Hugging Face hub has no model of this name that you may "
            "read: check the name, or log in with: hf auth login"
        ) from error
    except Exception as error:  # of the network: there are many kinds
        if isinstance(hub.try_to_load_from_cache(name, "config.json"), str):
            return True
        raise ValueError(
            f"Encoder {name!r} is no folder here, and the Hugging Face hub cannot be reached ({_first_line(error)}): "
            "check the name and the connection, or give the folder of an encoder that save_pretrained wrote."
        ) from error
    return False


def _transformers() -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Pretrained encoders need {error.name}, which is not installed: pip install 'knownot[encoders]', or give "
            "knownot.embed a function."
        ) from error
    return transformers


def _why_no_processor(name: str, error: Exception) -> str:
    said = str(error).lower()
    if needs := re.search(r"(?:requires the|dependencies:) (torchvision|timm)", said):
        return (
            f"Encoder {name!r} can only be used with {needs[1]}, which knownot does without: choose another one, or "
            "load it yourself and give knownot.embed a function."
        )
    if "trust_remote_code" in said:
        return (
            f"Encoder {name!r} comes with code of its own, which is not run: choose another one, or load it yourself "
            "and give knownot.embed a function."
        )
    return (
        f"Encoder {name!r} has no image processor that can be used ({_first_line(error)}). Needed is a vision model "
        "with its preprocessor_config.json."
    )


def _first_line(error: Exception) -> str:
    """Say in short what a library said at length."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = line.split(". ")[0]
    return (line if len(line) <= 200 else line[:197] + "...").rstrip(".:")


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Silence the library, whose warnings on weights are answered here."""
    logging = transformers.utils.logging
    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
