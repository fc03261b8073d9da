"""What a gallery remembers about the model that made it, and what is said where another one comes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bouba.encoders import load_model
from bouba.errors import GalleryBroken, ModelMismatch, ModelMissing
from bouba.narrow import NarrowModel, narrowed
from bouba.rows import hubs_id

if TYPE_CHECKING:
    from bouba.encoders import Model

FORMAT = 1


def new_meta(model: Model) -> dict[str, Any]:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"format": FORMAT, "created": created, **marks(model)}


def marks(model: Model) -> dict[str, Any]:
    """What a gallery's description says of its model: who made its vectors, how many dimensions are kept where it is
    not all of them, and the biases beside them."""
    dims = model.dim if isinstance(model, NarrowModel) else None
    return {"model": signature(model), "dims": dims, "hubs": hubs_id(model)}


def signature(model: Model) -> dict[str, str]:
    """`name`, `version`, `fingerprint` and `source`, which finds the model again."""
    fields = ("name", "version", "fingerprint", "source")
    return {field: getattr(model, field) for field in fields}


def made_by(uri: str, meta: Mapping[str, Any]) -> Mapping[str, str]:
    """The signature of the model that made a gallery. Raises GalleryBroken for a newer format or an unfinished copy."""
    if copying := meta.get("copying"):
        raise GalleryBroken(
            f"{uri} is an unfinished copy of {copying['source']}. Run it again, it goes on where it was stopped: "
            f"bouba copy {copying['source']} {uri}"
        )
    maker = meta.get("model")
    if meta.get("format") != FORMAT or not isinstance(maker, dict):
        raise GalleryBroken(f"{uri} was written by a newer bouba (format {meta.get('format')!r}). Update bouba.")
    return maker


def own_model(uri: str, meta: Mapping[str, Any]) -> Model:
    """The gallery's own model, from where it was when the gallery was made, with the dimensions that it keeps."""
    maker = made_by(uri, meta)
    try:
        return kept(load_model(maker["source"]), meta)
    except ModelMissing as error:
        raise ModelMissing(
            f"The gallery {uri} was made by {maker['name']} {maker['version']}, which is no longer at "
            f"{maker['source']}. Say where it is with --model, or go over to another: bouba migrate {uri} --model DIR"
        ) from error


def kept(model: Model, meta: Mapping[str, Any]) -> Model:
    """A model with as many dimensions as a gallery keeps, or all that it has; galleries of bouba 2.0 keep all."""
    dims = meta.get("dims")
    return narrowed(model, dims) if isinstance(dims, int) and dims < model.dim else model


def check_dims(uri: str, model: Model, dims: int | None) -> None:
    """Raises ModelMismatch where a gallery is asked to keep another number of dimensions than it does."""
    if dims is not None and dims != model.dim:
        raise ModelMismatch(
            f"The gallery {uri} keeps {model.dim} dimensions, not {dims}, which is settled when it is made. Open it "
            f"without naming a number, or make another: bouba add FOLDER --gallery OTHER --dims {dims}"
        )


def check_model(uri: str, meta: Mapping[str, Any], model: Model) -> None:
    """Raises ModelMismatch if another model made the gallery."""
    maker = made_by(uri, meta)
    if maker["fingerprint"] != model.fingerprint:
        # Where its own model was replaced by a newer one, there is none to open it with any more.
        stay = "" if maker["source"] == model.source else "Open it without naming a model, or go"
        raise ModelMismatch(
            f"The gallery {uri} was made by {maker['name']} {maker['version']} ({maker['fingerprint']}), and "
            f"this is {model.name} {model.version} ({model.fingerprint}): their vectors cannot be compared. "
            f"{stay or 'Go'} over to this one: bouba migrate {uri} --model {model.source}, "
            f"or make another gallery: bouba add FOLDER --gallery OTHER --model {model.source}"
        )
