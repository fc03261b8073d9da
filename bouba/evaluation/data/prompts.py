"""Class names as queries: the sentences that a bare name is put into."""

from __future__ import annotations

from collections.abc import Mapping

# "clip": the seven that CLIP's authors picked for ImageNet by forward selection
# (github.com/openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb). Of several, the vectors are averaged.
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "plain": ("{}",),
    "photo": ("a photo of a {}",),
    "clip": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
}


def fill(name: str, template: str) -> str:
    """A name in a sentence; what else stands in the name, braces too, is left alone."""
    return template.replace("{}", name)
