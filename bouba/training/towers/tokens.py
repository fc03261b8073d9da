"""Tokenizers of other libraries -> one `tokenizers` JSON each that gives the same ids."""

from __future__ import annotations

import json
import string
from typing import Any, Literal

from bouba.errors import TrainingError

Clean = Literal["lower", "whitespace", "canonicalize"]

# ftfy and html.unescape know thousands of cases; these are the ones that captions and queries have.
_ENTITIES = {
    "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#39;": "'", "&#x27;": "'", "&#34;": '"', "&nbsp;": " ",
    "&#160;": " ", "&hellip;": "…", "&mdash;": "—", "&ndash;": "–", "&copy;": "©", "&reg;": "®", "&trade;": "™",
    "&deg;": "°", "&euro;": "€", "&pound;": "£", "&lsquo;": "‘", "&rsquo;": "’", "&ldquo;": "“", "&rdquo;": "”",
    "&#8217;": "’", "&#8220;": "“", "&#8221;": "”", "&#038;": "&", "&#38;": "&", "&eacute;": "é", "&uuml;": "ü",
}  # fmt: skip
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ſt", "ﬆ": "st", "Ĳ": "IJ", "ĳ": "ij"}
_QUOTES = {"[‘’‚‛]": "'", "[“”„‟]": '"'}


def bare(tokenizer_json: str) -> str:
    """A `tokenizers` file without its cutting and padding, which belong to whoever runs it."""
    content = json.loads(tokenizer_json)
    return json.dumps({**content, "truncation": None, "padding": None}, ensure_ascii=False, separators=(",", ":"))


def fast_tokenizer_json(tokenizer: Any, name: str) -> str:
    """The JSON of a transformers tokenizer. Raises TrainingError for one that is written in Python only."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        kind = type(tokenizer).__name__
        raise TrainingError(
            f"{name}: its tokenizer ({kind}) has no `tokenizers` form (tokenizer.json), and needs one. "
            "SigLIP has one as openclip:ViT-B-16-SigLIP/webli."
        )
    return bare(backend.to_str())


def cleaned(tokenizer_json: str, clean: Clean) -> str:
    """The same tokenizer behind OpenCLIP's text cleaning."""
    content = json.loads(tokenizer_json)
    own = [content["normalizer"]] if content.get("normalizer") else []
    content["normalizer"] = {"type": "Sequence", "normalizers": [*cleaning(clean), *own]}
    return bare(json.dumps(content))


def cleaning(clean: Clean) -> list[dict[str, Any]]:
    """OpenCLIP's cleaning (ftfy, html.unescape twice, white space, case) as `tokenizers` normalisers.

    Not covered: ftfy's repair of text that was decoded with the wrong encoding ("cafÃ©"), entities beyond the common
    ones, and half-width katakana. Such text gets other tokens, never an error.
    """
    return [
        *_unescape(),
        *(_replace({"Regex": pattern}, by) for pattern, by in _QUOTES.items()),
        *(_replace({"String": ligature}, letters) for ligature, letters in _LIGATURES.items()),
        *_half_width(),
        # Control characters and byte order marks, as ftfy drops them; terminal colours with all their letters.
        _replace({"Regex": r"\x{1b}\[((?:\d|;)*)([a-zA-Z])"}, ""),
        _replace({"Regex": r"[\x{00}-\x{08}\x{0b}\x{0e}-\x{1b}\x{7f}\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffb}]"}, ""),
        {"type": "NFC"},
        *_case_and_punctuation(clean),
        _replace({"Regex": r"[\s\x{1c}-\x{1f}]+"}, " "),
        {"type": "Strip", "strip_left": True, "strip_right": True},
    ]


def _unescape() -> list[dict[str, Any]]:
    """`&amp;` first, as often as OpenCLIP unescapes: "&amp;amp;lt;" is "<"."""
    twice = [_replace({"String": "&amp;"}, "&")] * 3
    return [*twice, *(_replace({"String": entity}, text) for entity, text in _ENTITIES.items())]


def _half_width() -> list[dict[str, Any]]:
    """Full-width ASCII and the ideographic space, which Chinese and Japanese text uses for punctuation."""
    pairs = [(chr(code), chr(code - 0xFEE0)) for code in range(0xFF01, 0xFF5F)] + [("\u3000", " ")]
    return [_replace({"String": wide}, narrow) for wide, narrow in pairs]


def _case_and_punctuation(clean: Clean) -> list[dict[str, Any]]:
    # Python's lower() writes a Greek capital sigma at the end of a word as a final one; `tokenizers` does not.
    cased = r"[\p{Lu}\p{Ll}\p{Lt}]"
    lower = [_replace({"Regex": rf"(?<={cased})Σ(?!{cased})"}, "ς"), {"type": "Lowercase"}]
    if clean == "whitespace":
        return []
    if clean == "lower":
        return lower
    punctuation = "".join(f"\\x{{{ord(mark):x}}}" for mark in string.punctuation)
    return [_replace({"String": "_"}, " "), _replace({"Regex": f"[{punctuation}]"}, ""), *lower]


def _replace(pattern: dict[str, str], by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": by}


def simple_tokenizer_json(tokenizer: Any, clean: Clean) -> str:
    """OpenCLIP's SimpleTokenizer (byte-pair encoding of Radford et al. 2021) as a `tokenizers` file.

    `tokenizer` is the object: its vocabulary, its merges in order, and its two special tokens are taken from it.
    """
    start, end = (tokenizer.decoder[i] for i in (tokenizer.sot_token_id, tokenizer.eot_token_id))
    specials = [tokenizer.decoder[i] for i in tokenizer.all_special_ids]
    words = "|".join([*specials, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"])
    split = {"Regex": rf"(?i:{words})|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            # Matched after the cleaning, because OpenCLIP lowers its text first and finds them in any case.
            "added_tokens": [_special(tokenizer.encoder[token], token) for token in specials],
            "normalizer": {"type": "Sequence", "normalizers": cleaning(clean)},
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Split", "pattern": split, "behavior": "Removed", "invert": True},
                    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                ],
            },
            "post_processor": _between(start, end, tokenizer),
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "</w>",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": tokenizer.encoder,
                "merges": [list(merge) for merge in tokenizer.bpe_ranks],
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _special(index: int, token: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": True}
    return {"id": index, "content": token, **flags}


def _between(start: str, end: str, tokenizer: Any) -> dict[str, Any]:
    pieces = {token: {"id": token, "ids": [tokenizer.encoder[token]], "tokens": [token]} for token in (start, end)}

    def special(token: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": 0}}

    first = {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [special(start), first, special(end)],
        "pair": [special(start), first, special(end), second, special(end)],
        "special_tokens": pieces,
    }
