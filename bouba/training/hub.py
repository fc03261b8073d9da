"""Dual encoders of OpenCLIP and transformers -> model folders that need neither."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.encoders.model import models_folder
from bouba.errors import TrainingError

if TYPE_CHECKING:
    from bouba.training.export.precision import Precision
    from bouba.training.towers import ImageTower, TextTower

# Licences under which anyone may use the weights for anything. All others are named and have to be accepted.
FREE_LICENCES = {
    "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "isc",
    "unlicense",
}  # fmt: skip
FORMS = ("openclip:", "hf:")


def pull(
    name: str,
    folder: Path | None = None,
    *,
    precision: Precision = "fp32",
    accept_licence: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Convert "openclip:ARCH/TAG" or "hf:NAME" once into a model folder, by default among the user's models.

    The folder is compared with PyTorch before it appears (fp32: every cosine at least 0.999). Raises TrainingError
    for a name of another form, for weights that are not free to use unless `accept_licence`, and where the
    folder cannot be written or gives other vectors; ModelMissing where the weights cannot be had.
    """
    if not name.startswith(FORMS):
        raise TrainingError(f"{name!r}: a hub model is named openclip:ARCH/TAG or hf:NAME.")
    if precision == "int8":
        raise TrainingError(
            "int8 needs training pictures to find its scales; a pulled model has none. Use int8-weights."
        )
    from bouba.training.towers import open_dual

    if (licence := stated_licence(name)) is not None:
        say(f"{name}: licence {licence}.")
        _check_licence(name, licence, accept_licence)
    image, text, _ = open_dual(name)
    _check_licence(name, image.licence, accept_licence)
    return _write(name, folder or models_folder() / short_name(name), image, text, precision, say)


def short_name(name: str) -> str:
    """ "openclip:ViT-B-32/laion2b" -> "ViT-B-32-laion2b"; of a path, the last part."""
    rest = name.partition(":")[2]
    rest = rest.removeprefix("hf-hub:").removeprefix("local-dir:")
    if Path(rest).expanduser().exists():
        rest = Path(rest).expanduser().resolve().name
    arch, _, path = rest.partition("//")
    parts = [arch, Path(path).stem] if path else [arch]
    return re.sub(r"[^\w.-]+", "-", "-".join(parts)).strip("-.")


def _write(
    name: str, folder: Path, image: ImageTower, text: TextTower, precision: Precision, say: Callable[[str], None]
) -> Path:
    from bouba.training.export import ModelFacts, write_model

    facts = ModelFacts.of_towers(
        image,
        text,
        name=short_name(name),
        version="1",
        licence=image.licence,
        dim=image.width,
        sources=({"name": name, "licence": image.licence, "url": image.url},),
        summary=f"The dual encoder {name}, converted with `bouba models pull {name}`. It was not trained further.",
    )
    return write_model(folder, image, text, card=facts, precision=precision, say=say)


def stated_licence(name: str) -> str | None:
    """What the hub or the local copy says of the weights' licence, before they are fetched; "unknown" if nothing, None
    where the name names no weights."""
    from bouba.training.towers import open_clip_towers
    from bouba.training.towers.sources import origin_on_hub, require
    from bouba.training.towers.torchvision_ops import import_torchvision

    family, _, rest = name.partition(":")
    if family == "hf":
        return origin_on_hub(rest).licence
    parsed = open_clip_towers.Name.of(rest)
    if not parsed.weights:
        return None
    import_torchvision()
    return open_clip_towers.origin_of(require("open_clip", "train"), parsed).licence


def _check_licence(name: str, licence: str, accepted: bool) -> None:
    plain = licence.lower().partition(";")[0].strip()
    if accepted or plain in FREE_LICENCES:
        return
    known = "has no known licence" if plain in ("", "unknown") else f"has the licence {licence!r}"
    raise TrainingError(
        f"{name} {known}, which may not allow every use, commercial use for one. Read its terms; where they suit you, "
        "go on with --accept-licence (accept_licence=True)."
    )
