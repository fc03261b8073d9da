"""The closed word lists of `negation.py`: English as it is written in captions and search boxes."""

from __future__ import annotations

CUES = frozenset(
    {
        "without", "with out", "w/o", "sans", "no", "not", "not any", "not a single", "neither", "excluding", "exclude",
        "except", "except for", "except from", "not including", "minus", "lacking", "lacks", "devoid of", "free of",
        "free from", "empty of", "absent of", "in absence of", "other than", "apart from", "aside from", "instead of",
        "rather than", "as opposed to", "anything but", "everything but", "missing a", "missing an", "missing its",
        "missing his", "missing her", "missing their",
    }
)  # fmt: skip

# Cue and object in one.
NOBODY = frozenset({"nobody", "no one", "no-one", "noone"})
PEOPLE = frozenset({"anyone", "anybody", "soul", "person"})  # as the object of a cue

# (word, next word) around a cue that is none.
IDIOMS = frozenset(
    [("not", word) for word in (
        "only just even yet far to sure too very so many much all always really quite that because necessarily long "
        "fully completely unlike enough least every everyone everything").split()]
    + [("no", word) for word in (
        "longer matter doubt way more less fewer idea problem wonder need good big sooner such entry exit access man's "
        "mans brainer nonsense deal trespass comment parking".split())]
    + [("without", word) for word in "doubt question fail saying end notice reason hesitation warning effort".split()]
    + [("nothing", word) for word in "except but other apart".split()]
    + [("or", "not"), ("if", "not"), ("why", "not"), ("break", "free"), ("breaks", "free"), ("breaking", "free"),
       ("set", "free"), ("plus", "minus"), ("minus", "sign"), ("minus", "symbol"), ("anyone", "but"), ("yes", "no")]
)  # fmt: skip

# After these a cue is what a sign or a book says.
SAYING = frozenset("say says saying said read reads reading titled entitled called named word words written".split())

# A noun phrase with one of these is a notice: "no dogs allowed", "no fly zone".
NOTICES = frozenset(
    "sign signs signage symbol symbols sticker zone zones poster icon logo label allowed permitted area section".split()
)

POSSESSIVES = frozenset("his her its their my your our".split())
DETERMINERS = POSSESSIVES | frozenset("a an the any some this that these those either single no".split())

# What leads to a negation and falls with it.
LINKS = frozenset(
    "with wearing has have having had there there's is are was were be being that that's which who who's where but "
    "and or nor containing contains showing shows it it's they i you we do does did can could should must will would "
    "please completely totally entirely".split()
)

# Verbs between a cue and what it rules out, which add nothing to it.
LIGHT = frozenset(
    "have has having had contain contains containing include includes including show shows showing wear wears wearing "
    "want wants wanting need see seeing seen feature features featuring to any be been being me hold holding carry "
    "carrying there use using".split()
)

PREPOSITIONS = frozenset(
    "in on at by near under over above below behind beside besides between among along across through with from into "
    "onto off against around towards toward inside outside during after before beneath underneath past upon within "
    "next out up down for to about per via".split()
)

# The sentence goes on with something else.
RESUMES = frozenset(
    "and or nor but & while whilst as when where that which who whose because if so than then "
    "though although until".split()
)

BE = frozenset(
    "is are was were be being been there shown seen visible present appear appears pictured standing".split()
)

# Finite verbs of captions: they end the noun phrase before them.
VERBS = BE | frozenset(
    "has have had runs run rides ride jumps jump walks walk stands stand sits sit plays play climbs climb looks look "
    "holds hold goes go lies lie lays lay does do gets get makes make takes take poses pose smiles smile swims swim "
    "eats eat drinks drink catches catch chases chase carries carry performs perform leaps leap skates skate skis ski "
    "flies fly watches watch stares stare tries try works work wears wear waits wait reads rests rest sleeps sleep "
    "can could will would may should must".split()
)

# Nothing is named by these: "without anything on it".
VAGUE = frozenset("anything nothing something it them one ones other others another else more this that".split())

# Behind what is ruled out, these say nothing about the rest.
TAILS = frozenset(
    {"on", "around", "nearby", "visible", "anywhere", "there", "inside", "present", "whatsoever", "please", "at all",
     "in sight", "in view", "in frame", "to be seen", "in it", "on it", "in them", "on them", "around it", "near it"}
    | {f"in {the} {place}" for the in ("the", "this") for place in (
        "picture", "photo", "image", "background", "foreground", "distance", "frame", "shot", "scene", "view")}
)  # fmt: skip

# They act, so a verb in -ing behind them is theirs.
AGENTS = frozenset(
    "people person persons man men woman women boy boys girl girls child children kid kids adult adults animal "
    "animals dog dogs cat cats horse horses bird birds car cars player players crowd crowds "
    "tourists pedestrians".split()
)

NOUNS_IN_ING = frozenset(
    "building clothing ceiling painting lighting string railing parking thing something anything nothing everything "
    "evening morning wedding earring spring swing wing king ring sling crossing drawing writing being awning "
    "scaffolding packaging bedding flooring landing opening topping dressing wiring icing".split()
)
