"""The run's pair files -> what is trained on and what is judged by, with nothing broken and nothing on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from bouba.errors import TrainingError
from bouba.training.config import Data, Run
from bouba.training.data.leaks import find_leaks, leaking
from bouba.training.data.records import Record, read_records
from bouba.training.data.splits import split_by_item
from bouba.training.features import is_current, new_file
from bouba.training.judge import Questions, held_out_questions, named_questions
from bouba.training.progress import Advance, counter

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pairs:
    train: tuple[tuple[Data, tuple[Record, ...]], ...]
    held: tuple[Record, ...]  # out of the training files, where no set to judge by is named
    named: tuple[Questions, ...]
    general: tuple[Questions, ...]

    @property
    def own(self) -> tuple[Questions, ...]:
        """What the run is judged by; the first decides."""
        return self.named or (held_out_questions("held out", self.held),)

    @property
    def taught(self) -> list[Record]:
        return [record for _, records in self.train for record in records]

    def digest(self) -> str:
        """Changes with every text, picture's place and question."""
        digest = hashlib.sha256()
        for record in [*self.taught, *self.held]:
            shown = record.image.key if record.image else ""
            digest.update(repr((shown, record.item, record.group, record.texts)).encode("utf-8", "surrogatepass"))
        for questions in (*self.named, *self.general):
            shown_all = [picture.key for picture in questions.pictures]
            digest.update(repr((shown_all, questions.texts, questions.relevant)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def read_pairs(run: Run, note: Note) -> Pairs:
    """Opens no picture. Raises ManifestError for a file that cannot be read."""
    read = [(data, _read(data, note)) for data in run.data]
    checks, held = run.validation, list[Record]()
    if not checks.sets:
        for number, (data, records) in enumerate(read):
            kept_in, out = split_by_item(records, checks.held_out, run.seed)
            read[number] = (data, kept_in)
            held += out
    return Pairs(
        tuple((data, tuple(records)) for data, records in read),
        tuple(held),
        tuple(named_questions(check, note) for check in checks.sets),
        tuple(named_questions(check, note) for check in checks.general),
    )


def _read(data: Data, note: Note) -> list[Record]:
    records = read_records(
        data.path,
        image_column=data.image_column,
        text_columns=data.texts,
        split=data.split,
        split_column=data.split_column,
        item_column=data.item_column,
        group_column=data.group_column,
        root=data.image_root,
        note=note,
    )
    with_picture = [record for record in records if record.image and record.texts]
    if not with_picture:
        raise TrainingError(f"{data.path}: none of its {len(records)} records has a picture and a text.")
    count = min(data.limit or len(with_picture), len(with_picture))
    return [with_picture[number * len(with_picture) // count] for number in range(count)]


def usable(pairs: Pairs, run: Run, cache: Path, note: Note, advance: Advance) -> Pairs:
    """Without broken pictures, and without those that are judged by as well. Every picture is opened once; what was
    found is kept in `cache`.

    Raises TrainingError where more than 1 % are broken, or one to judge by is, or where leaks are to be refused."""
    taught = pairs.taught
    own = [*taught, *pairs.held]
    judged = [Record(p.name, p, None, ()) for questions in (*pairs.named, *pairs.general) for p in questions.pictures]
    found = _found(taught, [*pairs.held, *judged], cache, advance)
    _tell_broken(found.broken, own, judged, note)
    leaks = {row: told for row, told in found.leaks.items() if row not in found.broken}
    if leaks and run.validation.leaks == "refuse":
        raise leaking(list(leaks.values()), len(taught))
    if leaks:
        told = "; ".join(list(leaks.values())[:3])
        note(f"{len(leaks)} of {len(taught)} training pictures are judged by too and were left out: {told}")
    return _without(pairs, {id(own[row]) for row in (*found.broken, *leaks)})


class _Findings(msgspec.Struct):
    """By the row of the training records, and after them of those to judge by."""

    broken: dict[int, str]  # why
    leaks: dict[int, str]  # which two


def _found(taught: Sequence[Record], judged: Sequence[Record], cache: Path, advance: Advance) -> _Findings:
    pictures = [[record.image for record in records if record.image] for records in (taught, judged)]
    keys = [[picture.key for picture in some] for some in pictures]
    digest = hashlib.sha256(repr(keys).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    path = cache / f"pictures-{digest}.json"
    if is_current(path, [*pictures[0], *pictures[1]]):
        return msgspec.json.decode(path.read_bytes(), type=_Findings)
    rows = {id(record): row for row, record in enumerate([*taught, *judged])}
    found = _Findings({}, {})
    count = counter(advance, "looking at pictures", len(rows))
    leaks = find_leaks(
        taught, judged, advance=count, broken=lambda record, why: found.broken.update({rows[id(record)]: why})
    )
    found.leaks.update({rows[id(leak.train)]: str(leak) for leak in leaks})
    with new_file(path) as file:
        file.write(msgspec.json.encode(found))
    return found


def _tell_broken(broken: dict[int, str], own: Sequence[Record], judged: Sequence[Record], note: Note) -> None:
    both = [*own, *judged]
    told = {row: f"{both[row].image.key} ({why})" for row, why in sorted(broken.items())}  # type: ignore[union-attr]
    asked = [text for row, text in told.items() if row >= len(own)]
    if asked:
        raise TrainingError(f"{len(asked)} of the pictures to judge by cannot be used: {_some(asked)}. Remove them.")
    if not told:
        return
    what = f"{len(told)} of {len(own)} training pictures cannot be used"
    if len(told) * 100 > len(own):
        raise TrainingError(f"{what}: {_some(list(told.values()))}. Up to 1 % are left out; repair or remove them.")
    note(f"{what} and were left out: {_some(list(told.values()))}")


def _some(told: Sequence[str]) -> str:
    return "; ".join(told[:3]) + "; ..." * (len(told) > 3)


def _without(pairs: Pairs, out: set[int]) -> Pairs:
    """`out`: ids of records."""
    train = []
    for data, records in pairs.train:
        kept = tuple(record for record in records if id(record) not in out)
        if not kept:
            raise TrainingError(f"{data.path}: none of its {len(records)} pictures is left to train on.")
        train.append((data, kept))
    return replace(pairs, train=tuple(train), held=tuple(r for r in pairs.held if id(r) not in out))
