"""The United States: a rule per state. Federal law asks for one party; states may ask for more.

The lists of states differ from each other. Where they do, the row is contested.
"""

from __future__ import annotations

from agent.capture.law.rule import Rule

_GUIDE = "Reporters Committee for Freedom of the Press, state guide; recordphonecall.com"
_GUIDE_OF = "2026-11-25"
_LISTS = "RCFP overview as given by docs.aquilsafety.com; recordphonecall.com"
_LISTS_OF = "2026-04"

# Where the guides agree that a participant may record, and by what.
_ONE_PARTY = {
    "AL": "Ala. Code 13A-11-30",
    "AK": "Alaska Stat. 42.20.310",
    "AZ": "A.R.S. 13-3005",
    "AR": "Ark. Code 5-60-120",
    "CO": "C.R.S. 18-9-303",
    "DC": "D.C. Code 23-542",
    "GA": "O.C.G.A. 16-11-66",
    "HI": "H.R.S. 803-42",
    "ID": "Idaho Code 18-6702",
    "IN": "Ind. Code 35-33.5",
    "IA": "Iowa Code 808B.2",
    "KS": "K.S.A. 21-6101",
    "KY": "K.R.S. 526.010",
    "LA": "La. R.S. 15:1303",
    "ME": "15 M.R.S.A. 710",
    "MN": "Minn. Stat. 626A.02",
    "MS": "Miss. Code 41-29-531",
    "MO": "Mo. Rev. Stat. 542.402",
    "NE": "Neb. Rev. Stat. 86-290",
    "NJ": "N.J.S.A. 2A:156A-4",
    "NM": "N.M.S.A. 30-12-1",
    "NY": "N.Y. Penal Law 250.05",
    "NC": "N.C.G.S. 15A-287",
    "ND": "N.D.C.C. 12.1-15-02",
    "OH": "O.R.C. 2933.52",
    "OK": "13 Okla. Stat. 176.4",
    "RI": "R.I.G.L. 11-35-21",
    "SC": "S.C. Code 17-30-30",
    "SD": "S.D.C.L. 23A-35A-20",
    "TN": "T.C.A. 39-13-601",
    "TX": "Tex. Penal Code 16.02",
    "UT": "Utah Code 77-23a-4",
    "VA": "Va. Code 19.2-62",
    "WV": "W. Va. Code 62-1D-3",
    "WI": "Wis. Stat. 968.31",
    "WY": "Wyo. Stat. 7-3-702",
}

_ALL_PARTY = {
    "CA": "Penal Code 632: a confidential call takes the consent of everybody in it.",
    "FL": "Fla. Stat. 934.03: everybody in the call has to consent.",
    "IL": "720 ILCS 5/14-2, of 2014: no secret recording of a private call without everybody's "
    "consent. What is written of the statute before it is out of date.",
    "MD": "Cts. & Jud. Proc. 10-402: everybody in the call has to consent.",
    "MA": "Ch. 272 s. 99: no secret recording; everybody has to know.",
    "MT": "Everybody in the call has to know of the recording; telling them does.",
    "NH": "Everybody in the call has to consent.",
    "PA": "Everybody in the call has to consent.",
    "WA": "Everybody in a private call has to consent; an announcement that is on the recording "
    "counts as that.",
}

ROWS: tuple[Rule, ...] = (
    Rule(
        "US",
        "unknown",
        "Federal law (18 U.S.C. 2511) asks for one party, states may ask for all: name the state.",
        _GUIDE,
        _GUIDE_OF,
    ),
    *(
        Rule(
            f"US-{state}",
            "one-party",
            f"A participant may record ({statute}).",
            _GUIDE,
            _GUIDE_OF,
        )
        for state, statute in _ONE_PARTY.items()
    ),
    *(
        Rule(f"US-{state}", "all-party", says, _LISTS, _LISTS_OF)
        for state, says in _ALL_PARTY.items()
    ),
    Rule(
        "US-CT",
        "all-party",
        "One party by criminal law; by civil law (52-570d) everybody in a phone call consents, or "
        "is told at its beginning, or hears a tone.",
        "recordphonecall.com; metaverselaw.com; RCFP guide",
        "2012",
        contested=True,
    ),
    Rule(
        "US-DE",
        "one-party",
        "Two statutes conflict, and courts have read them both ways.",
        "recordphonecall.com; metaverselaw.com; expert-opinion.com",
        _GUIDE_OF,
        contested=True,
    ),
    Rule(
        "US-MI",
        "one-party",
        "The statute (750.539c) reads as all-party; a court let a participant record.",
        "recordphonecall.com, on Sullivan v. Gray; RCFP guide",
        "2012",
        contested=True,
    ),
    Rule(
        "US-NV",
        "all-party",
        "The statute (NRS 200.620) reads as one-party; the state's supreme court reads it as "
        "all-party for phone calls.",
        "Lane v. Allstate, 114 Nev. 1176",
        "1998-12-08",
        contested=True,
    ),
    Rule(
        "US-OR",
        "one-party",
        "ORS 165.540: one party by phone, notice in person; some lists have it as all-party.",
        "recordphonecall.com; recordinglaw.com; wiretapping.uslegal.com",
        _GUIDE_OF,
        contested=True,
    ),
    Rule(
        "US-VT",
        "unknown",
        "No statute; some lists have it as all-party.",
        "recordphonecall.com; trustwaitinvestigate.blogspot.com",
        _GUIDE_OF,
        contested=True,
    ),
)
