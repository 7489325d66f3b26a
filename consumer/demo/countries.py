"""Where the demo's people live, and what they are called there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """`region` as phone numbers know it (ISO 3166), `locale` as BCP 47, `timezone` as the tz database has it."""

    region: str
    locale: str
    timezone: str
    names: tuple[str, ...]


COUNTRIES = (
    Country("ES", "es-ES", "Europe/Madrid", ("Lucía", "Mateo", "Íñigo", "Carmen", "Begoña", "Álvaro")),
    Country("PT", "pt-PT", "Europe/Lisbon", ("Inês", "João", "Beatriz", "Gonçalo", "Matilde", "Rui")),
    Country("FR", "fr-FR", "Europe/Paris", ("Chloé", "Étienne", "Camille", "Loïc", "Zoé", "Baptiste")),
    Country("IT", "it-IT", "Europe/Rome", ("Giulia", "Niccolò", "Chiara", "Lorenzo", "Noemi", "Davide")),
    Country("DE", "de-DE", "Europe/Berlin", ("Jürgen", "Käthe", "Leonie", "Björn", "Anneliese", "Moritz")),
    Country("GB", "en-GB", "Europe/London", ("Olivia", "Angus", "Siân", "Harriet", "Callum", "Imogen")),
    Country("PL", "pl-PL", "Europe/Warsaw", ("Łukasz", "Agnieszka", "Wojciech", "Małgorzata", "Bożena", "Jan")),
    Country("TR", "tr-TR", "Europe/Istanbul", ("İrem", "Çağlar", "Ayşe", "Ömer", "Gülşen", "Emre")),
    Country("BR", "pt-BR", "America/Sao_Paulo", ("Conceição", "Thiago", "Larissa", "Antônio", "Juliana", "Luís")),
    Country("MX", "es-MX", "America/Mexico_City", ("Ximena", "Joaquín", "Guadalupe", "Andrés", "Itzel", "Emiliano")),
    Country("IN", "en-IN", "Asia/Kolkata", ("Priya", "Arjun", "Lakshmi", "Vikram", "Ananya", "Rohan")),
    Country("NG", "en-NG", "Africa/Lagos", ("Chidinma", "Olúwaṣeun", "Ngozi", "Emeka", "Amina", "Babajide")),
)
