#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# limn models get against a hub of our own that speaks https: what it fetches and leaves, and every way in which
# that may go wrong. A model is there when it is whole, and not before. usage: hub.py LIMN SOURCE LOADERS
# Exit 77 without openssl, which makes the hub's certificate, or where limn was built without libcurl.
import hashlib, http.server, json, os, pathlib, re, shutil, signal, ssl, subprocess, sys, threading, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import GOLDEN, LIMN, SLOW, SOURCE, check, environment, finish, skip, until, work

if not shutil.which('openssl'):
    sys.exit(77)
os.chdir(work.name)
golden = GOLDEN / 'flux2'
NAME, COMMIT = 'maker/tiny-klein', '0123456789abcdef0123456789abcdef01234567'
FILES = {str(p.relative_to(golden)): p.read_bytes() for p in golden.rglob('*')
         if p.is_file() and (p.parent != golden or p.name == 'model_index.json')}
BIG = 'transformer/diffusion_pytorch_model.safetensors'
EXTRA = {'flux-2-klein-4b.safetensors': b'a second copy', 'README.md': b'words', 'LICENSE.md': b'Apache',
         'transformer/diffusion_pytorch_model.fp16.safetensors': b'a variant',
         'vae/diffusion_pytorch_model.bin': b'pickle',
         'text_encoder/model.onnx': b'other', 'tokenizer/vocab.json': b'{}', '../../evil': b'x',
         'vae/../../evil.json': b'x',
         'vae/deep/config.json': b'{}'}
ALL = {**FILES, **EXTRA}
NEEDED = {'LICENSE.md', 'README.md', 'model_index.json', 'scheduler/scheduler_config.json', 'tokenizer/tokenizer.json',
          'tokenizer/tokenizer_config.json',
          *(f'{part}/config.json' for part in ('text_encoder', 'transformer', 'vae')), 'text_encoder/model.safetensors',
          *(f'{part}/diffusion_pytorch_model.safetensors' for part in ('transformer', 'vae'))}


def git(data):
    return hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()


def sibling(path):
    data = ALL[path]
    out = dict(rfilename=path, size=len(data), blobId=git(data))
    if path.endswith('.safetensors'):
        out['lfs'] = dict(sha256=hashlib.sha256(data).hexdigest(), size=len(data), pointerSize=134)
    return out


class Hub(http.server.BaseHTTPRequestHandler):
    """What it does of each kind is in `how`, by the name of the fault; `seen` has what it was asked."""
    how, seen, protocol_version = {}, [], 'HTTP/1.1'

    def log_message(self, *a):
        pass

    def answer(self, status, body=b'', **headers):
        self.send_response(status)
        self.send_header('Content-Length', headers.pop('length', len(body)))
        for key, value in headers.items():
            self.send_header(key.replace('_', '-'), value)
        self.end_headers()
        self.wfile.write(body)

    def api(self):
        how = Hub.how
        if how.get('status'):
            return self.answer(how['status'], b'no', **({'Retry_After': '1'} if how['status'] == 429 else {}))
        if 'json' in how:
            return self.answer(200, how['json'])
        model = dict(id=NAME, sha=COMMIT, gated=how.get('gated', False), siblings=[sibling(p) for p in ALL],
                     cardData=dict(license='apache-2.0', license_link='https://example.org/licence'))
        if how.get('without'):
            model['siblings'] = [s for s in model['siblings'] if s['rfilename'] != how['without']]
        self.answer(200, json.dumps(model).encode())

    def do_GET(self):
        how, path, first = Hub.how, self.path, 0
        asked = self.headers.get('Range')
        Hub.seen.append((self.server.server_port, path, asked, self.headers.get('Authorization')))
        if path.startswith('/api/models/'):
            return self.api() if path.startswith(f'/api/models/{NAME}?') else self.answer(404, b'none')
        part = path.split(f'/{NAME}/resolve/{COMMIT}/')[-1].lstrip('/')
        if self.server is not elsewhere and how.get('redirect', True) and part.endswith('.safetensors'):
            to = how.get('to', f'https://localhost:{elsewhere.server_port}/{part}')
            return self.answer(302, b'', Location=to,
                               X_Linked_Etag='"%s"' % hashlib.sha256(ALL.get(part, b'')).hexdigest())
        if how.get('forbidden') == part:
            return self.answer(403, b'no')
        if part not in ALL:
            return self.answer(404, b'none')
        body, status, headers = ALL[part], 200, {}
        whole = len(body)
        if asked and not how.get('no ranges'):
            first = int(asked[6:].split('-')[0])
            if first >= whole:
                return self.answer(416, b'')
            body, status = body[first:], 206
            headers['Content_Range'] = f'bytes {first}-{whole - 1}/{whole}'
        fault = how.get(part) or how.get('any')
        if fault and fault.get('times', 1) > 0:
            fault['times'] = fault.get('times', 1) - 1
            return self.fault(fault, status, body, headers)
        self.answer(status, body, **headers)

    def fault(self, fault, status, body, headers):
        kind, half = fault['kind'], len(body) // 2
        if kind == 'status':
            return self.answer(fault['status'], b'no')
        if kind == 'range':
            return self.answer(206, body, Content_Range=fault['says'])
        if kind == 'endless':
            self.send_response(404)
            self.end_headers()
            while True:
                self.wfile.write(bytes(1 << 16))
        if kind == 'damaged':
            return self.answer(status, bytes([body[0] ^ 1]) + body[1:], **headers)
        if kind == 'short':  # less than the hub's list says, and whole by itself
            return self.answer(status, body[:half], **headers)
        if kind == 'long':
            return self.answer(status, body + b'more', **headers)
        self.send_response(status)
        self.send_header('Content-Length', len(body))
        for key, value in headers.items():
            self.send_header(key.replace('_', '-'), value)
        self.end_headers()
        self.wfile.write(body[:half])
        self.wfile.flush()
        if kind == 'cut':
            self.close_connection = True
            self.connection.close()
        elif kind == 'stalled':
            time.sleep(fault.get('seconds', 3))
            self.close_connection = True
        elif kind == 'full':
            time.sleep(0.5)  # what was sent has been written
            fault['do']()
            self.wfile.write(body[half:])


