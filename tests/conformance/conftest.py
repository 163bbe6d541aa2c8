"""The tests of one method run one after another, while its compiled programs are kept."""

from itertools import chain


def pytest_collection_modifyitems(items):
    places = [n for n, item in enumerate(items) if item.path.name == "test_methods.py"]
    groups = {}
    for n in places:
        call = getattr(items[n], "callspec", None)
        groups.setdefault(call and call.params.get("name"), []).append(items[n])
    for n, item in zip(places, chain(*groups.values()), strict=True):
        items[n] = item
