"""Why a broker does not let us in, or why we do not trust it: from librdkafka's text to what to do."""

import re

from confluent_kafka import KafkaError

_NOT_ACQUIRED = "Failed to acquire SASL OAUTHBEARER token"
_WORDS = {
    f"{_NOT_ACQUIRED}.*unexpired": (
        "the OAuth token for the broker has expired when it is issued: compare this machine's clock with that of"
        " sasl.oauthbearer.token.endpoint.url, and see how long its tokens live"
    ),
    f"{_NOT_ACQUIRED}.*([Cc]onnect|[Rr]esolve|[Tt]imed? ?out|SSL|TLS)": (
        "whoever issues the OAuth tokens cannot be reached: check sasl.oauthbearer.token.endpoint.url in kafka.client,"
        " and https.ca.location, if a private authority signed its certificate"
    ),
    _NOT_ACQUIRED: (
        "there is no OAuth token for the broker: check sasl.oauthbearer.client.id, client.secret, scope and"
        " token.endpoint.url in kafka.client"
    ),
    "invalid_token": (
        "the broker rejects the OAuth token: it has expired, or another issuer, audience or scope is expected; check"
        " the clocks, and the sasl.oauthbearer settings in kafka.client"
    ),
    r"supported mechanisms: *(?P<mechanisms>[A-Z0-9_,-]{1,200})": (
        "the broker does not offer this way to log in: set sasl.mechanisms in kafka.client to one of {mechanisms}"
    ),
    "not valid in current SASL state": (
        "the broker wants no login at this address: check security.protocol in kafka.client, and the port"
    ),
    "verify failed": (
        "the broker's certificate is not trusted: set ssl.ca.location in kafka.client to a file (PEM) with the"
        " certificate of the authority that signed it, and name the broker as its certificate does"
    ),
    "alert": (
        "the broker does not accept this client's certificate, or wants one: check ssl.certificate.location and"
        " ssl.key.location in kafka.client"
    ),
}
"""By a pattern in librdkafka's text, what we say instead. The first that fits counts."""

_OTHERS = {
    KafkaError._AUTHENTICATION: "the broker rejects the credentials: check the sasl settings in kafka.client",
    KafkaError._SSL: "TLS with the broker fails: check security.protocol and the ssl settings in kafka.client",
}


def login_refusal(error: KafkaError) -> str | None:
    """Return why the broker does not let us in, and what to do about it; None for any other error."""
    # Where the other end gives TLS up, all that librdkafka sees is that the connection closes.
    if error.code() in {*_OTHERS, KafkaError._TRANSPORT}:
        for pattern, words in _WORDS.items():
            if found := re.search(pattern, error.str()):
                return words.format(**found.groupdict())
    return _OTHERS.get(error.code())
