"""What a gallery of a size will take, by measured curves: `bouba plan`."""

from bouba.plan.check import Check, check
from bouba.plan.planner import Option, Plan, Wish, plan

__all__ = ["Check", "Option", "Plan", "Wish", "check", "plan"]
