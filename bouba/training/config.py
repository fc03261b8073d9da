"""RUN.toml: a training run, typed and frozen; a key that it does not know is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bouba.errors import TrainingError

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(ge=0)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Model(Part, frozen=True):
    """What is trained: heads over the embeddings of a model folder (`base`), or towers with heads of their own.

    A tower's first `frozen` stages stay as they are; -1 freezes all of it (LiT, Zhai et al. 2022)."""

    base: str | None = None  # "builtin", a model folder, or the short name of a pulled model
    image: str | None = None  # a tower's name: "efficientnet-lite2", "timm:resnet50", "hf:...", "openclip:..."
    text: str | None = None
    dual: str | None = None  # both towers of one checkpoint
    sound: Path | None = None  # yamnet.tflite: what is trained is a sound tower for the space of `base`
    start: Path | None = None  # OUT.run of an earlier run of the same towers: its best weights, instead of new heads
    image_frozen: Annotated[int, Meta(ge=-1)] = -1
    text_frozen: Annotated[int, Meta(ge=-1)] = -1
    head: Literal["linear", "mlp", "none"] = "mlp"
    dim: Annotated[int, Meta(ge=8, le=4096)] = 512  # of the shared space; a `base` or a `dual` keeps its own
    hidden: Positive = 768
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    matryoshka: tuple[Positive, ...] = ()  # shorter prefixes that must work by themselves


class Labels(Part, frozen=True):
    """Keeps what a classifier tower knows: a block of the vector says its classes in the text tower's words."""

    dim: Positive = 192
    weight: Annotated[float, Meta(gt=0)] = 0.5
    distillation: Rate = 1.0  # holds the fine-tuned tower to the classes that the pretrained one saw


class Data(Part, frozen=True):
    """One file of pairs."""

    path: Path
    name: str = ""  # by default the file's folder
    split: str | tuple[str, ...] | None = None
    split_column: str | None = None
    texts: tuple[str, ...] = ()  # columns; by default the first known one
    templates: tuple[str, ...] = ("{}",)  # for labels: "a photo of a {}"
    image_column: str | None = None
    item_column: str | None = None  # records of one item never stand on both sides of a split
    group_column: str | None = None  # records of one group are not held against each other
    image_root: Path | None = None
    per_step: Positive = 64  # pairs of this file in a step
    views: Positive = 1  # versions of a picture that are kept; with an unfrozen tower each epoch makes new ones
    augment: Literal["none", "light", "strong"] = "none"
    keywords: Share = 0.0  # of the texts, shortened to what people type; with a text tower that is trained
    lower_case: Share = 0.0  # of the texts, likewise
    mirror: bool = False  # not for captions that say left and right, nor for scans
    limit: Positive | None = None  # only so many records, spread evenly over the file
    terms: str = "unknown"
    url: str = ""

    @property
    def label(self) -> str:
        return self.name or self.path.parent.name or self.path.stem


class Check(Part, frozen=True):
    """Pairs to judge by, with `bouba.evaluation`."""

    path: Path
    name: str = ""
    split: str | None = None
    split_column: str | None = None  # for recordings
    text_column: str | None = None
    image_root: Path | None = None

    @property
    def label(self) -> str:
        return self.name or self.path.parent.name or self.path.stem


class Validation(Part, frozen=True):
    """Where the run is judged: `sets`, the first of which decides, or a share of the training items held out."""

    sets: tuple[Check, ...] = ()
    general: tuple[Check, ...] = ()  # what the model could do before and should not lose
    held_out: Annotated[float, Meta(ge=0, lt=0.9)] = 0.1  # of the items, where no set is named
    metric: str = "text_to_image.hit_rate@10"
    every: Positive = 100  # steps
    patience: Count = 0  # checks without a gain after which the run stops; 0: never
    leaks: Literal["refuse", "drop"] = "refuse"  # training pictures that are judged by as well
    max_loss: Rate = 0.01  # how far the metric may fall on a general set: 0.01 is one point of a hundred


class Loss(Part, frozen=True):
    kind: Literal["info_nce", "sigmoid"] = "info_nce"
    scale: Annotated[float, Meta(gt=0)] = 20.0  # 1 / temperature at the start; it is learned
    hardness: Rate = 0.0  # weight of hard negatives (Robinson et al. 2021)


class Noise(Part, frozen=True):
    """Pairs believed wrong count less: see `bouba.training.noise`."""

    method: Literal["none", "weights"] = "none"


class Optimiser(Part, frozen=True):
    steps: Positive = 1000
    learning_rate: Rate = 1e-3  # of the heads
    image_learning_rate: Rate = 1e-4
    text_learning_rate: Rate = 3e-5
    weight_decay: Rate = 0.1
    warmup: Share = 0.1  # of the steps
    averaging: Share = 0.99  # of the weights, per step
    clip_norm: Annotated[float, Meta(gt=0)] = 2.0
    head_warmup: Count = 0  # steps for the heads alone, before the towers move
    micro_batch: Count = 0  # pairs in memory at once (gradient caching); 0: the whole step
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    checkpointing: bool = False  # activations are computed again instead of kept


