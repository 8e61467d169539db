# SPDX-License-Identifier: MIT
# What people do with limn, small enough to be done thousands of times, and what must hold afterwards whatever failed
# meanwhile. A scenario prepares a home, says the words of its command, and looks at what is left: each complaint is one
# sentence; an empty list is well.
import array, fcntl, json, os, pathlib, shutil, sqlite3, struct, sys, threading, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

import harness, limn_test, terminal
from harness import checkpoint_step, digest, leftovers, library_faults, log_faults, png_fault, tensors_fault


class Ground:
    """What all scenarios start from, made once: a model of 8 x 8 pixels, a training at step 2, a library, a pack."""
    def __init__(self, faults):
        sys.path.insert(0, os.path.join(faults.source, 'tests'))
        import tiny_training
        self.faults, self.home = faults, faults.home('ground')
        self.samples = pathlib.Path(faults.source) / 'app/templates/samples'
        self.picture = self.samples / 'snail-noto.png'
        tiny_training.make(faults.source, self.home / 'training')
        self.training = self.home / 'training'
        recipe = self.training / 'small.yaml'
        recipe.write_text(
            recipe.read_text().replace('save_every: 100000', 'save_every: 2').replace('steps: 1000000', 'steps: 8'))
        self.must('data', 'pack', 'pictures', 'small.pack', '--size', '8', '--roles', 'none', '--workers', '1')
        self.must('train', 'small.yaml', '--device', 'cpu', '--until', '2')
        self.model = self.training / 'run/model'
        self.old = self.home / 'old.png'  # a picture that stands where another is to be written
        self.must(*self.draw('--no-library', '--seed', '7', '-o', str(self.old)))
        self.must('library', 'import', str(self.old))
        self.must('library', 'rate', '1', '5')
        self.kept = [(str(self.old), 5)]

    def must(self, *words):
        outcome = self.faults.run(self.home, words, cwd=self.training)
        if outcome.code != 0:
            raise SystemExit(f'faults: {words}: {outcome.said}')

    def lora(self):
        """One that changes a product of the model."""
        path = self.home / 'lora.safetensors'
        if not path.exists():
            weights = limn_test.tensors_of(self.model / 'unet/diffusion_pytorch_model.safetensors')
            name, (_, (rows, columns), _) = next((n, t) for n, t in weights.items() if n.endswith('to_q.weight'))
            stem = name.removesuffix('.weight')
            limn_test.safetensors(path, {f'{stem}.lora_A.weight': ('F32', [1, columns], struct.pack('<f', 1) * columns),
                                         f'{stem}.lora_B.weight': ('F32', [rows, 1], struct.pack('<f', .01) * rows)})
        return path

    def draw(self, *more):
        return ('instruct', 'Draw [ref#1]', '--ref', f'1={self.picture}@edge', '--model',
                str(getattr(self, 'model', '')), '--steps', '2',
                '--preview', 'none', '--device', 'cpu', *more)


class Scenario:
    roles = ('limn', 'worker', 'fork', 'keeper', 'look')
    kinds = None  # of calls that fail; all
    short = False  # whether it takes part in the short form

    def __init__(self, ground):
        self.ground = ground
        self.good = None  # digests of what a run without faults makes

    def prepare(self, home):
        pass

    def words(self, home):
        raise NotImplementedError

    def look(self, home, outcome):
        return []

    def run(self, home, fault=None, count=False):
        return self.ground.faults.run(home, self.words(home), fault, count, cwd=home)

    def made(self, home, name, outcome, old=None):
        """A file that a run writes: the old one whole, or the new one whole, and after success the new one."""
        path = home / name
        if not path.exists():
            return [f'{name}: neither the old file nor a new one is there'] if old else \
                   [f'{name} is not there, and limn said that all was well'] if outcome.code == 0 else []
        now = digest(path)
        if self.good is None:
            self.good = {}
        if not outcome.hits and outcome.code == 0:
            self.good.setdefault(name, now)
        if now == self.good.get(name):
            return []
        if old and now == digest(old):
            return [f'{name} is the old file, and limn said that all was well'] if outcome.code == 0 else []
        return [f'{name} is neither the old file nor the new one']


class Generate(Scenario):
    name = 'generate to a file'

    def prepare(self, home):
        shutil.copy(self.ground.old, home / 'out.png')

    def words(self, home):
        return self.ground.draw('--no-library', '--seed', '3', '-o', 'out.png')

    def look(self, home, outcome):
        return self.made(home, 'out.png', outcome, self.ground.old)


