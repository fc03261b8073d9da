"""A guideline's file: what it says comes out, and whatever is wrong with it is named with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bouba.apps.moderation import PolicyError, load_policy
from bouba.apps.moderation.policy import Promise
from bouba.apps.moderation.reading import parse_policy

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "policies").glob("*.toml"))
RULE = '[[rules]]\nname = "guns"\nflag = ["a gun"]\n'


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_whole(path: Path) -> None:
    policy = load_policy(path)
    assert policy.cases
    assert all(rule.flag for rule in policy.rules)


def test_what_a_file_says(tmp_path: Path) -> None:
    for name, colour in (("bad", "red"), ("good", "blue"), ("toy", "green")):
        Image.new("RGB", (9, 9), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "policy.toml").write_text(
        'name = "weapons"\nguarantee = { miss = 0.1 }\n'
        '[[rules]]\nname = "guns"\nflag = ["a gun"]\npictures = ["bad.png"]\nfine = ["a drill"]\n'
        'fine_pictures = ["good.png"]\nseverity = "high"\naction = "block"\nthreshold = 0.4\n'
        "guarantee = { false_alarm = 0.05, confidence = 0.9 }\n"
        '[[rules.exceptions]]\nwhen = ["a toy shop"]\npictures = ["toy.png"]\nreason = "toys are fine"\n'
        '[[rules]]\nname = "knives"\nflag = ["a knife"]\n'
        '[[tests]]\nname = "a gun"\npicture = "bad.png"\ndecision = "block"\nrules = ["guns"]\n'
    )
    policy = load_policy(tmp_path / "policy.toml")
    guns, knives = policy.rules
    assert (guns.severity, guns.action, guns.threshold) == ("high", "block", 0.4)
    assert guns.promise == Promise(None, 0.05, 0.9)
    assert knives.promise == Promise(0.1, None, None)
    assert (knives.severity, knives.action) == ("medium", "review")
    assert guns.exemptions[0].reason == "toys are fine"
    assert len(list(policy.examples())) == 3
    assert policy.cases[0].rules == ("guns",)
    with pytest.raises(PolicyError, match="no rule 'bombs'; it has: guns, knives"):
        policy.rule("bombs")


def test_the_version_is_of_what_decides(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    text = f'name = "p"\n{RULE}pictures = ["a.png"]\n'

    def version(text: str) -> str:
        (tmp_path / "p.toml").write_text(text)
        return load_policy(tmp_path / "p.toml").version

    first = version(text)
    case = '[[tests]]\npicture = "a.png"\ndecision = "allow"\n'
    assert version(f'# a comment\ndescription = "new"\n{text}{case}') == first
    assert version(text.replace("a gun", "a rifle")) != first
    assert version(f"{text}threshold = 0.2\n") != first
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "a.png")
    assert version(text) != first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = [", "is no TOML"),
        ("[[[" * 2000, "is no TOML"),
        ('name = "p"\nrules = 3', "write each as"),
        ('name = ""\n' + RULE, "is no name"),
        (f'nmae = "p"\n{RULE}', "is no name"),
        (f'name = "p"\ncolour = 1\n{RULE}', "'colour' is no key here"),
        (f'name = "p"\n{RULE}flags = ["x"]', "rule 1 ('guns'): 'flags' is no key"),
        (f'name = "p"\n{RULE}severity = "huge"', "one of: low, medium, high"),
        (f'name = "p"\n{RULE}action = true', "one of: allow, review, block"),
        (f'name = "p"\n{RULE}threshold = 1.5', "above 0 and below 1"),
        (f'name = "p"\n{RULE}threshold = true', "above 0 and below 1"),
        (f'name = "p"\n{RULE}guarantee = {{}}', "promises nothing"),
        (f'name = "p"\n{RULE}guarantee = {{ mis = 0.1, miss = 0.1 }}', "'mis' is no key"),
        (f'name = "p"\n{RULE}fine = ["  "]', "fine:"),
        (f'name = "p"\n{RULE}pictures = ["none.png"]', "none.png"),
        ('name = "p"\n[[rules]]\nname = "guns"\n', "in no words what it flags"),
        (f'name = "p"\n{RULE}[[rules.exceptions]]\nreason = "x"', "nowhere when it holds"),
        (f'name = "p"\n{RULE}[[tests]]\ndecision = "allow"', "names no file"),
        # rules that contradict each other
        (f'name = "p"\n{RULE}{RULE}', "2 rules are called 'guns'"),
        (f'name = "p"\n{RULE}fine = ["A gun."]', "both flags 'A gun.' and has it as fine"),
        (f'name = "p"\n{RULE}[[rules.exceptions]]\nwhen = ["the gun"]', "has it as an exception"),
        (
            f'name = "p"\n{RULE}action = "block"\n[[rules]]\nname = "others"\nflag = ["gun"]\naction = "allow"',
            "allowed by one of the rules 'guns' and 'others'",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as refused:
        load_policy(path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)


def test_contradicting_pictures_and_tests(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    case = '[[tests]]\nname = "{}"\npicture = "{}.png"\ndecision = "{}"\n'
    (tmp_path / "p.toml").write_text(
        f'name = "p"\n{RULE}pictures = ["a.png"]\nfine_pictures = ["b.png"]\n'
        + case.format("one", "a", "allow")
        + case.format("two", "b", "block")
        + '[[tests]]\nname = "three"\npicture = "a.png"\nrules = ["bombs"]\n'
    )
    with pytest.raises(PolicyError) as refused:
        load_policy(tmp_path / "p.toml")
    lines = str(refused.value).splitlines()
    assert len(lines) == 4  # all of it at once
    assert "b.png breaks the rule (as a.png) and is fine" in lines[0]
    assert "'one' and 'two' expect different things" in lines[1]
    assert "names a rule 'bombs'; there are: guns" in lines[2]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(PolicyError, match="no text in UTF-8"):
        load_policy(tmp_path / "latin.toml")
    with pytest.raises(PolicyError, match="the limit is 1,048,576"):
        parse_policy("#" * (2**20 + 1), "long")
