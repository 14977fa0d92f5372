"""Output of `workbench bench` and `workbench roofline` outside the terminal: an HTML page and a roofline picture."""

from workbench.report.page import write_html
from workbench.report.roofline_layout import Point, points_of
from workbench.report.roofline_picture import check_picture, draw_roofline

__all__ = ["Point", "check_picture", "draw_roofline", "points_of", "write_html"]
