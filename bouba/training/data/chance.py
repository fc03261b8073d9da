"""Draws that depend on what is drawn for, never on what was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, key: str, view: int) -> np.random.Generator:
    """One generator for one view (epoch, say) of the record that `key` names."""
    digest = hashlib.sha256(f"{seed}\0{view}\0{key}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16])))
