"""The templates of a sandbox channel, and their texts with the values in place."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

_BUTTON_URL: Final = "https://example.com/continue"
_VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class MessageTemplate:
    """One template in one language. `status` as `GET /templates` shows it; only `approved` can be sent."""

    id: str
    name: str
    language: str
    body: str
    button: str
    category: str = "MARKETING"
    status: str = "approved"

    @cached_property
    def variables(self) -> int:
        """The number of values that the body needs: its distinct `{{…}}` tokens."""
        return len(self._positions)

    def render(self, values: Sequence[str]) -> str:
        """Return the body as the client reads it; `values` in the order of {{1}}, {{2}}, …, one for each variable."""
        pieces = self._pieces
        texts = [values[self._positions[piece]] if index % 2 else piece for index, piece in enumerate(pieces)]
        return "".join(texts)

    def listed(self, namespace: str) -> dict[str, Any]:
        """Return this template as an item of `GET /templates` (docs/1msg.md#listing-templates)."""
        return {
            "id": self.id,
            "name": self.name,
            "language": self.language,
            "category": self.category,
            "status": self.status,
            "rejected_reason": "NONE",
            "namespace": namespace,
            "components": [
                {"type": "BODY", "text": self.body},
                {"type": "BUTTONS", "buttons": [{"type": "URL", "text": self.button, "url": _BUTTON_URL}]},
            ],
        }

    @cached_property
    def _pieces(self) -> list[str]:
        return _VARIABLE.split(self.body)

    @cached_property
    def _positions(self) -> dict[str, int]:
        names = sorted(set(self._pieces[1::2]), key=lambda name: (int(name) if name.isdigit() else 0, name))
        return {name: position for position, name in enumerate(names)}


_REMINDER: Final = "inactivity_reminder"
_ORDER: Final = "order_waiting"

DEFAULT_TEMPLATES: Final[tuple[MessageTemplate, ...]] = (
    MessageTemplate(
        "1001",
        _REMINDER,
        "en",
        "Hello, {{1}}! We noticed you have not yet completed {{2}}. "
        "If you would like to continue, we are ready to help.",
        "Continue",
    ),
    MessageTemplate(
        "1002",
        _REMINDER,
        "es",
        "¡Hola, {{1}}! Hemos visto que aún no has completado {{2}}. "
        "Si quieres continuar, estamos listos para ayudarte.",
        "Continuar",
    ),
    MessageTemplate(
        "1003",
        _REMINDER,
        "pt_BR",
        "Olá, {{1}}! Notamos que você ainda não concluiu {{2}}. Se quiser continuar, estamos prontos para ajudar.",
        "Continuar",
    ),
    MessageTemplate(
        "1004",
        _REMINDER,
        "de",
        "Hallo, {{1}}! Uns ist aufgefallen, dass Folgendes noch offen ist: {{2}}. "
        "Wenn Sie weitermachen möchten, helfen wir Ihnen gern.",
        "Weiter",
    ),
    MessageTemplate(
        "1005",
        _REMINDER,
        "fr",
        "Bonjour, {{1}} ! Nous avons remarqué que vous n'avez pas encore terminé {{2}}. "
        "Si vous souhaitez continuer, nous sommes prêts à vous aider.",
        "Continuer",
    ),
    MessageTemplate(
        "2001",
        _ORDER,
        "en",
        "Good news, {{1}}: we have kept {{2}} for you. You can go on where you left off.",
        "Continue",
    ),
    MessageTemplate(
        "2002",
        _ORDER,
        "es",
        "Buenas noticias, {{1}}: hemos guardado {{2}} para ti. Puedes seguir donde lo dejaste.",
        "Continuar",
    ),
    MessageTemplate(
        "2003",
        _ORDER,
        "pt_BR",
        "Boas notícias, {{1}}: guardamos {{2}} para você. Você pode continuar de onde parou.",
        "Continuar",
    ),
    MessageTemplate(
        "2004",
        _ORDER,
        "de",
        "Gute Nachrichten, {{1}}: {{2}} liegt für Sie bereit. Sie können jederzeit dort weitermachen.",
        "Weiter",
    ),
    MessageTemplate(
        "2005",
        _ORDER,
        "fr",
        "Bonne nouvelle, {{1}} : nous avons gardé {{2}} pour vous. Vous pouvez reprendre là où vous en étiez.",
        "Continuer",
    ),
)