class Sweep(Generate):
    """Its sheet is put together and written by limn itself; the letters on it are drawn by a child."""
    name = 'generate a sweep'
    roles = ('limn', 'look')
    kinds = ('memory', 'map', 'write-file', 'thread')

    def words(self, home):
        return self.ground.draw('--no-library', '--seed', '3', '--sweep', 'steps=1,2', '-o', 'out.png')


class Standard(Scenario):
    name = 'generate to standard output'
    roles = ('limn',)

    def words(self, home):
        return self.ground.draw('--no-library', '--seed', '3', '-o', '-')

    def run(self, home, fault=None, count=False):
        with open(home / 'out.png', 'wb') as out:
            return self.ground.faults.run(home, self.words(home), fault, count, cwd=home, stdout=out)

    def look(self, home, outcome):
        return self.made(home, 'out.png', outcome) if outcome.code == 0 else []


class Pipe(Standard):
    """Into a pipe that is full at first and does not wait, as another program may have made it."""
    name = 'generate into a full pipe'

    def run(self, home, fault=None, count=False):
        ours, theirs = os.pipe()
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(theirs, False)
        before = os.write(theirs, b'x' * 4096)
        with open(home / 'out.png', 'wb') as out:
            def drain():
                time.sleep(0.7)
                left = before
                while data := os.read(ours, 1024):
                    out.write(data[left:])
                    left -= min(left, len(data))
            reader = threading.Thread(target=drain)
            reader.start()
            outcome = self.ground.faults.run(home, self.words(home), fault, count, cwd=home, stdout=theirs)
            os.close(theirs)
            reader.join()
        os.close(ours)
        return outcome


class Threads(Generate):
    """With threads that compute; libgomp ends its process where it gets none."""
    name = 'generate with threads'
    kinds = ('thread',)

    def run(self, home, fault=None, count=False):
        return self.ground.faults.run(home, self.words(home), fault, count, cwd=home, more=dict(OMP_NUM_THREADS='3'))


class Library(Scenario):
    """Pictures that were drawn are in the library, or, where they could not be stored, in the spool."""
    name = 'generate with a library'
    short = True

    def prepare(self, home):
        shutil.copytree(self.ground.home / 'data', home / 'data')

    def words(self, home):
        return self.ground.draw('--seed', '3', '--count', '2', '-o', str(home / 'out.png'))

    def look(self, home, outcome):
        faults = library_faults(home, self.ground.kept)
        files = {str(home / f'out-{i}.png') for i in (1, 2)}
        there = {file for file in files if os.path.exists(file)}
        faults += [f'{file}: {png_fault(pathlib.Path(file).read_bytes())}' for file in there
                   if png_fault(pathlib.Path(file).read_bytes())]
        if outcome.code == 0:
            faults += [f'{file} is not there, and limn said that all was well' for file in files - there]
            recorded = {file for file,
                        _ in harness.rows(home / 'data/limn/library.db', 'SELECT file, rating FROM picture')}
            told = 'library' in outcome.said
            faults += [f'{file} is not in the library, and limn did not say so' for file in there - recorded
                       if not told]
        return faults


class Ask(Scenario):
    """A command of `limn library`; what a query may say when it has failed, and what it says when it has not."""
    roles = ('limn',)

    def __init__(self, ground, name, words, query, before, after):
        super().__init__(ground)
        self.name, self.command, self.query, self.before, self.after = 'library ' + name, words, query, before, after

    def prepare(self, home):
        shutil.copytree(self.ground.home / 'data', home / 'data')
        (home / 'more').mkdir()
        for i in range(3):
            shutil.copy(self.ground.old, home / f'more/{i}.png')

    def words(self, home):
        return ('library', *self.command)

    def look(self, home, outcome):
        keeps = [] if self.name.endswith(('rate', 'delete')) else self.ground.kept
        faults = library_faults(home, keeps)
        if not faults and self.query:
            now = harness.rows(home / 'data/limn/library.db', self.query)[0][0]
            told = outcome.code != 0 or 'could not be read' in outcome.said
            if now != self.after and not (told and now in self.before):
                faults.append(f'{self.query}: {now}, not {self.after}; exit code {outcome.code}')
        return faults


