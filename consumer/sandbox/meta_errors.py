"""Meta's error codes as the sandbox words them (docs/1msg.md#error-codes), and the error objects that contain them."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class MetaError:
    """One error. Of a failed status the `ack[]` form has the `title` only; the rest is in Meta's own form."""

    code: int
    title: str
    details: str

    def as_error(self) -> dict[str, Any]:
        """Return the object under `error` in an answer."""
        return {
            "message": f"(#{self.code}) {self.title}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": "SANDBOX",
        }

    def as_status_error(self) -> dict[str, Any]:
        """Return one item of `errors[]` in Meta's status object (docs/1msg.md#raw-bodies-of-meta)."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details},
            "href": "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes",
        }

    def with_details(self, details: str) -> "MetaError":
        """Return the same error with details of this case."""
        return MetaError(self.code, self.title, details)


META_ERRORS: Final[dict[int, MetaError]] = {
    error.code: error
    for error in (
        MetaError(100, "Invalid parameter", "A parameter of the request is not valid."),
        MetaError(130429, "Rate limit hit", "The throughput of this number has been reached."),
        MetaError(
            130472, "User's number is part of an experiment", "This recipient gets no marketing templates at present."
        ),
        MetaError(131000, "Something went wrong", "The message could not be sent for an unknown reason."),
        MetaError(131008, "Required parameter is missing", "A parameter without a value."),
        MetaError(131009, "Parameter value is not valid", "A parameter has a value that cannot be used."),
        MetaError(131016, "Service unavailable", "A service is temporarily unavailable."),
        MetaError(131026, "Message undeliverable", "The recipient is not on WhatsApp or cannot receive this message."),
        MetaError(
            131049,
            "This message was not delivered to maintain healthy ecosystem engagement.",
            "The limit of marketing messages for this person has been reached.",
        ),
        MetaError(
            131050,
            "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages "
            "on WhatsApp from your business",
            "The recipient switched marketing from this business off.",
        ),
        MetaError(
            131056,
            "(Business Account, Consumer Account) pair rate limit hit",
            "Too many messages from this number to the same person in a short time.",
        ),
        MetaError(132001, "Template name does not exist in the translation", "No such template in that language."),
        MetaError(132005, "Translated text too long", "The body may have 1024 characters with its values in place."),
        MetaError(132012, "Parameter format does not match format in the created template", "Wrong kind of parameter."),
        MetaError(132015, "Template is paused", "This template is paused because of its quality."),
        MetaError(132016, "Template is disabled", "This template was disabled for good."),
        MetaError(132018, "There was an issue with the parameters in your template", "A component does not fit."),
        MetaError(135000, "Generic user error", "The request could not be carried out."),
    )
}