def serve():
    server = http.server.ThreadingHTTPServer(('localhost', 0), Hub)
    server.daemon_threads = True
    server.handle_error = lambda *a: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain('cert.pem', 'key.pem')
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                '-days', '2', '-subj', '/CN=localhost',
                '-addext', 'subjectAltName=DNS:localhost', '-keyout', 'key.pem', '-out', 'cert.pem'], check=True,
               capture_output=True)
hub, elsewhere = serve(), serve()
ENDPOINT = f'https://localhost:{hub.server_port}'
home = pathlib.Path('home').absolute()
models = home / '.local/share/limn/models'
model = models / 'tiny-klein'


def start(*args, env={}, direct=False, **more):
    """direct: as a worker's child runs it, without limn and its worker around it, which costs a third."""
    return subprocess.Popen([LIMN, *(['worker', '--run'] if direct else []), 'models', 'get', *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                            env=dict(environment(home, HF_ENDPOINT=ENDPOINT, SSL_CERT_FILE=os.path.abspath('cert.pem')),
                                     **env), **more)


def get(*args, code=0, says='', how={}, clean=True, env={}):
    """Runs it once under a fault; what is there afterwards is a whole model or none."""
    if clean:
        shutil.rmtree(home, ignore_errors=True)
    home.mkdir(exist_ok=True)
    Hub.how, Hub.seen[:] = {k: dict(v) if isinstance(v, dict) else v for k, v in how.items()}, []
    p = start(*args, env=env, direct=not env and '--host' not in args)
    try:
        out, errors = p.communicate(timeout=60 * SLOW)
    except subprocess.TimeoutExpired:
        p.kill()
        out, errors = p.communicate()
        check(False, f'{args} with {how} hangs')
    what = f'{args} with {how}: exit code {p.returncode}: {out} {errors}'
    check(p.returncode == code, what)
    check(says in out + errors, f'"{says}" is not said: {what}')
    sentences = [l for l in errors.splitlines() if l.startswith('limn: ') and 'trying again' not in l]
    check(len(sentences) == (code != 0), f'one sentence: {what}')
    if (model / 'model_index.json').exists():
        check(whole(), f'a model that is not whole: {what}')
    return out + errors


def whole():
    there = {str(p.relative_to(model)): p.read_bytes() for p in model.rglob('*') if p.is_file()}
    words = {'LICENSE.md', 'README.md'}  # a hub may have none
    return {k: v for k, v in there.items() if k not in words} == {k: ALL[k] for k in NEEDED - words} and \
        all(there.get(k, ALL[k]) == ALL[k] for k in words)


if 'without libcurl' in subprocess.run([LIMN, 'models', 'get', NAME], capture_output=True, text=True,
                                       env=environment(work.name)).stderr:
    sys.exit(77)

# What is fetched, and what is not.
said = get(NAME, says='apache-2.0, https://example.org/licence')
check(whole() and (model / 'README.md').exists() and (model / 'LICENSE.md').exists(),
      f'the files that are needed and no others: {sorted(str(p) for p in model.rglob("*"))}')
check('--model tiny-klein' in said and not list(home.rglob('*evil*')), said)
paths = [s[1] for s in Hub.seen]
check(paths[-1].endswith('model_index.json'), 'what makes it a model comes last')
check(not any('.bin' in p or '2-klein-4b' in p for p in paths),
      'what limn does not read is not asked for')
check(all(s[3] is None for s in Hub.seen), 'no token where there is none')
before = len(Hub.seen)
get(NAME, clean=False)
check(len(Hub.seen) == 2, 'what is there is not fetched again')
p = subprocess.run([LIMN, 'models', 'check', 'tiny-klein'], capture_output=True, text=True, env=environment(home))
check(p.returncode == 0, f'it is whole for limn: {p.stderr}')
get(f'{ENDPOINT}/{NAME}', '--as', 'other')
check((models / 'other/model_index.json').exists(), 'by the address of its page, with a name of its own')

# The token goes to the hub and nowhere else.
for env in ({'HF_TOKEN': 'hf_secret'}, {'HF_HOME': os.path.abspath('hf')}):
    pathlib.Path('hf').mkdir(exist_ok=True)
    pathlib.Path('hf/token').write_text('hf_secret\n')
    said = get(NAME, env=env)
    check({s[3] for s in Hub.seen if s[0] == hub.server_port} == {'Bearer hf_secret'}, 'the hub gets the token')
    check({s[3] for s in Hub.seen if s[0] != hub.server_port} == {None}, 'no other host gets it')
    check('hf_secret' not in said, 'nobody is shown it')
for status in (401, 403):
    get(NAME, code=1, says='put your token into $HF_TOKEN', how={'status': status})
    get(NAME, code=1, says='check that your token may read it', how={'status': status}, env={'HF_TOKEN': 'hf_secret'})
get(NAME, code=1, says='not allowed', how={'forbidden': BIG})
get('maker/none', code=2, says='no model maker/none')
get(NAME, code=2, says='limn models add', how={'without': 'model_index.json'})
get(NAME, code=2, says='no weights of its vae', how={'without': 'vae/diffusion_pytorch_model.safetensors'})

# What passes is tried again, from where it stopped; what does not is said.
said = get(NAME, how={BIG: dict(kind='cut')})
check(whole() and f'bytes={len(ALL[BIG]) // 2}-' in [s[2] for s in Hub.seen], f'gone on with where it broke: {said}')
said = get(NAME, how={BIG: dict(kind='cut', times=2), 'no ranges': True})
check(whole(), f'from its beginning, where the server knows no parts: {said}')
get(NAME, '--timeout', '1', how={BIG: dict(kind='stalled')})
check(whole(), 'a server that falls silent')
for status in (500, 503, 429):
    get(NAME, how={BIG: dict(kind='status', status=status)})
    check(whole(), f'a {status} that passes')
get(NAME, code=1, says='answers 404', how={BIG: dict(kind='status', status=404)})
get(NAME, how={BIG: dict(kind='short')})
check(whole(), 'less than was said')
get(NAME, code=1, says='the server sends more', how={BIG: dict(kind='long')})
get(NAME, code=1, says='is not what the hub has (its SHA-256 is wrong)', how={BIG: dict(kind='damaged')})
check(not (model / (BIG + '.partial')).exists(), 'and is removed')
get(NAME, clean=False)
check(whole(), 'the next time it comes')
get(NAME, code=1, says='its SHA-1 is wrong', how={'vae/config.json': dict(kind='damaged')})
# What went on from something wrong is fetched anew.
get(NAME, code=1, says='not allowed', how={'forbidden': BIG})
(model / (BIG + '.partial')).parent.mkdir(parents=True, exist_ok=True)
(model / (BIG + '.partial')).write_bytes(b'x' * 100)
get(NAME, clean=False)
check(whole(), 'a partial file that is not what it says')
get(NAME, code=1, how={BIG: dict(kind='status', status=404)})
(model / (BIG + '.partial')).write_bytes(ALL[BIG] + b'x' * 100)
get(NAME, clean=False)
check(whole(), 'a partial file that is too long')

# Redirections, and what is not https.
get(NAME, how={'redirect': False})
check(whole(), 'without any')
get(NAME, code=1, says='redirects too often', how={'to': f'{ENDPOINT}/{NAME}/resolve/{COMMIT}/{BIG}'})
get(NAME, code=2, says='not an https address', how={'to': f'http://localhost:{elsewhere.server_port}/{BIG}'})
get(NAME, code=2, says='not an https address', how={'to': f'file://{work.name}/key.pem'})
get(NAME, code=1, says='certificate', env={'SSL_CERT_FILE': '/etc/ssl/certs/ca-certificates.crt'})
get(NAME, code=1, says='localhost', env={'HF_ENDPOINT': 'https://localhost:1'})

# What the hub says of a model is not believed.
for text in (b'', b'[]', b'{', b'{"sha": 1, "siblings": []}', b'{"sha": "../x", "siblings": []}', b'null', b'[' * 1000,
             b'x' * (17 << 20)):
    said = get(NAME, how={'json': text}, code=2 if text in (b'', b'{') or text[:2] == b'[[' else 1)
limit = int(re.search(r'LIMIT_HUB_BYTES = (\d+) << 20',
                      (pathlib.Path(SOURCE) / 'engine/base/limits.h').read_text())[1]) << 20
right = json.dumps(dict(sha=COMMIT, siblings=[sibling(p) for p in FILES])).encode()
get(NAME, how={'json': right.ljust(limit)})
get(NAME, code=1, says=f'longer than {limit} bytes', how={'json': right.ljust(limit + 1)})
largest = int(re.search(r'LIMIT_HUB_FILE_MEGABYTES = 1 << (\d+)',
                        (pathlib.Path(SOURCE) / 'engine/base/limits.h').read_text())[1]) + 20
for size, code, says in ((1 << largest, 1, 'has room for'), ((1 << largest) + 1, 2, 'no model_index.json'),
                         (2 ** 63 - 1, 2, 'no model_index.json')):
    files = [dict(sibling(p), size=size if p == 'model_index.json' else 1 << largest) for p in FILES]
    get(NAME, code=code, how={'json': json.dumps(dict(sha=COMMIT, siblings=files)).encode()}, says=says)
# Nor where a part is said to begin, and a refusal that does not end is not waited for.
for says in ('bytes 9223372036854775807-1/2', 'bytes -9-1/2', 'bytes 9999999999999999999999-/', 'nothing'):
    get(NAME, how={'model_index.json': dict(kind='range', says=says, times=99)})
    check(whole(), f'its sum is right, wherever it begins: {says}')
get(NAME, code=1, how={BIG: dict(kind='endless', times=99)}, says='answers 404')

# Stopped and gone on with; two at once.
shutil.rmtree(home)
home.mkdir()
Hub.how = {BIG: dict(kind='stalled', seconds=600)}
p = start(NAME)
partial = model / (BIG + '.partial')
until(lambda: partial.exists() and partial.stat().st_size, 'its beginning comes')
q = start(NAME)
check('another limn is downloading' in q.communicate(timeout=60 * SLOW)[1] and q.returncode == 1, 'one at a time')
p.send_signal(signal.SIGINT)
p.communicate(timeout=60 * SLOW)
check(p.returncode == 130 and partial.stat().st_size and not (model / 'model_index.json').exists(),
      'stopped, and what came is kept')
get(NAME, clean=False)
check(whole() and any(s[2] for s in Hub.seen), 'and gone on with')

# One file by its address.
url = f'{ENDPOINT}/{NAME}/resolve/{COMMIT}/{BIG}'
files = home / '.local/share/limn/files'
there = files / 'diffusion_pytorch_model.safetensors'
get(url, says=str(there))
check(there.read_bytes() == ALL[BIG], 'a file')
get(url, code=2, says='already exists', clean=False)
get(url, code=1, says='is not what the hub has', how={BIG: dict(kind='damaged')})
check(not there.exists(), 'the hub says its sum')
sha = hashlib.sha256(ALL[BIG]).hexdigest()
direct = f'https://localhost:{elsewhere.server_port}/{BIG}'
get(direct, '--sha256', sha, env={'HF_TOKEN': 'hf_secret'})
check(there.read_bytes() == ALL[BIG] and {s[3] for s in Hub.seen} == {None}, 'of any host, without the token')
get(direct, '--sha256', '0' * 64, code=1, says='is not what the hub has')
get(direct, '--sha256', 'zz', code=2, says='64 hexadecimal digits')
get(direct, how={BIG: dict(kind='cut')})
check(there.read_bytes() == ALL[BIG], 'broken and gone on with')
get(f'{ENDPOINT}/', code=2, says='does not end with the name of a file')

# On another machine: it fetches for itself, with what its own environment says, and what it says is seen here.
fake, far = pathlib.Path('ssh').absolute(), pathlib.Path('far').absolute()
far.mkdir()
fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 2\n'
                f'exec env HOME={far} XDG_STATE_HOME= XDG_CACHE_HOME= XDG_DATA_HOME= XDG_RUNTIME_DIR={far} '
                f'HF_ENDPOINT={ENDPOINT} '
                f'SSL_CERT_FILE={os.path.abspath("cert.pem")} HF_TOKEN=hf_far sh -c "$*"\n')
