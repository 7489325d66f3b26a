"""What `sendTemplate` accepts and what it refuses, with 1MSG's and Meta's texts (docs/1msg.md). Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from consumer.sandbox.channel_state import ChatIdentity, SendRequest
from consumer.sandbox.meta_errors import META_ERRORS
from consumer.sandbox.recipients import from_chat_id, from_phone
from consumer.sandbox.responses import Reply, bad_request, refused, refused_in_words, unprocessable
from consumer.sandbox.templates import MessageTemplate

Body: TypeAlias = Mapping[str, Any]
Templates: TypeAlias = Mapping[tuple[str, str], MessageTemplate]

MAX_TEXT_LENGTH: Final = 1024
"""Characters, with the values in place (docs/1msg.md#text-parameters)."""

_UNSAFE: Final = re.compile(r"[\r\n\t]| {5}")
_UNUSABLE: Final = {"PAUSED": 132015, "DISABLED": 132016}
_TTL_RANGES_S: Final = {
    "MARKETING": ((43200, 2592000),),
    "UTILITY": ((30, 43200), (-1, -1)),
    "AUTHENTICATION": ((30, 900), (-1, -1)),
}
"""By category (docs/1msg.md#sending-a-template)."""


def validate(body: Body, templates: Templates, namespace: str) -> SendRequest | Reply:
    """Return the request with its values in place, or the answer that refuses it."""
    name, language = body.get("template"), body.get("language")
    if not isinstance(name, str) or not name or language is None or language == "":
        return bad_request("template is not defined")
    code = _language_code(language)
    if isinstance(code, Reply):
        return code
    refusal = _check_form(body, namespace)
    if refusal is not None:
        return refusal
    recipient = _recipient(body)
    if isinstance(recipient, Reply):
        return recipient
    template = templates.get((name, code))
    if template is None:
        return _refused(132001, f"template name ({name}) does not exist in {code}")
    if template.status.upper() != "APPROVED":
        return refused(META_ERRORS[_UNUSABLE.get(template.status.upper(), 132001)])
    return _with_values(body, recipient, template)


def _language_code(language: Any) -> str | Reply:
    if not isinstance(language, Mapping):
        return bad_request('language must be an object like {"policy": "deterministic", "code": "en"}')
    if language.get("policy", "deterministic") != "deterministic":
        return bad_request("language policy must be deterministic")
    code = language.get("code")
    return code if isinstance(code, str) and code else bad_request("template is not defined")


def _check_form(body: Body, namespace: str) -> Reply | None:
    """Check the namespace, and that `params` do not have the forms of older products."""
    given = body.get("namespace")
    if given is None or given == "":
        return unprocessable("namespace is required")
    if given != namespace:
        return unprocessable("namespace does not belong to this channel")
    for old in ("hsm", "localizable_params"):
        if old in body:
            return bad_request(f"{old} is not supported, use params with component objects")
    params = body.get("params")
    if params is not None and not (isinstance(params, list) and all(isinstance(part, dict) for part in params)):
        return bad_request("params must be an array of component objects")
    return None


def _recipient(body: Body) -> ChatIdentity | Reply:
    """Read the recipient: exactly one of phone and chatId."""
    phone, chat_id = body.get("phone"), body.get("chatId")
    if phone is None and chat_id is None:
        for other in ("bsuid", "username"):
            if body.get(other) is not None:
                return refused_in_words(f"{other.upper() if other == 'bsuid' else 'Username'} routing is disabled")
        return bad_request("phone or chatId is required")
    if phone is not None and chat_id is not None:
        return bad_request("give either phone or chatId, not both")
    found = from_phone(phone) if phone is not None else from_chat_id(chat_id)
    if found is None:
        what = "phone must be a string of 6 to 15 digits with the country code first and no +"
        return _refused(131009, what if phone is not None else "chatId must look like 15551230000@c.us")
    return found


def _with_values(body: Body, recipient: ChatIdentity, template: MessageTemplate) -> SendRequest | Reply:
    values: list[str] = []
    for component in body.get("params") or ():
        refusal = _take_component(component, values)
        if refusal is not None:
            return refusal
    if len(values) != template.variables:
        return unprocessable(
            f"number of params ({len(values)}) does not match the expected number of params ({template.variables})"
        )
    refusal = _check_values(values) or _check_ttl(body.get("messageSendTtlSeconds"), template.category)
    if refusal is not None:
        return refusal
    text = template.render(values)
    if len(text) > MAX_TEXT_LENGTH:
        return refused(META_ERRORS[132005])
    return SendRequest(recipient, template, tuple(values), text)


def _take_component(component: Body, values: list[str]) -> Reply | None:
    """Add the texts of a body component to `values`. The templates here have no header and no dynamic button."""
    kind = component.get("type")
    if kind != "body":
        details = f"component {kind!r} does not require parameters"
        return _refused(132018 if kind in ("header", "button", "carousel") else 100, details)
    parameters = component.get("parameters")
    if not isinstance(parameters, list):
        return bad_request("params: a body component needs an array of parameters")
    for parameter in parameters:
        if not isinstance(parameter, dict) or parameter.get("type") != "text" or "parameter_name" in parameter:
            return _refused(132012, "the body takes positional parameters of type text")
        text = parameter.get("text")
        if not isinstance(text, str):
            return _refused(100, "a text parameter needs its text as a string")
        values.append(text)
    return None


def _check_values(values: list[str]) -> Reply | None:
    for value in values:
        if not value.strip():
            return _refused(131008, "Parameter of type text is missing text value")
        if _UNSAFE.search(value):
            return _refused(100, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
    return None


def _check_ttl(ttl: Any, category: str) -> Reply | None:
    if ttl is None:
        return None
    spans = _TTL_RANGES_S.get(category.upper(), ())
    if type(ttl) is int and any(low <= ttl <= high for low, high in spans):
        return None
    return _refused(100, f"messageSendTtlSeconds is out of range for a template of category {category}")


def _refused(code: int, details: str) -> Reply:
    return refused(META_ERRORS[code].with_details(details))
