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
anrufaufzeichnung; anrufaufnahme; anruf aufnehmen; aufgezeichneter anruf; gesprächsaufzeichnung; gesprächsaufnahme; anruf
telefonaufzeichnung
enregistrement d'appel; enregistrement d’appel; enregistrement de l'appel; enregistrement appel
enregistrement des appels; enregistrement d'appels; appel enregistré; appel
grabación de llamada; grabacion de llamada; grabación de llamadas; llamada grabada; llamada
gravação de chamada; gravacao de chamada; gravação de chamadas; gravação da chamada; chamada
registrazione chiamata; registrazione chiamate; registrazione della chiamata; chiamata
gespreksopname; oproepopname; gesprek opnemen; opname gesprek; opname oproep; opname van gesprek
oproep
запись вызова; запись вызовов; запись звонка; запись звонков; запись разговора; вызов; звонок
запис виклику; запис викликів; запис дзвінка; запис дзвінків; запис розмови; запіс званка
nagrywanie rozmów; nagranie rozmowy; nagranie połączenia; nagrywanie połączeń; rozmowa
nagrywanie rozmowy; nagrywanie połączenia
záznam hovoru; nahrávka hovoru; nahrávání hovoru; nahrávanie hovoru; nahrávání hovorů; hovor
nahrávanie hovorov
hívásrögzítés; hívásfelvétel; hangfelvétel hívásról; înregistrare apel; înregistrare apeluri
запис на разговор; запис на обаждане; снимак позива; снимање позива; snimka poziva
snimanje poziva; snimak poziva; posnetek klica; skambučio įrašas; pokalbio įrašas; zvana ieraksts
kõne salvestis; kõnesalvestis; puhelun tallenne; puhelun tallennus; puhelun nauhoitus
puhelutallenne; samtalsinspelning; inspelat samtal; samtaleopptak; samtaleoptagelse
opkaldsoptagelse; optagelse af opkald; opptak av samtale; inspelning av samtal
εγγραφή κλήσης; ηχογράφηση κλήσης; καταγραφή κλήσης
arama kaydı; çağrı kaydı; görüşme kaydı; arama kaydetme; zəng yazısı; zəngin yazılması; qo'ng'iroq yozuvi
қоңырау жазбасы; զանգի ձայնագրություն; ზარის ჩანაწერი
rekaman panggilan; perekaman panggilan; rakaman panggilan; ghi âm cuộc gọi; ghi âm; bản ghi cuộc gọi
การบันทึกการโทร; บันทึกการโทร; บันทึกเสียงการโทร; การบันทึกสายโทรศัพท์
कॉल रिकॉर्डिंग; कॉल रेकॉर्डिंग; কল রেকর্ডিং; કૉલ રેકોર્ડિંગ; ਕਾਲ ਰਿਕਾਰਡਿੰਗ; அழைப்பு பதிவு
కాల్ రికార్డింగ్; ಕರೆ ರೆಕಾರ್ಡಿಂಗ್; കോൾ റെക്കോർഡിംഗ്; ခေါ်ဆိုမှု အသံဖမ်းခြင်း
"""
_NOBODY = """
unknown; unknown number; unknown caller; private; private number; private caller; no number
no caller id; withheld; withheld number; hidden; hidden number; blocked; blocked number; anonymous
null; none; restricted; unavailable; payphone; pay phone
unbekannt; unbekannte nummer; unbekannter anrufer; unbekannter teilnehmer; privat; private nummer
privater anrufer; privater teilnehmer; anonym; anonymer anrufer; unterdrückt; unterdrückte nummer
nummer unterdrückt; rufnummer unterdrückt; verborgen; verborgene nummer; keine nummer; münztelefon
inconnu; numéro inconnu; appelant inconnu; privé; numéro privé; numéro masqué; masqué; appel masqué
anonyme; cabine téléphonique
desconocido; número desconocido; privado; número privado; oculto; número oculto; anónimo; sin número
desconhecido; número desconhecido; confidencial; número confidencial; número restrito; anônimo
sem número; número não identificado
sconosciuto; numero sconosciuto; privato; numero privato; numero nascosto; anonimo
onbekend; onbekend nummer; onbekende beller; privénummer; privé-nummer; afgeschermd; anoniem
ukendt; ukendt nummer; skjult; skjult nummer; hemmeligt nummer; ukjent; ukjent nummer
okänd; okänt nummer; dolt nummer; skyddat nummer; privat nummer; tuntematon; tuntematon numero
yksityinen; yksityinen numero; salattu numero
nieznany; nieznany numer; prywatny; numer prywatny; numer zastrzeżony; zastrzeżony
neznámý; neznámé číslo; soukromé; soukromé číslo; skryté číslo; neznáme; neznáme číslo
súkromné číslo; ismeretlen; ismeretlen szám; privát szám; rejtett szám; magánszám
necunoscut; număr necunoscut; număr privat; număr ascuns; nepoznat; nepoznat broj; privatan broj
skriven broj; neznano; neznana številka; zasebna številka
άγνωστος; άγνωστος αριθμός; απόρρητος αριθμός; ιδιωτικός αριθμός; απόκρυψη
неизвестный; неизвестно; неизвестный номер; неизвестный абонент; скрытый номер; номер скрыт
частный номер; анонимный; анонимно; номер не определен; номер не определён
невідомий; невідомо; невідомий номер; невідомий абонент; прихований номер; приватний номер
непознат; неизвестен; неизвестен номер; скрит номер; частен номер; непознат број; скривен број
bilinmeyen; bilinmeyen numara; bilinmiyor; gizli numara; özel numara; gizli; naməlum; naməlum nömrə
tidak diketahui; nomor tidak dikenal; nomor pribadi; nombor peribadi; tidak dikenali
không xác định; không rõ; số không xác định; số riêng; số ẩn; số riêng tư; số cá nhân
غير معروف; رقم غير معروف; مجهول; رقم خاص; رقم مخفي; خاص; ناشناس; شماره ناشناس; شماره خصوصی
نامعلوم; نامعلوم نمبر; לא ידוע; מספר לא ידוע; חסוי; מספר חסוי; מספר פרטי
अज्ञात; अज्ञात नंबर; निजी नंबर; ไม่ทราบ; ไม่ทราบหมายเลข; หมายเลขส่วนตัว; ไม่รู้จัก
未知; 未知号码; 未知號碼; 未知来电; 未知來電; 私人号码; 私人號碼; 私密号码; 私密號碼; 隐藏号码
隱藏號碼; 无号码; 無號碼; 未顯示號碼; 号码保密; 匿名; 公用电话
非通知; 非通知設定; 不明; 不明な番号; 番号非通知; 通知不可能; 表示圏外; 公衆電話
알 수 없음; 알수없음; 알 수 없는 번호; 발신번호 표시제한; 발신번호표시제한; 발신자 정보 없음
표시제한; 표시 제한; 발신번호 없음; 발신번호없음; 공중전화
"""
# Android's own stand-ins for an unknown and a private number, and for a payphone.
_STAND_INS = frozenset(["-1", "-2", "-3"])
_CONFERENCE = """
conference; conference call; group call; konferenz; telefonkonferenz; konferenzschaltung
conférence; conférence téléphonique; conferencia; llamada en conferencia; multiconferencia
conferência; chamada em conferência; teleconferência; conferenza; chiamata in conferenza
audioconferenza; conferentiegesprek; telefonische vergadering; telefonkonferens; telekonferanse
konferenceopkald; konferansesamtale; połączenie konferencyjne; konferenční hovor; konferenčný hovor
konferenciahívás; konferencia; apel conferință; teleconferință; конференция; конференц-связь
конференц-звонок; конференц-вызов; конференція; конференц-виклик; konferans; konferans görüşmesi
konferans araması; panggilan konferensi; cuộc gọi hội nghị; cuộc gọi nhóm; مكالمة جماعية
مكالمة مؤتمر; שיחת ועידה; 多方通话; 多方通話; 会议通话; 會議通話; 电话会议; 電話會議; 通话会议
グループ通話; 会議通話; 会議電話; 전화회의; 회의 통화; 그룹 통화; 그룹통화; 다자간 통화; 다자통화
"""
# Short ones are words of other things too, so they count only with something that says more.
_WEAK = "call; calls; 통화; 通话; 通話; 녹음; appel; anruf; llamada; chamada; chiamata; oproep"
_WEAK += "; вызов; звонок; rozmowa; hovor; ghi âm; phone call; voice call; مكالمة"
# What voice recorders, cameras and screens begin names with.
_OTHERS = """
voice; voice memo; voice note; voice recording; recording; record; rec; audio; memo; note; sound
new recording; my recording; recorder; voice recorder; screen recording; screenrecording
screenrecorder; screen_recorder; screen record; vid; video; img; pxl; mvimg; svid; dsc; mov; ptt
standard recording; meeting recording; interview recording; ringtone; track; podcast; dictation
录音; 錄音; 语音; 語音; 标准录音; 標準錄音; 会议录音; 采访录音; 음성; 음성 녹음; 새 녹음; 새로운 녹음
録音; 音声; sprache; aufnahme; sprachmemo; sprachaufnahme; diktat; enregistrement
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
CONFERENCE = _set(_CONFERENCE)
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
    return text.strip() in _STAND_INS or _plain(text.strip(" _-")) in NOBODY


def is_conference(text: str) -> bool:
    """Whether a text says that there were several."""
    return _plain(text.strip(" _-")) in CONFERENCE


def is_other(text: str) -> bool:
    """Whether a text is what voice recorders and cameras call a file, with a number or without."""
    return _plain(text.strip(" _-0123456789()")).replace("_", " ") in OTHERS
