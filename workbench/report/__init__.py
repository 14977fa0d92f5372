"""Output of `workbench bench` and `workbench roofline` outside the terminal: an HTML page and a roofline picture."""

from workbench.report.page import write_html
from workbench.report.roofline_layout import Point
from workbench.report.roofline_picture import check_picture, draw_roofline

__all__ = ["Point", "check_picture", "draw_roofline", "write_html"]
