"""Keeps what real Celery writes into a body, in every form: crates/apium-bodies/tests/golden/.

From the root of the project:

    .venvs/celery-5.7/bin/python interop/capture/bodies.py

Each case is a line of bodies.jsonl: the form, the bytes in base64, and what kombu reads from them, as its JSON. The bombs are
made here too: a few bytes that unpack to a hundred million.
"""

import base64
import datetime
import decimal
import json
import os
import pathlib
import pickle
import sys
import uuid

from celery import Celery, chain, chord
from celery.backends.base import compress_payload
from celery.security.serialization import SecureSerializer
from celery.security.certificate import Certificate, FSCertStore
from celery.security.key import PrivateKey
from kombu.compression import compress
from kombu.serialization import dumps, enable_insecure_serializers, loads

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from keys import certificate  # noqa: E402

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/apium-bodies/tests/golden"
UTC = datetime.timezone.utc
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

app = Celery("capture")


@app.task(name="app.add")
def add(x, y):
    return x + y


PLAIN = [
    [None, True, False, 0, -1, 127, 128, -32, -33, 255, 256, 65535, 65536, 2**31, -(2**31), 2**63 - 1, -(2**63), 2**64 - 1],
    [0.0, -0.0, 1.5, 1e22, 1e-7, 5e-324, 1.7976931348623157e308],
    ["", "a", "é😀\u2028\x7f\t\"\\/ \x00\x85", "x" * 300, "y" * 70000],
    ["yes", "no", "on", "null", "~", "1", "0x1f", "010", "1:30", "1.5", ".5", "1e5", "2026-01-02", "- a", "a: b", "#", "<<", "=", " x ", "\n", "a\nb\n"],
    [[], {}, [[]], {"a": {"b": [1, {"c": None}]}}, {"ключ": ["値", ""], "k" * 200: 1}],
    list(range(20)),
    {str(n): n for n in range(20)},
]
MOMENTS = [
    datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    datetime.datetime(2026, 1, 2, 3, 4, 5),
    datetime.datetime(2026, 1, 2, 23, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))),
    datetime.date(2026, 1, 2),
]
BINARY = [b"", b"abc", b"\xff\x00", b"z" * 300]
TAGGED = [decimal.Decimal("1.10"), uuid.UUID(int=5), datetime.time(1, 2, 3), datetime.time(1, 2, 3, 4)]


def body(*args):
    return [list(args), {"key": "value"}, EMBED]


def cases():
    shared = [1, 2, {"three": 3}]
    yield "msgpack", body(*PLAIN, BINARY)
    yield "yaml", body(*PLAIN, BINARY, MOMENTS)
    yield "yaml", body(shared, shared, {"again": shared})
    yield "pickle", body(*PLAIN, BINARY, MOMENTS, TAGGED, 10**30, -(2**70))
    yield "pickle", body(shared, shared, {"again": shared})
    yield "json", body(*PLAIN, BINARY, MOMENTS, TAGGED, 10**30)
    canvas = [chain(add.s(1, 2), add.s(3)), chord([add.s(1, 2), add.s(3, 4)], add.s(5))]
    yield "msgpack", body(*json.loads(json.dumps(canvas)))
    yield "pickle", body(*canvas)


def line(**members):
    return json.dumps({name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in members.items()})


def raw(value):
    return value if isinstance(value, bytes) else value.encode()


def as_json(value):
    return dumps(value, serializer="json")[2]


def signed(name, serializer, value, store):
    key, cert = certificate(name)
    if store:
        (GOLDEN / "certs").mkdir(exist_ok=True)
        (GOLDEN / "certs" / f"{name}.pem").write_text(cert)
    signer = SecureSerializer(PrivateKey(key), Certificate(cert), FSCertStore(str(GOLDEN / "certs")), serializer=serializer)
    return raw(signer.serialize(value))


def main():
    enable_insecure_serializers()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    lines = []
    for serializer, value in cases():
        content_type, content_encoding, packed = dumps(value, serializer=serializer)
        lines.append(line(serializer=serializer, content_type=content_type, content_encoding=content_encoding, body=raw(packed), json=as_json(loads(packed, content_type, content_encoding, force=True))))
    for protocol in range(6):
        value = body("text", 1, -300, 2**40, 1.5, [1], {"a": (1, 2)}, b"\xff", MOMENTS[0], uuid.UUID(int=7))
        lines.append(line(serializer="pickle", content_type="application/x-python-serialize", content_encoding="binary", body=pickle.dumps(value, protocol=protocol), json=as_json(value)))
    (GOLDEN / "bodies.jsonl").write_text("\n".join(lines) + "\n")

    lines = []
    text = as_json(body("compress me " * 500)).encode()
    for name in ["gzip", "bzip2", "lzma", "zstd", "brotli"]:
        packed, content_type = compress(text, name)
        stored = compress_payload(text, name)
        bomb, _ = compress(b" " * 100_000_000, name)
        lines.append(line(name=name, content_type=content_type, packed=packed, stored=stored, bomb=bomb, json=text.decode()))
    (GOLDEN / "compressed.jsonl").write_text("\n".join(lines) + "\n")

    lines = []
    for name, serializer, store in [("one", "json", True), ("two", "pickle", True), ("stranger", "json", False)]:
        value = body("signed", 1)
        lines.append(line(name=name, body=signed(name, serializer, value, store), json=as_json(value)))
    (GOLDEN / "signed.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    os.umask(0o022)
    main()
