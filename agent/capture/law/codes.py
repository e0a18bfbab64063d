"""ISO 3166 codes: the 249 countries, and the parts of those whose law differs from part to part.

The codes are ISO 3166-1's of 2024; the names are short ones, for showing.
"""

from __future__ import annotations

import difflib
from types import MappingProxyType

from agent.errors import ConsentError
from agent.text import shown

_COUNTRIES = """
AD Andorra|AE United Arab Emirates|AF Afghanistan|AG Antigua and Barbuda|AI Anguilla|AL Albania
AM Armenia|AO Angola|AQ Antarctica|AR Argentina|AS American Samoa|AT Austria|AU Australia|AW Aruba
AX Åland Islands|AZ Azerbaijan|BA Bosnia and Herzegovina|BB Barbados|BD Bangladesh|BE Belgium
BF Burkina Faso|BG Bulgaria|BH Bahrain|BI Burundi|BJ Benin|BL Saint Barthélemy|BM Bermuda|BN Brunei
BO Bolivia|BQ Bonaire, Sint Eustatius and Saba|BR Brazil|BS Bahamas|BT Bhutan|BV Bouvet Island
BW Botswana|BY Belarus|BZ Belize|CA Canada|CC Cocos Islands|CD Congo (Kinshasa)
CF Central African Republic|CG Congo (Brazzaville)|CH Switzerland|CI Côte d'Ivoire|CK Cook Islands
CL Chile|CM Cameroon|CN China|CO Colombia|CR Costa Rica|CU Cuba|CV Cabo Verde|CW Curaçao
CX Christmas Island|CY Cyprus|CZ Czechia|DE Germany|DJ Djibouti|DK Denmark|DM Dominica
DO Dominican Republic|DZ Algeria|EC Ecuador|EE Estonia|EG Egypt|EH Western Sahara|ER Eritrea
ES Spain|ET Ethiopia|FI Finland|FJ Fiji|FK Falkland Islands|FM Micronesia|FO Faroe Islands|FR France
GA Gabon|GB United Kingdom|GD Grenada|GE Georgia|GF French Guiana|GG Guernsey|GH Ghana|GI Gibraltar
GL Greenland|GM Gambia|GN Guinea|GP Guadeloupe|GQ Equatorial Guinea|GR Greece
GS South Georgia and the South Sandwich Islands|GT Guatemala|GU Guam|GW Guinea-Bissau|GY Guyana
HK Hong Kong|HM Heard Island and McDonald Islands|HN Honduras|HR Croatia|HT Haiti|HU Hungary
ID Indonesia|IE Ireland|IL Israel|IM Isle of Man|IN India|IO British Indian Ocean Territory|IQ Iraq
IR Iran|IS Iceland|IT Italy|JE Jersey|JM Jamaica|JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan
KH Cambodia|KI Kiribati|KM Comoros|KN Saint Kitts and Nevis|KP North Korea|KR South Korea|KW Kuwait
KY Cayman Islands|KZ Kazakhstan|LA Laos|LB Lebanon|LC Saint Lucia|LI Liechtenstein|LK Sri Lanka
LR Liberia|LS Lesotho|LT Lithuania|LU Luxembourg|LV Latvia|LY Libya|MA Morocco|MC Monaco|MD Moldova
ME Montenegro|MF Saint Martin|MG Madagascar|MH Marshall Islands|MK North Macedonia|ML Mali
MM Myanmar|MN Mongolia|MO Macao|MP Northern Mariana Islands|MQ Martinique|MR Mauritania|MS Montserrat
MT Malta|MU Mauritius|MV Maldives|MW Malawi|MX Mexico|MY Malaysia|MZ Mozambique|NA Namibia
NC New Caledonia|NE Niger|NF Norfolk Island|NG Nigeria|NI Nicaragua|NL Netherlands|NO Norway|NP Nepal
NR Nauru|NU Niue|NZ New Zealand|OM Oman|PA Panama|PE Peru|PF French Polynesia|PG Papua New Guinea
PH Philippines|PK Pakistan|PL Poland|PM Saint Pierre and Miquelon|PN Pitcairn|PR Puerto Rico
PS Palestine|PT Portugal|PW Palau|PY Paraguay|QA Qatar|RE Réunion|RO Romania|RS Serbia|RU Russia
RW Rwanda|SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan|SE Sweden|SG Singapore
SH Saint Helena, Ascension and Tristan da Cunha|SI Slovenia|SJ Svalbard and Jan Mayen|SK Slovakia
SL Sierra Leone|SM San Marino|SN Senegal|SO Somalia|SR Suriname|SS South Sudan
ST São Tomé and Príncipe|SV El Salvador|SX Sint Maarten|SY Syria|SZ Eswatini
TC Turks and Caicos Islands|TD Chad|TF French Southern Territories|TG Togo|TH Thailand|TJ Tajikistan
TK Tokelau|TL Timor-Leste|TM Turkmenistan|TN Tunisia|TO Tonga|TR Türkiye|TT Trinidad and Tobago
TV Tuvalu|TW Taiwan|TZ Tanzania|UA Ukraine|UG Uganda|UM United States Minor Outlying Islands
US United States|UY Uruguay|UZ Uzbekistan|VA Vatican City|VC Saint Vincent and the Grenadines
VE Venezuela|VG British Virgin Islands|VI Virgin Islands of the United States|VN Vietnam|VU Vanuatu
WF Wallis and Futuna|WS Samoa|YE Yemen|YT Mayotte|ZA South Africa|ZM Zambia|ZW Zimbabwe
"""

