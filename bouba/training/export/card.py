"""The model card: `README.md` of a model folder, with the sections that Hugging Face's cards have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bouba.encoders.manifest import Manifest

STORED = {
    "fp32": "weights in float32, as trained",
    "fp16": "weights stored in float16, computed in float32",
    "int8-weights": "weights stored in int8 with one scale per output, computed in float32",
    "int8": "convolutions on pictures in int8 with static scales; other weights stored in int8, computed in float32",
}
USUAL_LIMITS = (
    "Scores are cosines; only their order within one search means something. Probabilities come from calibration.json.",
    "Not for identifying, judging or deciding about people.",
)


def model_card(manifest: Manifest, summary: str, limits: Sequence[str], metrics: Mapping[str, Any], bytes_: int) -> str:
    """`metrics` is the content of `metrics.json`, with its entry `parity`; `bytes_` the size of both towers."""
    sections = [
        _front_matter(manifest),
        f"# {manifest.name} {manifest.version}",
        summary or "Pictures and text to vectors in one shared space, for the image search bouba.",
        *_use(manifest),
        *_details(manifest, metrics, bytes_),
        *_data(manifest),
        *_evaluation(metrics),
        "## Limits",
        "\n".join(f"- {limit}" for limit in (*limits, *USUAL_LIMITS)),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(manifest: Manifest) -> str:
    """What the hub reads. Its list of licences is in lower case; one that is not on it has to be called "other"."""
    known = manifest.licence.lower().replace(" ", "-")
    named = known in {"apache-2.0", "mit", "cc0-1.0", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
    licence = f"license: {known}" if named else f'license: other\nlicense_name: "{manifest.licence or "unknown"}"'
    return f"---\nlibrary_name: bouba\n{licence}\ntags:\n- image-text-retrieval\n- onnx\n---"


def _use(manifest: Manifest) -> Iterator[str]:
    yield "## How to use it"
    yield (
        "```\npip install bouba\nbouba add ~/Pictures --model FOLDER\nbouba search a dog on the beach\n```\n\n"
        "```\nimport bouba\n\n"
        'model = bouba.load_model("FOLDER")\n'
        f'vectors = model.encode_text(["a dog on the beach"])  # float32 [1, {manifest.dim}], length 1\n```'
    )


def _details(manifest: Manifest, metrics: Mapping[str, Any], bytes_: int) -> Iterator[str]:
    parity = metrics["parity"]
    image = manifest.image
    yield "## Details"
    rows = [
        ("vectors", f"{manifest.dim} dimensions, rows of length 1"),
        ("pictures", f"{image.size} x {image.size} pixels, {image.resize}, {image.interpolation}"),
        ("texts", f"up to {manifest.text.max_tokens} tokens; longer ones are read in windows"),
        ("stored", f"{STORED[parity['precision']]}; {bytes_ / 1e6:.1f} MB"),
        ("cosine to the network it was exported from, mean (lowest)",
         f"pictures {parity['image_cosine_mean']:.4f} ({parity['image_cosine_min']:.4f}), "
         f"texts {parity['text_cosine_mean']:.4f} ({parity['text_cosine_min']:.4f})"),
    ]  # fmt: skip
    if manifest.matryoshka:
        smaller = ", ".join(map(str, manifest.matryoshka))
        rows.insert(1, ("smaller vectors", f"the first {smaller} dimensions, brought to length 1 again"))
    yield _table(("what", "how"), rows)


def _data(manifest: Manifest) -> Iterator[str]:
    yield "## Data, weights and terms"
    yield f"Licence of this folder: {manifest.licence or 'unknown'}."
    if manifest.trained_on:
        rows = [(str(row.get("name", "")), _number(row.get("rows", "")), str(row.get("terms", "")))
                for row in manifest.trained_on]  # fmt: skip
        yield _table(("data", "rows", "terms"), rows)
    else:
        yield "What data it was trained on is not recorded here; see where the weights come from."
    if manifest.sources:
        origins = [[str(row.get(key) or "unknown") for key in ("name", "licence", "url")] for row in manifest.sources]
        yield _table(("weights from", "licence", "where"), origins)


def _evaluation(metrics: Mapping[str, Any]) -> Iterator[str]:
    rows = list(_flat({name: value for name, value in metrics.items() if name != "parity"}))
    yield "## Evaluation"
    yield _table(("measured", "value"), rows) if rows else "Not evaluated: `bouba evaluate --model FOLDER` measures it."


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}, ")
        elif isinstance(value, str | int | float):
            yield f"{above}{name}", _number(value)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
