"""The word lists of the text changes. All are English, small and to be read in one go."""

from __future__ import annotations

from collections.abc import Mapping

# Letters beside each letter on a US keyboard, in its own row.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS: Mapping[str, str] = {
    letter: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _ROWS for i, letter in enumerate(row)
}

STOP_WORDS = frozenset(
    "a an the this that these those some any his her its their my your our "
    "he she it they them him we you i who which what "
    "is are was were be been being am has have had having do does did can could will would "
    "of in on at to from for with by as into onto over under up down out off through near next while during "
    "and or but there here then than so very just also".split()
)

# What a recogniser swallows: short and unstressed.
FUNCTION_WORDS = frozenset("a an the of in on at to and is are for with by".split())

# Common pairs that sound alike in most accents of English; each word has one partner.
HOMOPHONES: Mapping[str, str] = {
    "two": "to", "to": "two", "too": "to", "four": "for", "for": "four", "one": "won", "eight": "ate", "ate": "eight",
    "red": "read", "blue": "blew", "by": "buy", "sea": "see", "see": "sea", "their": "there", "there": "their",
    "bear": "bare", "bare": "bear", "horse": "hoarse", "deer": "dear", "hair": "hare", "pair": "pear", "son": "sun",
    "sun": "son", "plane": "plain", "plain": "plane", "sail": "sale", "road": "rode", "rode": "road", "write": "right",
    "right": "write", "wood": "would", "would": "wood", "meat": "meet", "flower": "flour", "tail": "tale",
    "waist": "waste", "knight": "night", "night": "knight", "board": "bored", "ball": "bawl", "beach": "beech",
    "through": "threw", "threw": "through", "wear": "where", "where": "wear", "whole": "hole", "hole": "whole",
    "steel": "steal", "stairs": "stares", "piece": "peace", "rain": "reign", "pail": "pale", "ring": "wring",
    "brake": "break", "break": "brake", "toe": "tow", "bow": "bough", "feet": "feat", "male": "mail", "mail": "male",
}  # fmt: skip

PHRASES = (
    "a picture showing {}",
    "a photo of {}",
    "an image with {} in it",
    "find me {}",
    "show me a picture of {}",
    "there is {} in this photo",
    "looking for {}",
    "a photograph in which one can see {}",
)

# These say nothing about what is in the picture, so the same pictures stay right.
LONG_BEFORE = (
    "I am looking for one particular picture that I came across a while ago, and I remember quite well what was in it:",
    "Here is a careful description of a photo in my collection, written down so that I can find it again later on:",
    "A friend asked me about a picture that somebody once showed us, and as far as I can tell this is what it shows:",
)
LONG_AFTER = (
    "I do not remember who took it or when, and I cannot say whether it was ever shared with anybody else.",
    "That is all that I can say about it, since I only had a short look and did not keep a copy.",
    "It may not be the best picture of its kind, but it is the one that I would like to see again.",
)

# "one" is left out: it is a pronoun more often than a number.
NUMBERS = frozenset("two three four five six seven eight nine ten eleven twelve pair both dozen".split())
COLOURS = frozenset(
    "black white red green blue yellow orange purple pink brown grey gray beige golden silver violet turquoise maroon "
    "navy tan teal crimson lavender".split()
)
NEGATIONS = frozenset("no not cannot without never none nobody nothing neither nor".split())
