"""The section `prices`: what a delivered template costs. Lapse ships no prices: Meta changes them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from consumer.config.types import Section

Category = Literal["marketing", "utility"]
DEFAULT = "default"
Price = Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False)]


def _country(value: str) -> str:
    if value == DEFAULT or (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        return value
    raise ValueError("write a country as two capital letters, such as ES, or default for all others")


Country = Annotated[str, AfterValidator(_country)]


class PriceSettings(Section):
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    """The currency of all prices and values, such as EUR."""
    category: Category = "marketing"
    """The category of the templates; 1MSG shows it."""
    delivered: dict[Country, dict[Category, Price]]
    """The price of one delivered template, by the recipient's country and by category: {ES: {marketing: 0.05}, default:
    {marketing: 0.07}}. What Meta and 1MSG bill together."""

    @model_validator(mode="after")
    def _has_a_default(self) -> "PriceSettings":
        if self.category not in self.delivered.get(DEFAULT, {}):
            raise ValueError(f"delivered needs a price for every other country: default: {{{self.category}: …}}")
        return self

    def of(self, country: str | None) -> float:
        """Return the price of one delivered template to this country; None is one that is not known."""
        prices = self.delivered.get(country or DEFAULT, {})
        return prices.get(self.category, self.delivered[DEFAULT][self.category])
