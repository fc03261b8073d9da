"""What Flickr8k's photos show, as their captions name it: the truth of `benchmarks.negation`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

# A noun and the words that name it.
NOUNS: Mapping[str, str] = {
    "people": (
        "man men woman women boy boys girl girls person persons people child children kid kids guy guys lady ladies "
        "baby toddler toddlers player players biker bikers bicyclist bicyclists cyclist cyclists skateboarder "
        "skateboarders snowboarder snowboarders skier skiers rider riders surfer surfers adult adults couple crowd "
        "crowds family someone somebody team racer racers climber climbers swimmer swimmers runner runners hiker "
        "hikers wrestlers dancers students worker workers friends fans teenager teenagers male female gentleman "
        "individual individuals performer spectators onlookers athlete teammates infant youngster pedestrian "
        "pedestrians group"
    ),
    "dog": "dog dogs puppy puppies poodle greyhound greyhounds terrier labrador retriever dachshund collie beagle",
    "woman": "woman women lady ladies female girl girls",
    "man": "man men guy guys gentleman male",
    "child": "child children kid kids boy boys girl girls toddler toddlers baby infant youngster",
    "water": "water ocean sea lake river pool stream wave waves pond surf waterfall fountain puddle creek",
    "ball": "ball balls football basketball baseball soccer tennis volleyball",
    "car": "car cars truck trucks vehicle vehicles suv van jeep",
    "bicycle": "bicycle bicycles bike bikes bicyclist bicyclists cyclist cyclists biker bikers bmx",
    "snow": "snow snowy snowboarder snowboard ski skier skis skiing snowboarding snowball",
    "tree": "tree trees forest woods wooded",
    "grass": "grass grassy lawn meadow",
    "hat": "hat hats cap caps helmet helmets beanie",
    "collar": "collar collars leash",
    "stick": "stick sticks branch log",
    "frisbee": "frisbee frisbees disc",
    "building": "building buildings house houses skyscraper",
    "sand": "sand sandy beach",
    "boat": "boat boats canoe kayak raft sailboat ship",
    "skateboard": "skateboard skateboarder skateboarders skateboards skateboarding skate",
    "horse": "horse horses pony",
    "mountain": "mountain mountains mountainside peak",
    "rock": "rock rocks rocky cliff boulder boulders",
    "swing": "swing swings swinging",
    "motorcycle": "motorcycle motorcycles motorbike motocross dirtbike motorcyclist",
    "bird": "bird birds seagull seagulls duck ducks geese pigeon pigeons",
    "sunglasses": "sunglasses glasses goggles",
    "camera": "camera cameras photographer",
    "fence": "fence fences fenced gate railing",
    "bench": "bench benches",
    "toy": "toy toys",
    "flowers": "flower flowers",
}

# What is ruled out, as somebody would write it.
PHRASES: Mapping[str, str] = {
    "people": "people", "dog": "dogs", "woman": "women", "man": "men", "child": "children", "water": "water",
    "ball": "balls", "car": "cars", "bicycle": "bicycles", "snow": "snow", "tree": "trees", "grass": "grass",
    "hat": "hats", "stick": "sticks", "collar": "collars", "building": "buildings", "sand": "sand", "toy": "toys",
    "rock": "rocks", "sunglasses": "sunglasses", "boat": "boats", "mountain": "mountains", "fence": "fences",
    "camera": "cameras",
    "skateboard": "skateboards", "bench": "benches",
}  # fmt: skip

# What is asked for, and the words of which one caption has one of each group.
SCENES: Mapping[str, tuple[str, ...]] = {
    "a beach": ("beach beaches shore",),
    "a street": ("street streets road",),
    "a dog running": ("dog dogs", "running runs run"),
    "a dog": ("dog dogs",),
    "a dog playing": ("dog dogs", "playing plays play"),
    "a dog jumping": ("dog dogs", "jumping jumps jump leaps leaping"),
    "grass": ("grass grassy",),
    "a park": ("park",),
    "snow": ("snow snowy",),
    "a mountain": ("mountain mountains",),
    "water": ("water",),
    "the ocean": ("ocean sea waves wave",),
    "a lake": ("lake river pond stream",),
    "a pool": ("pool",),
    "a field": ("field",),
    "a forest": ("forest woods wooded trees",),
    "a hill": ("hill",),
    "dirt": ("dirt",),
    "a path": ("path trail",),
    "a city": ("city",),
    "a wall": ("wall",),
    "a sidewalk": ("sidewalk",),
    "a playground": ("playground slide swing",),
    "a building": ("building buildings",),
    "a rock": ("rock rocks rocky",),
    "a car": ("car cars truck vehicle",),
    "a bicycle": ("bicycle bicycles bike bikes",),
    "a skateboard": ("skateboard skateboarder skateboarding skateboards",),
    "a ball": ("ball",),
    "a ball game": ("game player players",),
    "a toy": ("toy",),
    "a jacket": ("jacket coat",),
    "a red shirt": ("red", "shirt"),
    "a man": ("man men",),
    "a woman": ("woman women lady",),
    "a child": ("child children kid kids boy girl",),
    "a girl": ("girl girls",),
    "a boy": ("boy boys",),
    "a crowd": ("crowd group",),
    "someone jumping": ("jumping jumps jump leaps",),
    "someone sitting": ("sitting sits",),
    "someone standing": ("standing stands stand",),
    "someone walking": ("walking walks walk",),
    "people running": ("running runs run",),
    "swimming": ("swimming swims swim",),
}

_NEGATED = re.compile(r"\b(?:without|no|not)\b.*")  # what a caption says is not there


@dataclass(frozen=True, slots=True)
class Photos:
    files: list[Path]
    captions: list[list[str]]

    def named(self, groups: Sequence[str]) -> Counts:
        """In how many of its captions [n] each photo has a word of every group."""
        wanted = [set(words.split()) for words in groups]
        return np.array([sum(all(one & _words(text) for one in wanted) for text in texts) for texts in self.captions])

    def some(self, number: int) -> Photos:
        rows = np.random.default_rng(1).permutation(len(self.files))[:number]
        return Photos([self.files[row] for row in rows], [self.captions[row] for row in rows])


def read_photos(folder: Path, split: str) -> Photos:
    with open(folder / "pairs.jsonl") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == split]
    return Photos([(folder / row["image"]).resolve() for row in rows], [row["captions"] for row in rows])


def _words(text: str) -> set[str]:
    return set(re.findall("[a-z]+", _NEGATED.sub("", text.lower())))
