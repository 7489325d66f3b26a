"""What people write when they want no more messages, or want them again; and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.deliver.policy.opt_out_requests import OptOutRequest, OptOutRequests, plain_words
from consumer.opt_out_words import START_WORDS, STOP_WORDS

REQUESTS = OptOutRequests()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "STOP",
            "stop",
            "𝐒𝐓𝐎𝐏",
            "🆂🆃🅾🅿",
            "🇸🇹🇴🇵",
            "🅂🅃🄾🄿",
            "ＳＴＯＰ",
            " Stop. ",
            "Stop!!!",
            "*stop*",
            "\u200eSTOP\u200f",
            "ＳＴＯＰ",
            "stop 🛑",
            "STOP\n",
            "S.T.O.P",
        ),
        *(
            "Stop. Thank you",
            "stop please",
            "please stop",
            "PLEASE STOP!!",
            "hi, stop please, thanks",
            "STOP STOP STOP",
        ),
        *(
            "stop stop please stop",
            "STOPALL",
            "stop all",
            "QUIT",
            "unsubscribe",
            "opt-out",
            "Opt out please",
            "don't message me",
        ),
        *("no más mensajes", "NO MAS MENSAJES POR FAVOR", "Detener promociones", "baja", "Baja, gracias", "arrêt svp"),
        *(
            "수신거부",
            "iptal",
            "İPTAL",
            "Стоп",
            "отписаться",
            "退订",
            "配信停止",
            "إلغاء الاشتراك",
            "הסר",
            "لغو",
            "bitte keine nachrichten mehr",
        ),
        *("stop texting me", "Stop now!", "Arrête", "Désabonnez-moi svp", "Keine weiteren Nachrichten bitte", "chega"),
        *("не пиши мне", "Отпишись", "أوقف", "やめてください", "停止发送", "Werbung stoppen", "odjava", "Sluta", "बंद"),
        *("stoppp", "Stooop!!", "remove", "do not contact me again", "no more msgs please", "stop these messages"),
        *("deja de escribirme", "No molestar", "se désabonner", "nie pisz do mnie", "відписатись", "απεγγραφή", "çık"),
        *("להסיר", "توقف کن", "بند کرو", "நிறுத்து", "ఆపు", "停止接收", "ストップ", "tigil"),
        *("Parar promoções", "dừng", "หยุด", "रोकें", "berhenti", "stopp", "rezygnuję"),
    ],
)
def test_certain_stop(text: str) -> None:
    assert REQUESTS.read(text) is OptOutRequest.STOP


@pytest.mark.parametrize(
    "text",
    [
        *(
            "I'll stop by tomorrow",
            "Hello",
            "",
            "   ",
            "🛑",
            "yes",
            "ok thanks",
            "When does the shop open?",
            "the bus stop is near",
        ),
        *(
            "I finished the last stop of my trip and now I want to complete my account, how?",
            "nonstop flights",
            "stopwatch",
        ),
        *("Perú", "Peru is nice", "is there a stop at Madrid?", "会议开始了", "Iniciar sesión", "Volver"),
        *("Back", "Anmelden", "resume", "receber", "voltar", "Iniciar", "continue"),
        *("Where is the bus stop?", "full stop", "can you remove the discount", "remove the first item from my cart"),
        *("quiero cancelar mi cita", "取消订单可以吗", "para mañana", "basta un minuto", "stop loss"),
        *("quiero completar mi cuenta", "mi hermana no pudo subir el documento", "ende", "please", "thank you"),
    ],
)
def test_nothing_is_asked(text: str) -> None:
    assert REQUESTS.read(text) is OptOutRequest.NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "stop this nonsense now",
        "cancel my subscription to this",
        "why do you spam me? stop",
        "Could you please stop messaging me about this every single week, I have asked you three times already now",
        "darme de baja de todo ahora mismo",
        "I told you I am not interested",
        "no quiero recibir esto nunca",
        "cancel",
        "end",
        "who is this? wrong number",
        "You never stop",
        "you write non stop",
        "Cancelar",
        "取消",
        "kein Interesse",
        "Número equivocado",
        "i'd like to unsubscribe from this",
        "配信停止お願いします",
        "请停止给我发消息",
        "수신거부합니다",
        "ต้องการยกเลิก",
    ],
)
def test_likely_stop(text: str) -> None:
    assert REQUESTS.read(text) is OptOutRequest.LIKELY_STOP


@pytest.mark.parametrize("text", ["START", "start please", "Unstop", "alta", "старт", "수신동의"])
def test_start(text: str) -> None:
    assert REQUESTS.read(text) is OptOutRequest.START


def test_any_text_of_a_message_counts() -> None:
    assert REQUESTS.read("Detener", "STOP") is OptOutRequest.STOP
    assert REQUESTS.read("Not now", "STOP") is OptOutRequest.STOP
    assert REQUESTS.read(None, None, "stop") is OptOutRequest.STOP
    assert REQUESTS.read(None) is OptOutRequest.NOTHING


def test_configured_words_replace_the_known_ones() -> None:
    requests = OptOutRequests(["ni una más"])
    assert requests.read("Ni una mas!") is OptOutRequest.STOP
    assert requests.read("stop") is OptOutRequest.LIKELY_STOP
    assert requests.read("quit") is OptOutRequest.NOTHING


@pytest.mark.parametrize("word", [word for words in STOP_WORDS.values() for word in words])
def test_every_stop_word_is_understood(word: str) -> None:
    assert REQUESTS.read(word.upper() + " !") is OptOutRequest.STOP


@pytest.mark.parametrize("word", [word for words in START_WORDS.values() for word in words])
def test_every_start_word_is_understood(word: str) -> None:
    assert REQUESTS.read(word) is OptOutRequest.START


def test_thirty_languages_are_known() -> None:
    assert len(STOP_WORDS) >= 30


def test_characters_that_are_many_are_read_up_to_a_length() -> None:
    assert max(len(plain_words(char * 4096)) for char in "\ufdfa\ufdfb\u3300\u320e") <= 4 * 4096
    assert plain_words("\u0301\u0316" * 2047 + "s\u0301\u0316top") == "stop"


@pytest.mark.parametrize("filler", ["가", "ộ", "é", "\uff76\uff9e", "🇦"])
def test_request_at_the_end_of_the_longest_message_is_read(filler: str) -> None:
    phrase = " do not contact me"
    text = filler * ((4096 - len(phrase)) // len(filler)) + phrase
    assert REQUESTS.read(text) is OptOutRequest.LIKELY_STOP


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert REQUESTS.read(text) in OptOutRequest
