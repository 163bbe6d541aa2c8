"""The mutations of `mutations.py` still apply; the script itself takes minutes."""

import mutations
import pytest


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation_changes_one_place(mutation):
    text = (mutations.ROOT / mutation.file).read_text()
    assert mutations.mutated(text, mutation) != text
    assert (mutations.ROOT / mutation.tests).is_file()
