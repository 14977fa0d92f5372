"""Construction of HTML and SVG in which text from outside is always escaped, and free of characters that act."""

from html import escape

from workbench.system.terminal import visible


class Markup(str):
    """Text that is already markup; all other text is escaped when it is put into an element."""

    __slots__ = ()


Content = str | None
"""The content of an element: markup, text to be escaped, or nothing."""

_VOID = {"line", "path", "circle", "rect", "wbr"}


def element(tag: str, *contents: Content, **attributes: str | float | bool | None) -> Markup:
    """Return an element. ``contents`` other than markup are escaped, and so is the value of every attribute.

    In attribute names, trailing underscores are dropped and other underscores become hyphens (``class_``, ``aria_label``).
    An attribute that is True has no value; one that is None or False is left out.
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(visible(_text(value)))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    inner = join(*contents)
    if tag in _VOID and not inner:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{inner}</{tag}>")


def join(*contents: Content, between: str = "") -> Markup:
    """Concatenate contents, escaping those that are not markup and leaving out those that are None."""
    parts = (part if isinstance(part, Markup) else escape(visible(part)) for part in contents if part is not None)
    return Markup(between.join(parts))


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
