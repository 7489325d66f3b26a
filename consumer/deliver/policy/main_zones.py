"""The time zone in which most people of a country live, for countries with several. Data.

A phone number may only tell its country. Where the country's zones have no hour in common within the send window, most
of its people decide; a mobile number tells nothing better. Numbers that begin with +1 or +7 belong to several countries
with one code, of which libraries return all zones, so their small countries are listed as well.
"""

from collections.abc import Mapping
from types import MappingProxyType

MAIN_ZONES: Mapping[str, str] = MappingProxyType(
    {
        "AU": "Australia/Sydney",
        "BR": "America/Sao_Paulo",
        "CA": "America/Toronto",
        "CC": "Indian/Cocos",
        "CD": "Africa/Kinshasa",
        "CL": "America/Santiago",
        "CX": "Indian/Christmas",
        "EC": "America/Guayaquil",
        "ES": "Europe/Madrid",
        "FM": "Pacific/Chuuk",
        "GL": "America/Nuuk",
        "ID": "Asia/Jakarta",
        "KI": "Pacific/Tarawa",
        "KZ": "Asia/Almaty",
        "MN": "Asia/Ulaanbaatar",
        "MX": "America/Mexico_City",
        "NZ": "Pacific/Auckland",
        "PF": "Pacific/Tahiti",
        "PT": "Europe/Lisbon",
        "RE": "Indian/Reunion",
        "RU": "Europe/Moscow",
        "US": "America/New_York",
        "YT": "Indian/Mayotte",
        # The rest of +1.
        "AG": "America/Antigua",
        "AI": "America/Anguilla",
        "AS": "Pacific/Pago_Pago",
        "BB": "America/Barbados",
        "BM": "Atlantic/Bermuda",
        "BS": "America/Nassau",
        "DM": "America/Dominica",
        "DO": "America/Santo_Domingo",
        "GD": "America/Grenada",
        "GU": "Pacific/Guam",
        "JM": "America/Jamaica",
        "KN": "America/St_Kitts",
        "KY": "America/Cayman",
        "LC": "America/St_Lucia",
        "MP": "Pacific/Saipan",
        "MS": "America/Montserrat",
        "PR": "America/Puerto_Rico",
        "SX": "America/Lower_Princes",
        "TC": "America/Grand_Turk",
        "TT": "America/Port_of_Spain",
        "VC": "America/St_Vincent",
        "VG": "America/Tortola",
        "VI": "America/St_Thomas",
    }
)