class Train(Scenario):
    name = 'train'
    short = True
    roles = ('limn', 'worker', 'command', 'fork')
    until, begun = 4, False

    def prepare(self, home):
        for name in ('model', 'tasks.json', 'small.yaml', 'small.pack'):
            os.symlink(self.ground.training / name, home / name)
        if self.begun:
            shutil.copytree(self.ground.training / 'run', home / 'run')
        recipe = home / 'small.yaml'
        text = recipe.read_text()
        recipe.unlink()
        recipe.write_text(text)
        for name in ('model', 'small.pack', 'tasks.json'):  # a recipe names nothing outside of its folder
            (home / name).unlink()
            source = self.ground.training / name
            shutil.copytree(source, home / name) if source.is_dir() else shutil.copy(source, home / name)

    def words(self, home):
        return ('train', 'small.yaml', '--device', 'cpu', '--until', str(self.until),
                *(['--resume'] if self.begun else []))

    def look(self, home, outcome):
        run, faults = home / 'run', log_faults(home / 'run/log.jsonl')
        for f in run.rglob('*.safetensors') if run.exists() else []:
            faults += [f'{f.relative_to(home)}: {x}' for x in [tensors_fault(f)] if x]
        checkpoint = run / 'checkpoint.safetensors'
        step = checkpoint_step(checkpoint) if checkpoint.exists() and not faults else 0
        if self.begun and not checkpoint.exists() and not (run / 'checkpoint.previous.safetensors').exists():
            faults.append('the checkpoint is gone')
        if outcome.code == 0 and step != self.until:
            faults.append(f'the checkpoint is of step {step}, and limn said that all was well')
        if self.begun and step and step < 2:
            faults.append(f'the checkpoint is of step {step}, it was of 2')
        return faults

    def again(self, home):
        """The next start goes on where the last save was, and takes away what is left over."""
        begun = any((home / f'run/{name}').exists()
                    for name in ('checkpoint.safetensors', 'checkpoint.previous.safetensors'))
        rest = (home / 'run').exists() and any((home / 'run').iterdir())
        words = ('train', 'small.yaml', '--device', 'cpu', '--until', '6',
                 *(['--resume'] if begun else ['--force'] if rest else []))
        outcome = self.ground.faults.run(home, words, cwd=home)
        faults = [f'the next start: {outcome.code} {outcome.said}'] if outcome.code else []
        if not faults and checkpoint_step(home / 'run/checkpoint.safetensors') != 6:
            faults.append('the next start does not reach step 6')
        return faults + log_faults(home / 'run/log.jsonl')


class Resume(Train):
    name = 'train --resume'
    begun, short = True, False


class Pack(Scenario):
    name = 'data pack'
    short = True
    roles = ('limn', 'worker', 'command', 'fork', 'keeper', 'look')

    def prepare(self, home):
        (home / 'pictures').mkdir()
        for f in sorted((self.ground.training / 'pictures').iterdir())[:6]:
            shutil.copy(f, home / 'pictures')
        shutil.copy(self.ground.training / 'small.pack', home / 'out.pack')

    def words(self, home):
        return ('data', 'pack', 'pictures', 'out.pack', '--size', '8', '--roles', 'edge', '--workers', '2')

    def look(self, home, outcome):
        told = 'could not be used' in outcome.said or 'cannot be read' in outcome.said or 'left out' in outcome.said
        faults = self.made(home, 'out.pack', outcome, self.ground.training / 'small.pack')
        # Pictures that could not be read are left out, which is said; the pack is whole.
        return [] if told and not tensors_fault(home / 'out.pack') else faults


class Load(Scenario):
    name = 'load'

    def prepare(self, home):
        shutil.copy(self.ground.old, home / 'out.png')

    def words(self, home):
        return ('load', 'edge', str(self.ground.picture), 'out.png')

    def look(self, home, outcome):
        return self.made(home, 'out.png', outcome, self.ground.old)


