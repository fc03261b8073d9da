"""Pairs from files, read when they are needed: records, splits, leaks between them, views, texts, the steps' order."""
