"""A gallery and a guideline: pictures are judged, people are asked, and their answers set the thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Image

from bouba.apps import file_of
from bouba.apps.moderation.audit import AuditLog, Verified
from bouba.apps.moderation.calibration import Calibrated, Labelled, by_name, calibrated
from bouba.apps.moderation.drift import Drift, drift
from bouba.apps.moderation.evidence import Exhibit, exhibit, picture_of
from bouba.apps.moderation.ground import Ground
from bouba.apps.moderation.kept import Database
from bouba.apps.moderation.policy import Policy, Promise
from bouba.apps.moderation.records import Flag, Label, Records, Source
from bouba.apps.moderation.scanning import Scan, Scanned
from bouba.apps.moderation.scoring import Gauges
from bouba.apps.moderation.shelf import Shelf, state_of
from bouba.apps.moderation.verdict import Judgement, Judging
from bouba.errors import QueryError
from bouba.media import DEFAULT_LIMITS, Limits, load_image, read_source

if TYPE_CHECKING:
    from bouba import Gallery, Item
    from bouba.types import ImageSource, Vectors

GROWN = 1.5  # times as many items: what was made of a guideline before anything was labelled is made anew
EXAMPLES = 200  # of each rule that are looked at for the nearest ones
CHUNK = 200  # ids in a filter


class Moderator:
    """One guideline on one gallery. What it keeps lies in `moderation.sqlite` and `moderation-audit.jsonl` beside it.

    `policy`: a Policy, which comes into force for its name, or the name of one that is in force."""

    def __init__(self, gallery: Gallery, policy: Policy | str) -> None:
        path = file_of(gallery, "moderation")
        self.gallery = gallery
        self._database = Database(path)
        self.shelf, self.records = Shelf(self._database), Records(self._database)
        self.audit = AuditLog(path.with_name("moderation-audit.jsonl"))
        self.policy = self.shelf.policy(policy) if isinstance(policy, str) else policy
        if not isinstance(policy, str) and self.shelf.keep(policy):
            self._log({"action": "policy", **self._versions()})
        self._judging: Judging | None = None

    def judge(self, source: ImageSource, *, fetch: bool = False, limits: Limits = DEFAULT_LIMITS) -> Judgement:
        """Of a picture that need not be in the gallery; logged. Raises MediaError for what is none."""
        data = source if isinstance(source, Image) else read_source(source, limits=limits, fetch=fetch)
        picture = load_image(data, side=self.gallery.model.manifest.image.size, limits=limits)
        vector = self.gallery.model.encode_image([picture.rgb])
        name = hashlib.sha256(data if isinstance(data, bytes) else picture.rgb.tobytes()).hexdigest()[:32]
        judgement = self.judging().judge(name, vector[0], self._said(name))
        self._log(judgement.event())
        return judgement

    def judge_item(self, item: Item) -> Judgement:
        """Of a picture of the gallery. Nothing is logged, and nothing that was decided changes."""
        return self.judging().judge(item.id, self.vectors([item.id])[0], self._said(item.id))

    def scan(
        self,
        where: str | None = None,
        *,
        everything: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Scanned:
        """Judge the gallery's pictures, by their stored vectors. Those that nothing has changed for since an earlier
        scan are passed over, unless `everything` is to be judged again."""
        return Scan(self, progress).run(where, everything)

    def label(self, rule: str, items: Sequence[str], breaks: bool, source: Source = "given") -> int:
        """What a person says of items. Only pictures of a "random" sample, drawn by `sample`, count for promises.

        Returns how many. Raises PolicyError for an unknown rule, QueryError for an item that is not there."""
        self.policy.rule(rule)
        if missing := set(items) - self.gallery.known(list(items)):
            raise QueryError(f"{len(missing)} of {len(items)} are no items of the gallery, such as {min(missing):.40}.")
        labels = [Label(rule, item, breaks, source) for item in items]
        self._log(*({"action": "label", **self._versions(), "rule": rule, "picture": one.item, "breaks": one.breaks}
                    for one in labels))  # fmt: skip
        self.records.label(self.policy.name, labels)
        return len(labels)

    def sample(self, rule: str, count: int) -> list[str]:
        """The next items of a random sample that nobody has labelled for a rule; a scan must have seen them."""
        self.policy.rule(rule)
        there: list[str] = self.records.unlabelled(self.policy.name, rule, count)
        return there

    def calibrate(self, promise: Promise | None = None) -> dict[str, Calibrated]:
        """Set probabilities and thresholds of all rules by the labels there are; `promise` stands in place of theirs.

        What a rule makes of a picture is made anew first, with all labels that were given as examples."""
        gauges = self._made()
        made, kept = {}, {}
        for at, rule in enumerate(self.policy.rules):
            labels = self._labelled(gauges, at)
            made[rule.name] = calibrated(rule, promise or rule.promise, labels)
            kept[rule.name] = (made[rule.name].to_json(), len(labels.breaks))
        record = gauges.to_json()
        self._log({"action": "calibrate", **self._versions(),
                   "rules": {name: one.to_dict() for name, one in made.items()}})  # fmt: skip
        self.shelf.keep_calibrations(self.policy, self.gallery.model.fingerprint, record, kept)
        self._judging = None
        return made

    def calibrations(self) -> dict[str, Calibrated]:
        """What is in force, by rule."""
        return dict(self.judging().calibrations)

    def new_labels(self) -> int:
        """That came after the last calibration."""
        used = self.shelf.calibrated_with(self.policy.version, self.gallery.model.fingerprint)
        return max(0, sum(one.source != "given" for one in self.records.labels(self.policy.name)) - sum(used.values()))

    def queue(self, rule: str | None = None, limit: int = 50, offset: int = 0) -> tuple[list[Flag], int]:
        """What waits for a person, the most severe and likeliest first, and how much there is of it."""
        if rule is not None:
            self.policy.rule(rule)
        waiting: tuple[list[Flag], int] = self.records.waiting(self.policy.name, rule, limit, offset)
        return waiting

    def review(self, item: str, rule: str, breaks: bool) -> Judgement:
        """What a person says of a decision: accepted, or overturned. Returns what that makes of the picture.

        Raises QueryError for a picture that this rule does not flag."""
        flags = self.records.flags(self.policy.name, [item]).get(item, [])
        flag = next((one for one in flags if one.rule == rule), None)
        if flag is None or not self.gallery.known([item]):
            raise QueryError(
                f"{item:.40} is not flagged by the rule {rule!r:.80}, or is gone: there is nothing to review."
            )
        said = {**self._said(item), rule: breaks}
        judgement = self.judging().judge(item, self.vectors([item])[0], said)
        head = self.audit.append([
            {**judgement.event(), "action": "review", "rule": rule, "overturned": not breaks, "by": "person"}
        ])  # fmt: skip
        label = Label(rule, item, breaks, "review")
        self.records.review(self.policy.name, label, flag.probability, judgement.code, judgement.flags(), head)
        return judgement

    def drift(self, rule: str) -> Drift:
        """Whether reviews since the last calibration still fit its probabilities."""
        self.policy.rule(rule)
        reviews = self.records.reviews(self.policy.name, rule)
        return drift([chance for chance, _ in reviews], [overturned for _, overturned in reviews])

    def exhibit(self, judgement: Judgement, source: ImageSource | Item, *, heat: bool = True) -> Exhibit:
        """Why: for each broken rule the nearest examples, and a picture with a heat map over it."""
        return exhibit(self, judgement, picture_of(self.gallery, source), heat)

    def verify(self) -> Verified:
        """Whether the audit log is as it was written."""
        return self.audit.verify(self.records.head())

    def judging(self) -> Judging:
        """What is in force for the gallery's model."""
        model = self.gallery.model
        kept = self.shelf.calibrations(self.policy.version, model.fingerprint)
        now = self._judging
        if (
            now is not None
            and (now.gauges.model is model and now.kept == kept)
            and not self._outgrown(now.gauges, kept)
        ):
            return now
        record = self.shelf.gauges(self.policy.version, model.fingerprint)
        gauges = None if record is None else Gauges.of_json(record, self.policy, model)
        if gauges is None or record is None or self._outgrown(gauges, kept):
            gauges = self._made()
            record = gauges.to_json()
            self.shelf.keep_gauges(self.policy.version, model.fingerprint, record)
        state = state_of(self.policy, model.fingerprint, record, kept.items())
        self._judging = Judging(self.policy, gauges, by_name(kept, self.policy.rules), state, kept)
        return self._judging

    def examples(self, rule: str) -> tuple[list[str], list[bool], Vectors]:
        """Labelled pictures of a rule that are in the gallery: ids, whether they break it, vectors [n, dim]."""
        labels = self.records.labels(self.policy.name, rule)
        chosen = [one for breaks in (True, False) for one in labels if one.breaks == breaks][:EXAMPLES]
        there = self._vectors_by_id([one.item for one in chosen])
        kept = [one for one in chosen if one.item in there]
        vectors = [there[one.item] for one in kept]
        empty = np.empty((0, self.gallery.model.dim), np.float32)
        return [one.item for one in kept], [one.breaks for one in kept], np.stack(vectors) if vectors else empty

    def policy_vectors(self) -> dict[str, Vectors]:
        """Of the guideline's own pictures [dim], by their digests."""
        return self.shelf.vectors(self.policy, self.gallery.model.fingerprint, self._encoded)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """[n, dim]. Raises QueryError for one that is not there."""
        there = self._vectors_by_id(ids)
        if missing := [one for one in ids if one not in there]:
            raise QueryError(f"{missing[0]:.40} is no item of the gallery; add it first.")
        return np.stack([there[one] for one in ids])

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Moderator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _outgrown(self, gauges: Gauges, kept: object) -> bool:
        """Thresholds that labels have set belong to the gauges that they were set with."""
        return not kept and not 1 / GROWN <= max(len(self.gallery), 1) / gauges.items <= GROWN

    def _made(self) -> Gauges:
        model = self.gallery.model
        examples = self.policy_vectors()
        known = {}
        for rule in self.policy.rules:
            given = [one for one in self.records.labels(self.policy.name, rule.name) if one.source == "given"]
            there = self._vectors_by_id([one.item for one in given])
            if there:
                parts = [[there[one.item] for one in given if one.breaks == kind and one.item in there][-50:]
                         for kind in (True, False)]  # fmt: skip
                empty = np.empty((0, model.dim), np.float32)
                known[rule.name] = tuple(np.stack(part) if part else empty for part in parts)
        return Gauges.of(self.policy, Ground.of(self.gallery), examples, known)  # type: ignore[arg-type]

    def _labelled(self, gauges: Gauges, at: int) -> Labelled:
        """Of a rule, by its place; without what was given as an example, of which its gauge was made."""
        labels = self.records.labels(self.policy.name, self.policy.rules[at].name)
        there = self._vectors_by_id([one.item for one in labels])
        kept = [one for one in labels if one.source != "given" and one.item in there]
        if not kept:
            return Labelled.none()
        evidence = gauges.evidence(np.stack([there[one.item] for one in kept]))[:, at]
        return Labelled(evidence, np.array([one.breaks for one in kept]),
                        np.array([one.source == "random" for one in kept]))  # fmt: skip

    def _encoded(self, data: bytes) -> Vectors:
        model = self.gallery.model
        return np.asarray(model.encode_image([load_image(data, side=model.manifest.image.size).rgb])[0], np.float32)

    def _vectors_by_id(self, ids: Sequence[str]) -> dict[str, Vectors]:
        found: dict[str, Vectors] = {}
        for start in range(0, len(ids), CHUNK):
            names = ", ".join(f'"{one}"' for one in ids[start : start + CHUNK])
            for items, vectors in self.gallery.batches(f"id in ({names})"):
                found |= {item.id: np.asarray(row, np.float32) for item, row in zip(items, vectors, strict=True)}
        return found

    def _said(self, item: str) -> dict[str, bool]:
        return self.records.said(self.policy.name, item).get(item, {})

    def _versions(self) -> dict[str, str]:
        return {"policy": self.policy.name, "version": self.policy.version, "model": self.gallery.model.fingerprint}

    def _log(self, *events: dict[str, object]) -> None:
        if events:
            self.records.keep_head(self.audit.append(events))
