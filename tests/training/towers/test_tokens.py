from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer

from bouba.errors import TrainingError
from bouba.training.towers.tokens import fast_tokenizer_json, simple_tokenizer_json
from bouba.training.towers.torchvision_ops import import_torchvision

import_torchvision()
SimpleTokenizer = pytest.importorskip("open_clip.tokenizer").SimpleTokenizer

WRITTEN = [
    "", " ", "a photo of a cat", "A Dog's life!! don't we'll they've I'm he'd you're", "DON'T IT'S",
    "1234 5.6 7th 2nd", "héllo wörld", "cafe\u0301 naïve Ångström Ωmega", "你好，世界！",
    "一只红色的狗（跑步）在海滩上。", "日本語のテキスト　全角", "한국어 문장", "ไทย ภาษา", "हिन्दी में",
    "العربية", "Ἀθῆναι ΟΔΟΣ ΣΟΦΟΣ", "İstanbul", "STRASSE ß", "ＦＵＬＬ ｗｉｄｔｈ １２３",
    "😀 emoji 👩‍👩‍👧 flag 🇩🇪 👍🏽", "❤️ x ☀", "&amp; &lt;b&gt; &quot;hi&quot; &#39;s", "a<b &amp;amp; c",
    "fish &amp;lt; chips", "tea &nbsp;&nbsp; &copy; 2020 &hellip; &eacute;t&eacute;", "R&D & M&M", "AT&T;",
    "“curly” ‘quotes’ „low‟", "don’t", "ﬁne ﬂow oﬀice", "  spaced\t\n out  \r\n lines ", "line\u2028sep\u2029x",
    "a\u00a0b\u2003c", "\u200bzero\u200dwidth", "\ufeffbom", "a\x00b\x07c", "\x1b[31mred\x1b[0m text", "a_b__c",
    "foo...bar---baz!?", "http://x.y/z?a=b&c=d#e", "me@example.org",
    "50% off $3 #tag @user ~ ^ | \\ / ` {x} [y]", "½ ² ™ ℃ №", "'tis 'll 's't", "word " * 100, "x" * 400,
    "<start_of_text> hi", "dog, cat; bird: fish.", "3-year-old's 4x4", "é", "K Å", "ſ", "tab\x0bvt\x0cff",
]  # fmt: skip
ALPHABET = "abcXYZ   '’.,!?-_&<>;1290éßσçñ中文日本한글ًا😀👍\u200d，。（）ＡＢ１２\t\n“”ﬁ…°€"


def texts():
    chance = random.Random(0)
    return WRITTEN + ["".join(chance.choices(ALPHABET, k=chance.randint(1, 60))) for _ in range(250)]


def test_openclips_tokenizer_gives_the_same_ids():
    theirs = SimpleTokenizer()
    mine = Tokenizer.from_str(simple_tokenizer_json(theirs, "lower"))
    mine.enable_truncation(theirs.context_length)
    for text in texts():
        ids = mine.encode(text).ids
        assert theirs(text)[0].tolist() == ids + [0] * (77 - len(ids)), text


def test_known_differences_are_ids_not_errors():
    theirs = SimpleTokenizer()
    mine = Tokenizer.from_str(simple_tokenizer_json(theirs, "lower"))
    for text in ("cafÃ©", "&beta;", "ｶﾀｶﾅ"):
        ids = mine.encode(text).ids
        assert (ids[0], ids[-1]) == (theirs.sot_token_id, theirs.eot_token_id)
        assert ids[1:-1] != theirs.encode(text)


def test_a_tokenizer_without_a_file_form():
    with pytest.raises(TrainingError, match=r"its tokenizer \(object\) has no `tokenizers` form"):
        fast_tokenizer_json(object(), "hf:x")
