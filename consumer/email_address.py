"""E-mail addresses: what may stand behind `RCPT TO`, and nothing that could end the line there. Pure."""

import re

LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def normalize_email(text: str) -> str | None:
    """The address, its domain in the form that the DNS knows (RFC 5321); None if it cannot be one.

    Quoted local parts, addresses within `<>` and domains without a dot are none, and neither are local parts beyond
    ASCII, which few servers take.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at or len(local) > 64 or not LOCAL.fullmatch(local):
        return None
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = domain.split(".")
    if len(labels) < 2 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    address = f"{local}@{domain}"
    return address if len(address) <= 254 else None
