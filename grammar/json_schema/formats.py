"""String formats that are enforced: for each, an expression whose every match is of that format."""

from functools import cache

from ..notations.regex import parse_regex
from ..rules.expression import Expression

_HOST_LABEL = "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,20}"
_HOST = rf"{_HOST_LABEL}(?:\.{_HOST_LABEL}){{0,4}}"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,6}})?(?:Z|[+-]{_CLOCK})"
_COUNT = "[0-9]{1,4}"
_DURATION_TIME = rf"T(?:{_COUNT}H(?:{_COUNT}M(?:{_COUNT}S)?)?|{_COUNT}M(?:{_COUNT}S)?|{_COUNT}S)"
_DURATION_DATE = rf"(?:{_COUNT}Y(?:{_COUNT}M(?:{_COUNT}D)?)?|{_COUNT}M(?:{_COUNT}D)?|{_COUNT}D)"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ATOM = "[A-Za-z0-9_+-]{1,30}"
_SEGMENT = "[A-Za-z0-9._~-]"
_URI = rf"https?://{_HOST}(?::[1-9][0-9]{{0,3}})?(?:/{_SEGMENT}{{0,60}}){{0,16}}(?:\?[A-Za-z0-9._~=&-]{{0,200}})?"
_HEXTET = "[0-9a-fA-F]{1,4}"
_POINTER_STEP = "(?:[A-Za-z0-9 _.-]|~[01])*"

_PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": f"P(?:{_COUNT}W|{_DURATION_DATE}(?:{_DURATION_TIME})?|{_DURATION_TIME})",
    "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "ipv4": rf"{_OCTET}(?:\.{_OCTET}){{3}}",
    "hostname": _HOST,
    "email": rf"{_ATOM}(?:\.{_ATOM}){{0,1}}@{_HOST_LABEL}(?:\.{_HOST_LABEL}){{1,4}}",
    "idn-email": rf"{_ATOM}(?:\.{_ATOM}){{0,1}}@{_HOST_LABEL}(?:\.{_HOST_LABEL}){{1,4}}",
    "idn-hostname": _HOST,
    "ipv6": rf"(?:{_HEXTET}:){{7}}{_HEXTET}|(?:{_HEXTET}(?::{_HEXTET}){{0,2}})?::(?:{_HEXTET}(?::{_HEXTET}){{0,2}})?",
    "json-pointer": rf"(?:/{_POINTER_STEP})*",
    "relative-json-pointer": rf"(?:0|[1-9][0-9]{{0,3}})(?:#|(?:/{_POINTER_STEP})*)",
    "regex": r"[A-Za-z0-9 _-]*",
    "byte": "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?",
    "uri-reference": rf"{_URI}|(?:/{_SEGMENT}{{1,60}}){{1,16}}",
    "iri": _URI,
    "iri-reference": rf"{_URI}|(?:/{_SEGMENT}{{1,60}}){{1,16}}",
    "uri-template": rf"{_URI}(?:/\{{[A-Za-z0-9_]{{1,30}}\}}){{0,4}}",
    "uri": _URI,
}

ENFORCED_FORMATS = frozenset(_PATTERNS)
"""What is generated is a safe part of the format: e-mail addresses without quotes, URIs with http or https, ..."""
PLAIN_FORMATS = frozenset(("password", "binary", "float", "double"))
"""Formats that say how a value is used, not how it is written: every value is of them."""
INTEGER_FORMATS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
"""OpenAPI's formats of integers, as bounds."""


@cache
def format_expression(name: str) -> Expression:
    """The strings of an enforced format."""
    return parse_regex(_PATTERNS[name])
