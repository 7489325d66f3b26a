"""The one rule of what an e-mail address is: for configuration, imports and sending alike. Pure."""

from email_validator import EmailNotValidError, validate_email

_GOOGLE = frozenset({"gmail.com", "googlemail.com"})
"""Its mailboxes have any dots in their names."""


def normalize_email(text: str) -> str | None:
    """Return the address as it may stand behind SMTP's `RCPT TO`, or None if the text is no such address.

    The domain is lower case and in its ASCII form by IDNA 2008, so `faß.example` stays another domain than
    `fass.example`. Quoted local parts, `Name <address>`, IP addresses as domains, names that are reserved for
    special use (`.local`, `.invalid`), and local parts beyond ASCII, which few servers take, are no addresses.
    """
    try:
        return validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except (EmailNotValidError, UnicodeError):
        return None


def mailbox_of(address: str) -> str:
    """Return one form of the addresses (as `normalize_email` returns them) that lead to the same mailbox.

    It is for comparing alone. Almost everywhere neither case nor what follows a `+` makes another mailbox.
    """
    local, _, domain = address.casefold().rpartition("@")
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '')}@gmail.com" if domain in _GOOGLE else f"{local}@{domain}"
