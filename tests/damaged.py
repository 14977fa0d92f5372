"""Damage to documents and files, drawn by Hypothesis."""

from hypothesis import strategies as st

HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-1, 0, 2**31, 2**63, 2**64, 10**400, 1e308, -0.5, 1e-320, "", "\x1b[31m", "0" * 4301, "../.."]),
    st.text(max_size=5),
    st.lists(st.integers(-2, 5), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
"""Values that a document may have in any place."""


def places(value, path=()):
    """Every path of keys in a document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def damage(draw, document):
    """Replace or remove a few parts of a document, in place."""
    for _ in range(draw(st.integers(1, 3), "changes")):
        path = draw(st.sampled_from([each for each in places(document) if each]), "path")
        place = document
        for key in path[:-1]:
            place = place[key]
        if draw(st.booleans(), "remove"):
            del place[path[-1]]
        else:
            place[path[-1]] = draw(HOSTILE, "value")
        if not document:
            return


def corrupted(draw, content):
    """Return bytes with a few of them changed, perhaps cut off or with something appended."""
    content = bytearray(content)
    for _ in range(draw(st.integers(0, 4), "changes")):
        content[draw(st.integers(0, len(content) - 1), "at")] = draw(st.integers(0, 255), "byte")
    return bytes(content[: draw(st.integers(0, len(content)), "length")]) + draw(st.binary(max_size=3), "tail")
