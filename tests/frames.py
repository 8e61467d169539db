# SPDX-License-Identifier: MIT
# The worker's frames as docs/worker.md describes them: a second implementation, for tests.
import json, struct


def frame(head, payload=b''):
    text = json.dumps(head, ensure_ascii=False).encode('utf-8', 'surrogatepass')
    return b'LMN1' + struct.pack('<IQ', len(text), len(payload)) + text + payload


def take(stream):
    """The next (head, payload), or None at the stream's end."""
    start = stream.read(16)
    if len(start) < 16:
        return None
    assert start[:4] == b'LMN1', start
    n, m = struct.unpack('<IQ', start[4:])
    return json.loads(stream.read(n)), stream.read(m)
