"""The OpenAPI description of the paths about outcomes."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.openapi_words import LIST, NUMBER, TEXT, WHOLE, object_of, path_of

#: What metric attributions have counted.
OUTCOMES: Final[Mapping[str, Any]] = {
    "/sartor/v1/metric-attributions/{metricAttributionArn}/values": {
        "get": path_of(
            "What a metric attribution has counted in the last `seconds` before `until`, in points of `step` "
            "seconds, by `source`, `campaign` or `version`.",
            object_of(
                metricAttributionArn=TEXT,
                by=TEXT,
                since=WHOLE,
                until=WHOLE,
                stepSeconds=WHOLE,
                starts={**LIST, "items": WHOLE},
                metrics=LIST,
                series={
                    **LIST,
                    "items": object_of(
                        metricName=TEXT, of=TEXT, values={**LIST, "items": NUMBER}, total=NUMBER
                    ),
                },
                firstWindow=WHOLE,
                lastWindow=WHOLE,
            ),
            ("path", "metricAttributionArn", True),
            *(("query", name, False) for name in ("seconds", "until", "step", "by")),
        )
    }
}