fake.chmod(0o755)
bridge = dict(LIMN_SSH=str(fake), LIMN_REMOTE=LIMN, HF_ENDPOINT='https://nowhere.invalid', HF_TOKEN='hf_near')
said = get(NAME, '--host', 'far', says='apache-2.0', env=bridge)
check(not models.exists() and (far / '.local/share/limn/models/tiny-klein/model_index.json').exists(),
      'it lies there, not here')
check(re.search(r'kB of .*/s', said) and f'{far}/.local' in said, f'how far it is, and where: {said}')
check({s[3] for s in Hub.seen if s[0] == hub.server_port} == {'Bearer hf_far'}, 'with that machine\'s token')
get('maker/none', '--host', 'far', code=2, says='no model maker/none', env=bridge)
(far / '.local/share/limn/models/tiny-klein' / BIG).unlink()
get(NAME, '--host', 'far', how={BIG: dict(kind='cut')}, env=bridge)
check((far / '.local/share/limn/models/tiny-klein' / BIG).read_bytes() == ALL[BIG], 'broken there, and gone on with')

# A full disk: before, and while it comes.
disk = pathlib.Path('home/.local/share/limn')
shutil.rmtree(home)
disk.mkdir(parents=True)
disk.chmod(0o700)
if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m,mode=700', 'tmpfs', str(disk)],
                  capture_output=True).returncode == 0:
    try:
        (disk / 'filler').write_bytes(bytes(2900 << 10))
        get(NAME, code=1, says='has room for', clean=False)
        os.unlink(disk / 'filler')

        def fill():
            try:
                with open(disk / 'filler', 'wb', 0) as f:
                    while f.write(bytes(4096)):
                        pass
            except OSError:
                pass
        ALL[BIG] = FILES[BIG] + os.urandom(1 << 20)  # more than what is left of a page
        get(NAME, code=1, says='No space left on device', how={BIG: dict(kind='full', do=fill)}, clean=False)
        os.unlink(disk / 'filler')
        get(NAME, clean=False)
        check(any(s[2] for s in Hub.seen), 'gone on with when there is room')
        ALL[BIG] = FILES[BIG]
    finally:
        subprocess.run(['umount', str(disk)])
