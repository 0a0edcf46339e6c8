"""Writes lines of JSON for schemathesis, which knows no such media type."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return json.dumps(value).encode() + b"\n"
