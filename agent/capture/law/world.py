"""The countries of which something is known, but for the United States."""

from __future__ import annotations

from agent.capture.law.rule import Rule

_READ = "2026-11-25"
_TIA = (
    " Federal law (TIA s. 7) bars interception of what passes over the network; whether recording "
    "inside the phone is that is argued."
)
_AU = "workingwiththelaw.net; spokephone.com; wottonkearney.com"

ROWS: tuple[Rule, ...] = (
    Rule(
        "AT",
        "one-party",
        "StGB 120: recording what was meant for oneself is no crime, passing it on without "
        "consent is; civil courts hold secret recordings unlawful as a rule.",
        "argedaten.at on StGB 120; laimboeck.at on the civil side",
        _READ,
        contested=True,
    ),
    Rule(
        "AU",
        "unknown",
        "The states differ: name the state." + _TIA,
        _AU,
        _READ,
        contested=True,
    ),
    *(
        Rule(
            f"AU-{state}",
            "one-party",
            f"By the state's law a participant may record; publishing is another matter.{_TIA}",
            _AU,
            _READ,
            contested=True,
        )
        for state in ("VIC", "QLD", "NT")
    ),
    *(
        Rule(
            f"AU-{state}",
            "all-party",
            "Everybody has to consent, or an exception has to apply.",
            _AU,
            _READ,
        )
        for state in ("NSW", "TAS", "WA", "SA", "ACT")
    ),
    Rule(
        "CA",
        "one-party",
        "Criminal Code 184(2)(a): one party's consent; organisations have to give notice (PIPEDA).",
        "thelawyerfirm.com; theinfolist.com",
        _READ,
    ),
    Rule(
        "CH",
        "all-party",
        "StGB 179ter: everybody has to consent; exempt are emergency calls, and business orders "
        "and bookings (179quinquies).",
        "Federal Data Protection Commissioner's page; Bundesblatt 97.462",
        "2001-05-02",
    ),
    Rule(
        "CN",
        "unknown",
        "No statute on a participant's own calls is known here; courts take such recordings unless "
        "they gravely infringe others' rights (Civil Procedure Interpretation, art. 106).",
        "gzcourt.gov.cn 2017; clearwaylaw.cn",
        "2017",
    ),
    Rule(
        "DE",
        "all-party",
        "StGB 201: recording the non-public spoken word without authority is a crime, and so is "
        "using or passing on such a recording.",
        "StGB 201 as given by de.wikipedia.org; kujus-strafverteidigung.de",
        _READ,
    ),
    Rule(
        "ES",
        "one-party",
        "Recording one's own conversation breaks no secrecy; sharing it is limited by data "
        "protection.",
        "Constitutional Court, STC 114/1984, as given by belegal.com",
        "1984",
    ),
    Rule(
        "FR",
        "all-party",
        "Code pénal 226-1: private or confidential words take consent; purely professional ones "
        "were held to be no offence.",
        "baumann-avocats.com; Crim. 14 Feb 2006, 05-84.384",
        "2006-02-14",
    ),
    Rule(
        "GB",
        "one-party",
        "Recording for one's own use is lawful, disclosing it to others may not be; for businesses "
        "the Regulations of 2018 and the UK GDPR apply.",
        "computertel.co.uk; pulse.assent1.com, on the Investigatory Powers Act 2016 s. 3",
        "2018",
    ),
    Rule(
        "HK",
        "one-party",
        "No law forbids a participant to record; personal data has to be collected fairly (PDPO).",
        "Legislative Council, LCQ17 (info.gov.hk); recordinglaw.com",
        "2017-06-14",
    ),
    Rule(
        "IN",
        "unknown",
        "No statute on participants; a high court held secret recording of calls to breach "
        "article 21 of the constitution.",
        "Chhattisgarh High Court, Asha Lata Soni, as given by verdictum.in",
        "2023-10-05",
        contested=True,
    ),
    Rule(
        "IT",
        "one-party",
        "A participant's recording is no interception, and is evidence.",
        "Cass. 18908/2011, as given by diritto.it",
        "2011",
    ),
    Rule(
        "JP",
        "one-party",
        "A participant's recording without consent was held not unlawful; leaking it may be a tort.",
        "Supreme Court, 12 July 2000, as given by szoh-law.jp; mt-law.jp",
        "2000-07-12",
    ),
    Rule(
        "KR",
        "one-party",
        "A participant who records the call does not intercept it (Protection of Communications "
        "Secrets Act, art. 3).",
        "Supreme Court 2008do1237, 23 October 2008, as given by churchlaw.co.kr",
        "2008-10-23",
    ),
    Rule(
        "NL",
        "one-party",
        "The Criminal Code's articles 139a and 139c leave participants out.",
        "wikisum.wiki",
        _READ,
    ),
    Rule(
        "TW",
        "one-party",
        "Communication Security Act 29(3): no penalty for a participant without an unlawful purpose.",
        "lawyerli.tw; kuroda-law",
        _READ,
    ),
)