class Index(Scenario):
    name = 'index'
    roles = ('limn', 'worker', 'command', 'fork', 'keeper', 'look')

    def prepare(self, home):
        shutil.copy(self.ground.training / 'small.pack', home)
        shutil.copy(self.ground.old, home / 'out.index')

    def words(self, home):
        return ('index', 'small.pack', '--model', str(self.ground.model), '--device', 'cpu', '-o', 'out.index')

    def look(self, home, outcome):
        faults = self.made(home, 'out.index', outcome, self.ground.old)
        if not outcome.hits and outcome.code == 0:
            self.right = self.tables(home)
        if not faults or not outcome.hits:
            return faults
        # Kernels other than oneDNN's, where it could make none, round in other ways: the last bit of a vector.
        try:
            whole = harness.rows(home / 'out.index', 'PRAGMA integrity_check') == [('ok',)]
            (told, vectors), (right, right_vectors) = self.tables(home), self.right
            near = len(vectors) == len(right_vectors) and all(abs(a - b) <= 1 for a, b in zip(vectors, right_vectors))
            return [] if whole and told == right and near else faults
        except sqlite3.Error:
            return faults

    def tables(self, home):
        """What an index tells of its pictures, and their vectors: numbers of -127 to 127."""
        ask = lambda sql: harness.rows(home / 'out.index', sql)
        told = [ask(f'SELECT * FROM {table} ORDER BY 1') for table in ('style', 'entry', 'picture')]
        return told, array.array('b', b''.join(row for row, in ask('SELECT rows FROM vectors ORDER BY id')))


class Folder(Scenario):
    """A model that is there when it is whole, and not before."""
    roles = ('limn', 'worker', 'command', 'fork')
    folder = None

    def look(self, home, outcome):
        index = home / self.folder / 'model_index.json'
        if outcome.code == 0 and not index.exists():
            return ['there is no model, and limn said that all was well']
        faults = [f'{f.name}: {x}' for f in index.parent.rglob('*.safetensors') if index.exists()
                  for x in [tensors_fault(f)] if x]
        checked = None
        if index.exists() and not faults:
            checked = self.ground.faults.run(home, ('models', 'check', self.folder))
        return faults + ([f'what is there is no model: {checked.said}'] if checked and checked.code else [])

    def again(self, home):
        if (home / self.folder).exists():
            shutil.rmtree(home / self.folder)
        outcome = self.ground.faults.run(home, self.words(home))
        return [f'the next try: {outcome.code} {outcome.said}'] if outcome.code else []


class Merge(Folder):
    name, folder = 'models merge', 'merged'

    def words(self, home):
        return ('models', 'merge', str(self.ground.model), 'merged', '--lora', str(self.ground.lora()))


class Add(Scenario):
    """A model of files in several places."""
    name = 'models add'
    roles = ('limn', 'worker', 'command', 'fork')

    def words(self, home):
        parts = pathlib.Path(self.ground.faults.source) / 'tests/reference/golden/flux2'
        return ('models', 'add', 'mine', *(str(parts / f) for f in (
            'transformer/diffusion_pytorch_model.safetensors', 'text_encoder/model.safetensors',
            'vae/diffusion_pytorch_model.safetensors', 'tokenizer/tokenizer.json')))

    def look(self, home, outcome):
        return self.made(home, 'data/limn/models/mine.yaml', outcome)

    def again(self, home):
        outcome = self.ground.faults.run(home, self.words(home))
        return [f'the next try: {outcome.code} {outcome.said}'] if outcome.code else self.look(home, outcome)


class Gallery(Scenario):
    """Of the UI, played by a script: a picture without its text, and a contact sheet, are written."""
    name = 'the gallery writes'
    roles = ('limn',)
    kinds = ('write-file', 'create', 'sync', 'rename', 'open', 'memory', 'close')

    def prepare(self, home):
        shutil.copytree(self.ground.home / 'data', home / 'data')
        limit = 5 * self.ground.faults.patience # something that failed may leave the screen unsettled for good
        (home / 'play').write_text(f'limit {limit}\nkeys 3\nwait 1 picture\nkeys E ^U\ntype {home}/plain.png\nkeys Enter\n'
                                   'settle\nsave -\n'
                                   f'keys C ^U\ntype {home}/all.png\nkeys Enter\nsettle\nsave -\n')

    def words(self, home):
        return ('--script', 'play', '--preview', 'none')

    def look(self, home, outcome):
        faults = library_faults(home, self.ground.kept)
        for name, says in (('plain.png', 'has the picture alone'), ('all.png', '1 picture on')):
            if (home / name).exists():
                faults += [f'{name}: {x}' for x in [png_fault((home / name).read_bytes())] if x]
            elif says in outcome.out:
                faults.append(f'{name} was said to be written, and is not there')
        return faults


class Reads(Scenario):
    """A command that writes nothing."""
    def __init__(self, ground, name, words, roles):
        super().__init__(ground)
        self.name, self.command, self.roles = name, words, roles

    def words(self, home):
        return self.command

    def look(self, home, outcome):
        made = [f for f in leftovers(home)]
        return [f'it left {made}'] if made else []


