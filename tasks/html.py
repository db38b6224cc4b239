"""Reports as one HTML file that needs no network."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from ddnn.evaluation.wording import cost_text, percent, rule_name

_FILTERS = {"cost": cost_text, "percent": percent, "rule": rule_name}


def fill(template: str, filters: Mapping[str, Any] | None = None, /, **values: Any) -> str:
    """Fill a template of this folder; all that is filled in is escaped.

    Args:
        template: Name of its file.
        filters: Beside ``cost``, ``percent`` and ``rule``.
        values: By the names that the template has for them; one that is missing is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {**_FILTERS, **(filters or {})}
    return environment.get_template(template).render(**values)


def inline(png: bytes) -> str:
    """Give a picture as an address that holds it whole."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
