"""Words in names. They make a reading surer; what is not listed is read by its shape.

The words for «Call recording» are the dialers' own where one was seen (English, Chinese, Korean,
Arabic), else translations: a dialer may use another one.
"""

from __future__ import annotations

import re
import unicodedata

_CALL = """
call recording; call recordings; call record; call records; call rec; callrecording; callrecord;
callrec; call; calls; recorded call; phone call; phone recording; voice call; voicecall
通话录音; 通話錄音; 通话; 通話; 通話録音; 通話の録音; 電話録音; 电话录音; 電話錄音; 录音通话
통화 녹음; 통화녹음; 통화; 통화 기록; 전화 녹음; 녹음
تسجيل مكالمة; تسجيل المكالمة; تسجيل المكالمات; تسجيل مكالمات; مكالمة; ضبط تماس; ضبط مکالمه
ضبط مکالمات; کال ریکارڈنگ; کال ریکارڈ
הקלטת שיחה; הקלטת שיחות; שיחה מוקלטת
anrufaufzeichnung; anrufaufnahme; gesprächsaufzeichnung; gesprächsaufnahme; anruf
telefonaufzeichnung
enregistrement d'appel; enregistrement d’appel; enregistrement de l'appel; enregistrement appel
enregistrement des appels; enregistrement d'appels; appel enregistré; appel
grabación de llamada; grabacion de llamada; grabación de llamadas; llamada grabada; llamada
gravação de chamada; gravacao de chamada; gravação de chamadas; gravação da chamada; chamada
registrazione chiamata; registrazione chiamate; registrazione della chiamata; chiamata
gespreksopname; oproepopname; gesprek opnemen; opname gesprek; oproep
запись вызова; запись вызовов; запись звонка; запись звонков; запись разговора; вызов; звонок
запис виклику; запис дзвінка; запис розмови; запис розмови; запіс званка
nagrywanie rozmów; nagranie rozmowy; nagranie połączenia; nagrywanie połączeń; rozmowa
záznam hovoru; nahrávka hovoru; nahrávání hovoru; nahrávanie hovoru; hovor
hívásrögzítés; hívásfelvétel; hangfelvétel hívásról; înregistrare apel; înregistrare apeluri
запис на разговор; запис на обаждане; снимак позива; снимање позива; snimka poziva
snimanje poziva; snimak poziva; posnetek klica; skambučio įrašas; pokalbio įrašas; zvana ieraksts
kõne salvestis; kõnesalvestis; puhelun tallenne; puhelun nauhoitus; puhelutallenne
samtalsinspelning; inspelat samtal; samtaleopptak; samtaleoptagelse; opkaldsoptagelse
εγγραφή κλήσης; ηχογράφηση κλήσης; καταγραφή κλήσης
arama kaydı; çağrı kaydı; görüşme kaydı; zəng yazısı; zəngin yazılması; qo'ng'iroq yozuvi
қоңырау жазбасы; զանգի ձայնագրություն; ზარის ჩანაწერი
rekaman panggilan; perekaman panggilan; rakaman panggilan; ghi âm cuộc gọi; ghi âm; bản ghi cuộc gọi
การบันทึกการโทร; บันทึกการโทร; บันทึกเสียงการโทร; การบันทึกสายโทรศัพท์
कॉल रिकॉर्डिंग; कॉल रेकॉर्डिंग; কল রেকর্ডিং; કૉલ રેકોર્ડિંગ; ਕਾਲ ਰਿਕਾਰਡਿੰਗ; அழைப்பு பதிவு
కాల్ రికార్డింగ్; ಕರೆ ರೆಕಾರ್ಡಿಂಗ್; കോൾ റെക്കോർഡിംഗ്; ခေါ်ဆိုမှု အသံဖမ်းခြင်း
"""
_NOBODY = """
unknown; unknown number; unknown caller; private; private number; no number; withheld; hidden
anonymous; null; none; restricted; unbekannt; inconnu; desconocido; desconhecido; sconosciuto
未知; 未知号码; 未知號碼; 私人号码; 私密号码; 非通知; 알 수 없음; 발신번호 표시제한; 발신번호표시제한
неизвестный; неизвестно; скрытый номер
"""
# Short ones are words of other things too, so they count only with something that says more.
_WEAK = "call; calls; 통화; 通话; 通話; 녹음; appel; anruf; llamada; chamada; chiamata; oproep"
_WEAK += "; вызов; звонок; rozmowa; hovor; ghi âm; phone call; voice call; مكالمة"
# What voice recorders, cameras and screens begin names with.
_OTHERS = """
voice; voice memo; voice note; voice recording; recording; record; rec; audio; memo; note; sound
new recording; my recording; recorder; voice recorder; screen recording; screenrecording
screenrecorder; screen_recorder; screen record; vid; video; img; pxl; mvimg; svid; dsc; mov; ptt
录音; 錄音; 语音; 語音; 음성; 음성 녹음; 새 녹음; 録音; 音声; sprache; aufnahme; enregistrement
grabación; gravação; registrazione; запись; голос; nagranie; opname; ses; kayıt; تسجيل; צליל
"""


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).casefold()


def _set(text: str) -> frozenset[str]:
    found = {_plain(word.strip()) for line in text.splitlines() for word in line.split(";")}
    return frozenset(found - {""})


CALL = _set(_CALL)
NOBODY = _set(_NOBODY)
WEAK = _set(_WEAK)
OTHERS = _set(_OTHERS)
_LONGEST = max(map(len, CALL)) * 2  # a decomposed one is longer
_FIRST = frozenset(unicodedata.normalize(form, word)[0] for form in ("NFC", "NFD") for word in CALL)
_BREAKS = re.compile(r"[ _@-]|\Z")


def call_prefix(text: str) -> int:
    """How long a word for «Call recording» is that ``text`` (see :func:`agent.naming.text.fold`)
    begins with, up to what parts it from the rest: a space, ``_``, ``-``, ``@`` or the end. 0 for
    none.

    >>> call_prefix("Call recording Bob"), call_prefix("Callum")
    (14, 0)
    """
    if text[:1].lower() not in _FIRST:
        return 0
    longest = 0
    for mark in _BREAKS.finditer(text, 0, min(len(text), _LONGEST)):
        end = mark.start()
        if end and _plain(text[:end]).replace("_", " ").replace("-", " ") in CALL:
            longest = end
    return longest


def is_call_word(text: str) -> bool:
    """Whether a text is nothing but a word for «Call recording»."""
    return _plain(text.strip()).replace("_", " ") in CALL


def is_weak(text: str) -> bool:
    """Whether such a word is one of those that begin other names too."""
    return _plain(text.strip()) in WEAK


def is_nobody(text: str) -> bool:
    """Whether a text says that the other one is not known."""
    return _plain(text.strip(" _-")) in NOBODY


def is_other(text: str) -> bool:
    """Whether a text is what voice recorders and cameras call a file, with a number or without."""
    return _plain(text.strip(" _-0123456789()")).replace("_", " ") in OTHERS