_PARTS = """
US-AL Alabama|US-AK Alaska|US-AZ Arizona|US-AR Arkansas|US-CA California|US-CO Colorado
US-CT Connecticut|US-DE Delaware|US-DC District of Columbia|US-FL Florida|US-GA Georgia
US-HI Hawaii|US-ID Idaho|US-IL Illinois|US-IN Indiana|US-IA Iowa|US-KS Kansas|US-KY Kentucky
US-LA Louisiana|US-ME Maine|US-MD Maryland|US-MA Massachusetts|US-MI Michigan|US-MN Minnesota
US-MS Mississippi|US-MO Missouri|US-MT Montana|US-NE Nebraska|US-NV Nevada|US-NH New Hampshire
US-NJ New Jersey|US-NM New Mexico|US-NY New York|US-NC North Carolina|US-ND North Dakota
US-OH Ohio|US-OK Oklahoma|US-OR Oregon|US-PA Pennsylvania|US-RI Rhode Island
US-SC South Carolina|US-SD South Dakota|US-TN Tennessee|US-TX Texas|US-UT Utah|US-VT Vermont
US-VA Virginia|US-WA Washington|US-WV West Virginia|US-WI Wisconsin|US-WY Wyoming
US-AS American Samoa|US-GU Guam|US-MP Northern Mariana Islands|US-PR Puerto Rico
US-UM United States Minor Outlying Islands|US-VI Virgin Islands of the United States
CA-AB Alberta|CA-BC British Columbia|CA-MB Manitoba|CA-NB New Brunswick
CA-NL Newfoundland and Labrador|CA-NS Nova Scotia|CA-NT Northwest Territories|CA-NU Nunavut
CA-ON Ontario|CA-PE Prince Edward Island|CA-QC Quebec|CA-SK Saskatchewan|CA-YT Yukon
AU-ACT Australian Capital Territory|AU-NSW New South Wales|AU-NT Northern Territory
AU-QLD Queensland|AU-SA South Australia|AU-TAS Tasmania|AU-VIC Victoria|AU-WA Western Australia
"""

#: What people write for a country that has another code.
_MISNAMED = {"UK": "GB", "EN": "GB", "EL": "GR", "SF": "FI", "SU": "RU", "YU": "RS", "DD": "DE",
             "USA": "US", "GER": "DE", "JAP": "JP", "SWI": "CH"}  # fmt: skip


def _read(text: str) -> MappingProxyType[str, str]:
    rows = (row.partition(" ") for line in text.split("\n") for row in line.split("|") if row)
    return MappingProxyType({code: name for code, _, name in rows})


COUNTRIES = _read(_COUNTRIES)
PARTS = _read(_PARTS)
_SPLIT = frozenset(code[:2] for code in PARTS)


def name_of(code: str) -> str:
    """``Germany``; ``California, United States``; the code itself where it is none."""
    if code in PARTS:
        return f"{PARTS[code]}, {COUNTRIES[code[:2]]}"
    return COUNTRIES.get(code, code)


def checked(text: str) -> str:
    """The code meant by ``text``, in capitals; ConsentError, with the likely one, when it is none.

    A part of a country is only taken where the table of rules tells parts apart.
    """
    code = text.strip().upper().replace("_", "-")
    if code in COUNTRIES or code in PARTS:
        return code
    country = code.partition("-")[0]
    if country in COUNTRIES and "-" in code and country not in _SPLIT:
        raise ConsentError(
            f"{shown(text)!r} is not a jurisdiction that is told apart here",
            hint=f"For all of {COUNTRIES[country]}, write {country}.",
        )
    raise ConsentError(
        f"{shown(text)!r} is not a jurisdiction",
        hint=_suggest(code)
        or "Write a country's ISO code, with a state's where it matters: DE, GB, US-CA.",
    )


def _suggest(code: str) -> str | None:
    meant = _MISNAMED.get(code)
    if meant is None and f"US-{code}" in PARTS:
        meant = f"US-{code}"
    if meant is not None:
        return f"Did you mean {meant} ({name_of(meant)})?"
    by_name = {name.upper(): code for code, name in (COUNTRIES | PARTS).items()}
    near = [by_name[name] for name in difflib.get_close_matches(code, by_name, 3, 0.75)]
    if not near:
        # A letter too many, too few, wrong, or two the wrong way round.
        near = [one for one in PARTS if "-" in code and one[:2] == code[:2] and _is_near(one, code)]
        near += [one for one in COUNTRIES if "-" not in code and _is_near(one, code)]
    if not near or len(near) > 6:
        return None
    return f"Did you mean {' or '.join(f'{one} ({name_of(one)})' for one in near)}?"


def _is_near(one: str, other: str) -> bool:
    if sorted(one) == sorted(other):
        return True
    if len(one) == len(other):
        return len(one) > 2 and sum(a != b for a, b in zip(one, other, strict=True)) == 1
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return len(longer) - len(shorter) == 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )
