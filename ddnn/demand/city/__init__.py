"""A synthetic city with what makes Milano's demand hard; see docs/city.md."""

from ddnn.demand.city.model import CITY_VERSION, make_city

__all__ = ["CITY_VERSION", "make_city"]
