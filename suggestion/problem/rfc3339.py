"""Times as text, RFC 3339 [Klyne2002]_, brought into one form whose text order is time order.

.. [Klyne2002] G. Klyne, C. Newman. Date and time on the internet: timestamps. RFC 3339, 2002.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

#: Length of the longest text that `canonical` returns.
LONGEST: Final = len("2026-11-21T22:29:33.123456789")

_DIGITS: Final = 9  # of a fraction; what Go's clients send
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def canonical(text: str) -> str:
    """The instant that `text` names: in UTC, without ``Z`` and without zeros that end a fraction.

    Of two instants the earlier one's text sorts first. Fractions are cut after nine digits. The
    years 0001 to 9999; a leap second, ``23:59:60``, is the first second of the next minute.

    Raises:
        ValueError: If it is no RFC 3339 time.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("must be an RFC 3339 time like 2026-01-31T09:30:00.25Z")
    *digits, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, digits)
    leap = second == 60
    try:
        instant = datetime(year, month, day, hour, minute, 59 if leap else second)
        if leap:
            instant += timedelta(seconds=1)
        if sign:
            if int(hours) > 23 or int(minutes) > 59:
                raise ValueError("offset out of range")
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            instant += -offset if sign == "+" else offset
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists, between the years 1 and 9999") from None
    whole = f"{text[:10]}T{text[11:19]}" if not leap and not sign else instant.isoformat()
    fraction = (fraction or "")[:_DIGITS].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