else:
    skip('a full disk: nothing can be mounted here')

# The cache of the hub's own programs.
shutil.rmtree(home)
cache = home / '.cache/huggingface/hub/models--maker--tiny-klein'
(cache / 'blobs').mkdir(parents=True)
for path, data in FILES.items():
    link = cache / 'snapshots' / COMMIT / path
    link.parent.mkdir(parents=True, exist_ok=True)
    (cache / 'blobs' / git(data)).write_bytes(data)
    link.symlink_to(os.path.relpath(cache / 'blobs' / git(data), link.parent))


def limn(*args, code=0):
    p = limn_test.limn(*args, code=code, env=environment(home))
    return p.stdout + p.stderr


check('maker/tiny-klein' in limn('models', 'list'), 'it is listed')
for ref in (True, False):
    (cache / 'refs').mkdir(exist_ok=True)
    (cache / 'refs/main').write_text(COMMIT if ref else 'f' * 40)
    limn('models', 'check', NAME)
limn('instruct', 'a fox', '--model', NAME, '--size', '64', '--steps', '1', '--no-library', '-o', 'fox.png')
check(pathlib.Path('fox.png').exists(), 'and drawn with')
for wrong in ('maker/none', 'maker/../tiny-klein', '../tiny-klein', 'maker/'):
    check('there is no model' in limn('instruct', 'a fox', '--model', wrong, '--no-library', '-o', 'no.png',
                                      code=2), wrong)
finish()
