"""Meta's error codes as the sandbox words them (contract §10), and the error object they travel in (contract §3)."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Failure:
    """`title` is all that the `ack[]` form of a failed status carries (contract §8.1); the rest is Meta's own form."""

    code: int
    title: str
    details: str

    def as_error(self) -> dict[str, Any]:
        """The object under `error` in an answer."""
        return {
            "message": f"(#{self.code}) {self.title}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": "SANDBOX",
        }

    def as_status_error(self) -> dict[str, Any]:
        """One item of `errors[]` in Meta's status object (contract §8.3)."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details},
            "href": "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes",
        }

    def saying(self, details: str) -> "Failure":
        """The same code with details of this very case."""
        return Failure(self.code, self.title, details)


FAILURES: Final[dict[int, Failure]] = {
    failure.code: failure
    for failure in (
        Failure(100, "Invalid parameter", "A parameter of the request is not valid."),
        Failure(130429, "Rate limit hit", "The throughput of this number has been reached."),
        Failure(
            130472, "User's number is part of an experiment", "This recipient gets no marketing templates at present."
        ),
        Failure(131000, "Something went wrong", "The message could not be sent for an unknown reason."),
        Failure(131008, "Required parameter is missing", "A parameter without a value."),
        Failure(131009, "Parameter value is not valid", "A parameter has a value that cannot be used."),
        Failure(131016, "Service unavailable", "A service is temporarily unavailable."),
        Failure(131026, "Message undeliverable", "The recipient is not on WhatsApp or cannot receive this message."),
        Failure(
            131049,
            "This message was not delivered to maintain healthy ecosystem engagement.",
            "The limit of marketing messages for this person has been reached.",
        ),
        Failure(
            131050,
            "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages "
            "on WhatsApp from your business",
            "The recipient switched marketing from this business off.",
        ),
        Failure(
            131056,
            "(Business Account, Consumer Account) pair rate limit hit",
            "Too many messages from this number to the same person in a short time.",
        ),
        Failure(132001, "Template name does not exist in the translation", "No such template in that language."),
        Failure(132005, "Translated text too long", "The body may have 1024 characters with its values in place."),
        Failure(132012, "Parameter format does not match format in the created template", "Wrong kind of parameter."),
        Failure(132015, "Template is paused", "This template is paused because of its quality."),
        Failure(132016, "Template is disabled", "This template was disabled for good."),
        Failure(132018, "There was an issue with the parameters in your template", "A component does not fit."),
        Failure(135000, "Generic user error", "The request could not be carried out."),
    )
}
