"""The colours of the report by theme, shared by the page, its inline drawings and the pictures.

Text has a contrast of at least 4.5 to 1 with the paper, lines and marks of at least 3 to 1 (WCAG 2.2, AA); hairlines only
separate what can be distinguished without them.
"""

LIGHT = {
    "paper": "#ffffff",
    "raised": "#f5f6f8",
    "ink": "#1b1f26",
    "muted": "#565e6b",
    "hairline": "#d5d9e0",
    "accent": "#1f5fbf",
    "good": "#16703f",
    "bad": "#b3261e",
    "series0": "#1f5fbf",
    "series1": "#b04e00",
    "series2": "#16703f",
    "series3": "#7a3bb8",
    "series4": "#b8291f",
    "series5": "#0a6e80",
    "series6": "#ab2d78",
    "series7": "#6a6400",
}

DARK = {
    "paper": "#14171c",
    "raised": "#1d2128",
    "ink": "#e6e9ee",
    "muted": "#a3abb8",
    "hairline": "#343a45",
    "accent": "#84b0ff",
    "good": "#6bd19a",
    "bad": "#ff9288",
    "series0": "#84b0ff",
    "series1": "#f2a65a",
    "series2": "#6bd19a",
    "series3": "#c3a4ff",
    "series4": "#ff9288",
    "series5": "#5fcbdc",
    "series6": "#f394cd",
    "series7": "#d3ca62",
}

SERIES = 8


def variables() -> str:
    """Return the colours as CSS variables, with those of the dark theme if the reader's system uses it."""
    return f":root{{{_declarations(LIGHT)}}}@media (prefers-color-scheme:dark){{:root{{{_declarations(DARK)}}}}}"


def _declarations(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())
