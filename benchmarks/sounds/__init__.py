"""Sounds find pictures: ten kinds of sound, which pictures answer them, and how well a model finds those."""
