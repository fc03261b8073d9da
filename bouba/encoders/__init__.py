"""Decoded text and images to unit vectors in one shared space."""

from bouba.encoders.model import Model, load_model

__all__ = ["Model", "load_model"]