class Detach(Scenario):
    """A training by itself, whose end is waited for: its record tells of it."""
    name = 'train --detach'
    roles = ('limn', 'worker', 'command', 'fork')
    prepare, look = Train.prepare, None
    begun = False

    def words(self, home):
        return ('train', 'small.yaml', '--device', 'cpu', '--until', '4', '--detach')

    def look(self, home, outcome):
        gone = harness.wait_gone(home, 30)
        faults = [] if gone else ['a process goes on and on']
        if not gone:
            harness.end_all(home)
        said = self.ground.faults.run(home, ('jobs', '--json'))
        try:
            jobs = json.loads(said.out)
        except ValueError:
            return faults + [f'limn jobs --json: {said.code} {said.said}']
        if outcome.code == 0 and len(jobs) != 1:
            faults.append(f'limn said that it runs, and there are {len(jobs)} jobs')
        faults += [f'job {j["id"]} is {j["state"]}' for j in jobs if j['state'] == 'running']
        for f in (home / 'run').rglob('*.safetensors') if (home / 'run').exists() else []:
            faults += [f'{f.relative_to(home)}: {x}' for x in [tensors_fault(f)] if x]
        return faults


class Screen(Scenario):
    """The UI: an instruction is written, kept as a template, drawn; what was written is there at the next start."""
    name = 'the UI'
    words_of_it = 'a small snail'

    def prepare(self, home):
        shutil.copytree(self.ground.home / 'data', home / 'data')

    def run(self, home, fault=None, count=False):
        faults = self.ground.faults
        more, page = faults.preload(home, fault, count)
        t = terminal.Terminal(faults, home, ['--preview', 'none', '--theme', 'dark'],
                              dict(faults.environment(home, LIMN_MODEL=str(self.ground.model)), **more))
        t.until(lambda: b'references' in t.said, 5)
        t.keys('i', self.words_of_it, '\x1b', ':', 'steps 2', '\r', 'w', 'mine', '\r')
        t.until(lambda: (home / 'data/limn/templates/mine.yaml').exists(), 1)
        t.keys('\x07')
        t.until(lambda: list((home / 'data/limn/pictures').glob('*.png')), 2)
        code, hangs, said = t.close()
        self.restored = b'\x1b[?1049l' in t.said or b'\x1b[?1049h' not in t.said
        return harness.Outcome(code, '', said, hangs, *faults.read_page(page))

    def look(self, home, outcome):
        faults = library_faults(home, self.ground.kept)
        template = home / 'data/limn/templates/mine.yaml'
        if template.exists():
            faults += self.made(home, 'data/limn/templates/mine.yaml', outcome)
        if not self.restored and outcome.code >= 0:
            faults.append('the terminal is not as it was')
        for f in (home / 'data/limn/pictures').glob('*.png'):
            faults += [f'{f.name}: {x}' for x in [png_fault(f.read_bytes())] if x]
        session = "SELECT text FROM session WHERE key='compose'"
        kept = [] if faults else harness.rows(home / 'data/limn/library.db', session)
        lost = not kept or self.words_of_it not in kept[0][0]
        if outcome.code == 0 and not outcome.said and not outcome.hits and lost:
            faults.append(f'what was written was not kept: {kept}')
        return faults


def all_of(ground):
    count = 'SELECT count(*) FROM picture'
    client = ('limn',)
    through = ('limn', 'worker', 'command', 'fork')
    return [
        Generate(ground), Sweep(ground), Threads(ground), Standard(ground), Pipe(ground), Library(ground),
        Ask(ground, 'list', ['list'], count, [1], 1),
        Ask(ground, 'rate', ['rate', '1', '3'], 'SELECT rating FROM picture', [5], 3),
        Ask(ground, 'tag', ['tag', '1', 'snail'], 'SELECT tags FROM picture', [''], 'snail'),
        Ask(ground, 'import', ['import', 'more'], count, [1, 2, 3], 4),
        Ask(ground, 'delete', ['delete', '1'], 'SELECT deleted FROM picture', [0], 1),
        Train(ground), Resume(ground), Detach(ground), Pack(ground), Load(ground),
        Index(ground), Merge(ground), Add(ground),
        Screen(ground), Gallery(ground),
        Reads(ground, 'templates', ('templates',), client),
        Reads(ground, 'models check', ('models', 'check', str(ground.model)), through),
        Reads(ground, 'jobs', ('jobs',), ('limn', 'worker', 'fork')),
    ]
