"""Moderation: pictures judged by written guidelines, with promises about errors that hold whatever the model is worth.

moderator = Moderator(gallery, load_policy("policies/tools.toml"))
moderator.scan()
moderator.judge("upload.jpg").decision  # "allow", "review" or "block"
"""

from __future__ import annotations

from bouba.apps.moderation.judge import Moderator
from bouba.apps.moderation.policy import Policy, PolicyError
from bouba.apps.moderation.reading import load_policy
from bouba.apps.moderation.verdict import Judgement

__all__ = ["Judgement", "Moderator", "Policy", "PolicyError", "load_policy"]
