"""The run's pair files -> what is trained on and what is judged by, with nothing on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bouba.errors import TrainingError
from bouba.training.config import Data, Run
from bouba.training.data.leaks import find_leaks, refuse_leaks, without_leaks
from bouba.training.data.records import Record, read_records
from bouba.training.data.splits import split_by_item
from bouba.training.judge import Questions, held_out_questions, named_questions


@dataclass(frozen=True, slots=True)
class Pairs:
    train: tuple[tuple[Data, tuple[Record, ...]], ...]
    own: tuple[Questions, ...]  # the first decides
    general: tuple[Questions, ...]


def open_pairs(run: Run, note: Callable[[str], None], advance: Callable[[int], None]) -> Pairs:
    """Raises ManifestError for a file that cannot be read, TrainingError where pictures stand on both sides."""
    read = [(data, _read(data, note)) for data in run.data]
    checks = run.validation
    if checks.sets:
        own = tuple(named_questions(check) for check in checks.sets)
        train = read
    else:
        train, kept = [], []
        for data, records in read:
            kept_in, held = split_by_item(records, checks.held_out, run.seed)
            train.append((data, kept_in))
            kept += held
        own = (held_out_questions("held out", kept),)
    general = tuple(named_questions(check) for check in checks.general)
    taught = [record for _, records in train for record in records]
    judged = [Record(p.name, p, None, ()) for questions in (*own, *general) for p in questions.pictures]
    if checks.leaks == "drop":
        leaks = find_leaks(taught, judged, advance=advance)
        if leaks:
            note(f"{len(leaks)} of {len(taught)} training pictures are judged by too and were left out: {leaks[0]}")
        train = [(data, without_leaks(records, leaks)) for data, records in train]
    else:
        refuse_leaks(taught, judged, advance=advance)
    return Pairs(tuple((data, tuple(records)) for data, records in train), own, general)


def _read(data: Data, note: Callable[[str], None]) -> list[Record]:
    records = read_records(
        data.path,
        image_column=data.image_column,
        text_columns=data.texts,
        split=data.split,
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
