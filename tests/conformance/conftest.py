"""Runs all tests of a method together, while its compiled programs are cached."""

from itertools import chain


def pytest_collection_modifyitems(items):
    places = [n for n, item in enumerate(items) if item.path.name == "test_methods.py"]
    groups = {}
    for n in places:
        callspec = getattr(items[n], "callspec", None)
        groups.setdefault(callspec and callspec.params.get("name"), []).append(items[n])
    for n, item in zip(places, chain(*groups.values()), strict=True):
        items[n] = item