class Export(Part, frozen=True):
    precision: Literal["fp32", "fp16", "int8-weights", "int8"] = "int8"
    calibration: Positive = 300  # pictures


class Run(Part, frozen=True):
    """The whole file. Paths are relative to it."""

    name: str
    out: Path
    data: tuple[Data, ...] = ()
    version: str = "1.0.0"
    licence: str = ""  # of the model folder; empty: unknown, or the base's
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    threads: Count = 0  # of the processor; 0: all
    model: Model = Model(base="builtin")
    labels: Labels | None = None
    validation: Validation = Validation()
    loss: Loss = Loss()
    noise: Noise = Noise()
    optimiser: Optimiser = Optimiser()
    export: Export = Export()


def read_run(path: Path) -> Run:
    """Raises TrainingError, naming file and key, where the file is not a run."""
    try:
        run = msgspec.toml.decode(path.read_bytes(), type=Run, dec_hook=_as_path)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:  # ValidationError is one too
        raise TrainingError(f"{path}: {error}. docs/training.md lists every key.") from error
    try:
        return checked(_based(path.resolve().parent, _below(path.resolve().parent, run)))
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from error


def _as_path(kind: type, value: Any) -> Any:
    if kind is not Path or not isinstance(value, str):
        raise ValueError(f"Expected a {'path' if kind is Path else kind.__name__}, got {value!r}")
    return Path(value)


def checked(run: Run) -> Run:
    """Raises TrainingError where keys do not fit each other."""
    _check_model(run)
    _check_data(run)
    named = [check.label for check in (*run.validation.sets, *run.validation.general)]
    if len(set(named)) < len(named):
        raise TrainingError(f"two [validation] sets have the same name (of {', '.join(named)}); give each a `name`.")
    if run.loss.hardness and run.loss.kind == "sigmoid":
        raise TrainingError('[loss] hardness is of kind = "info_nce".')
    return run


def _check_model(run: Run) -> None:
    model = run.model
    if model.sound and (not model.base or run.labels):
        raise TrainingError("[model] sound is taught to a space that is there: name its base, without [labels].")
    named = [key for key in ("base", "image", "dual") if getattr(model, key)]
    if len(named) != 1 or bool(model.image) != bool(model.text):
        raise TrainingError("[model] names either base, or image and text, or dual.")
    if run.labels and not model.image:
        raise TrainingError("[labels] needs [model] image and text towers.")
    if run.labels and run.labels.dim >= model.dim:
        raise TrainingError(f"[labels] dim = {run.labels.dim} leaves nothing of [model] dim = {model.dim}.")
    if model.head == "none" and not model.dual:
        raise TrainingError('[model] head = "none" is for a dual encoder, whose towers share a space already.')
    if model.start and not model.image:
        raise TrainingError("[model] start goes on with image and text towers; a model folder is a base.")
    if model.image and any(dim >= model.dim for dim in model.matryoshka):
        raise TrainingError(f"[model] matryoshka has prefixes shorter than dim = {model.dim}.")


def _check_data(run: Run) -> None:
    if not run.data and not run.model.sound:  # words alone teach a sound tower
        raise TrainingError("there is no [[data]].")
    if len({data.label for data in run.data}) < len(run.data):
        raise TrainingError("two [[data]] have the same name; give each a `name`.")
    if any("{}" not in template for data in run.data for template in data.templates):
        raise TrainingError("every one of [[data]] templates needs {} where the text goes.")
    frozen = run.model.base or run.model.text_frozen < 0
    if frozen and any(data.keywords or data.lower_case for data in run.data):
        raise TrainingError("[[data]] keywords and lower_case need a text tower that is trained: set text_frozen.")


def _below(folder: Path, part: Any) -> Any:
    """The same with every relative path below `folder`."""
    if isinstance(part, Path):
        return (folder / part.expanduser()).resolve()
    if isinstance(part, tuple):
        return tuple(_below(folder, each) for each in part)
    if isinstance(part, Part):
        return msgspec.structs.replace(part, **{f: _below(folder, getattr(part, f)) for f in part.__struct_fields__})
    return part


def _based(folder: Path, run: Run) -> Run:
    """The same with a base that is a relative path below `folder`; without a slash it is a model's name."""
    if "/" not in (run.model.base or ""):
        return run
    base = str((folder / Path(run.model.base or "").expanduser()).resolve())
    return msgspec.structs.replace(run, model=msgspec.structs.replace(run.model, base=base))


def to_dict(run: Run) -> dict[str, Any]:
    """JSON-ready, for logs and checkpoints."""
    made: dict[str, Any] = msgspec.to_builtins(run, enc_hook=str)
    return made
