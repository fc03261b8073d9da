"""What tests ask of an evaluation's directions."""

from __future__ import annotations

from bouba.evaluation.results import Direction, Evaluation


def found(evaluation: Evaluation, name: str) -> Direction:
    (direction,) = [d for d in evaluation.directions if d.name == name]
    return direction


def names(evaluation: Evaluation) -> list[str]:
    return [direction.name for direction in evaluation.directions]


def hit_rate(direction: Direction) -> float:
    return direction.metrics["hit_rate@1"].value
