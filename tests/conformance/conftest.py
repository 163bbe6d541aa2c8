"""What is asked of a method is asked together, while its compiled programs are kept."""

from itertools import chain


def pytest_collection_modifyitems(items):
    places = [n for n, item in enumerate(items) if item.path.name == "test_methods.py"]
    groups = {}
    for n in places:
        given = getattr(items[n], "callspec", None)
        groups.setdefault(given and given.params.get("name"), []).append(items[n])
    for n, item in zip(places, chain(*groups.values()), strict=True):
        items[n] = item
