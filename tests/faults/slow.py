#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A disk that takes its time, and a library that another program has locked: no key waits for them. What the UI reads
# or writes then takes seconds; meanwhile keys are pressed, each must change the screen within one, and in the end what
# was asked for is there.
# usage: slow.py LIMN SOURCE LOADERS SHIM [NAME...]
import concurrent.futures, hashlib, json, os, shutil, sqlite3, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

import harness, limn_test, scenarios, terminal
from limn_test import check

SECOND = 1.0
faults = harness.Faults(*sys.argv[1:5])
ground = scenarios.Ground(faults)


class Screen(terminal.Terminal):
    def __init__(self, name, slow='', words=(), prepare=None, **environment):
        self.name = name
        home = faults.home()
        shutil.copytree(ground.home / 'data', home / 'data')
        if prepare:
            prepare(home / 'data/limn/library.db')
        self.pictures, self.library = home / 'data/limn/pictures', home / 'data/limn/library.db'
        more, _ = faults.preload(home, None, True)
        super().__init__(faults, home, ['--preview', 'none', '--theme', 'dark', *words],
                         dict(faults.environment(home, LIMN_MODEL=str(ground.model)), **more, **environment,
                              FAULT_SLOW=slow))
        check(self.until(lambda: b'references' in self.said, 10), f'{name}: it starts')
        if not prepare:
            self.keys(':', 'steps 2', '\r')

    def pressed(self, seconds):
        """Presses keys for so long: how long the slowest took to be answered, and how many there were."""
        worst, count, end = 0, 0, time.monotonic() + seconds
        while time.monotonic() < end:
            self.settle(0.3)
            self.said, began = b'', time.monotonic()
            os.write(self.master, (b'8', b'7')[count % 2])
            self.until(lambda: self.said, 20)
            worst, count = max(worst, time.monotonic() - began), count + 1
        return worst, count

    def answers(self, seconds, *keys):
        """After `keys`, whose work takes so long at least."""
        os.write(self.master, ''.join(keys).encode())
        worst, count = self.pressed(seconds)
        check(count > 4 and worst < SECOND * faults.patience, f'{self.name}: of {count} keys one took {worst:.2f} s')
        print(f'{self.name}: {count} keys, each answered within {worst * 1000:.0f} ms')

    def drawn(self, count=1, seconds=30):
        there = lambda: len([f for f in self.pictures.glob('*.png') if not f.name.startswith('sheet')])
        return check(self.until(lambda: there() >= count, seconds),
                     f'{self.name}: {count} pictures are drawn, not {there()}')

    def rows(self, sql, wanted, seconds=20):
        read = lambda: harness.rows(self.library, sql)
        check(self.until(lambda: read() == wanted, seconds), f'{self.name}: {sql}: {read()}, not {wanted}')

    def close(self):
        code, hangs, said = super().close()
        check(code == 0 and not hangs, f'{self.name}: exit code {code}, {said}')
        check(not harness.library_faults(self.home, ground.kept),
              f'{self.name}: {harness.library_faults(self.home, ground.kept)}')


def a_picture_is_read():
    s = Screen('a picture on a slow disk', f'read:{ground.picture.name}:2000')
    s.keys(':', f'add {ground.picture}', '\r')
    check(s.until(lambda: b'[ref#1] is' in s.said, 20), 'it is added')
    s.answers(2.5, '\x07')
    s.drawn()
    s.close()


def an_instruction_is_opened():
    s = Screen('the record of a picture', 'read:old.png:2000')
    s.answers(2.5, f':open {ground.old}\r')
    s.keys('1')
    check(s.until(lambda: b'Draw' in s.said, 10), 'it is in the composer')
    s.close()


def a_library_is_written():
    s = Screen('a library on a slow disk', 'write:library.db-wal:150')
    s.keys('i', 'a snail', '\x1b')
    s.answers(2, '\x07')
    s.drawn()
    s.rows('SELECT count(*) FROM picture', [(2,)])
    s.keys('3')
    check(s.until(lambda: b'2 pictures' in s.all, 10), f'{s.name}: the gallery has both')
    s.answers(1, '*', '4')
    s.rows('SELECT rating FROM picture ORDER BY id DESC LIMIT 1', [(4,)])
    s.rows('SELECT state FROM job', [(1,)])
    s.close()
    kept = harness.rows(s.library, "SELECT text FROM session WHERE key='compose'")
    check('a snail' in kept[0][0], f'{s.name}: {kept}')


def a_library_is_locked():
    s = Screen('a library that is locked')
    s.keys('i', 'a snail', '\x1b')
    other = sqlite3.connect(s.library, isolation_level=None)
    other.execute('BEGIN IMMEDIATE')
    s.answers(2, '\x07')
    other.execute('ROLLBACK')
    other.close()
    s.drawn()
    s.rows('SELECT state FROM job', [(1,)])
    s.close()


def a_sheet_is_written():
    sheet = ground.home / 'swept-sheet.png'
    ground.must('generate', 'text', '--model', str(ground.model), '--steps', '2', '--sweep', 'seed=1..2', '--preview',
                'none', '--device', 'cpu', '--no-library', '-o', str(ground.home / 'swept.png'))
    s = Screen('a sheet on a slow disk', 'write:/pictures/.limn-:1500')
    s.keys(':', f'open {sheet}', '\r')
    check(s.until(lambda: b'a sweep of 2 pictures' in s.said, 10), 'its cells are offered')
    s.answers(6, '2R')
    s.drawn(2)
    check(s.until(lambda: list(s.pictures.glob('sheet-*.png')), 20), f'{s.name}: it is written')
    s.rows("SELECT count(*) FROM picture WHERE file LIKE '%/sheet-%'", [(1,)])
    s.close()


def earlier_limns_left_jobs():
    """Interrupted, with their pictures, which the library has: more of them than SQLite keeps in memory."""
    def leave(library):
        db = sqlite3.connect(library)
        for i in range(4):
            data, job = os.urandom(1 << 20), f'20260101-000000-0000000{i}'
            digest = hashlib.sha256(data).hexdigest()
            request = dict(id=job, instruction='Draw [ref#1]',
                           references=[dict(marker=1, file='a.png', hash=digest, settings=[])])
            db.execute('INSERT INTO job(id, created, request) VALUES(?, 0, ?)', (job, json.dumps(request)))
            db.execute('INSERT INTO input VALUES(?, ?)', (digest, data))
            db.execute('INSERT INTO job_input VALUES(?, ?)', (job, digest))
        db.commit()
        db.close()
    s = Screen('jobs of earlier limns', 'read:library.db:3', prepare=leave)
    s.answers(2)
    check(s.until(lambda: b'4 drawings were interrupted' in s.all, 20), 'they are offered')
    s.close()


def the_disk_answers_no_more():
    """When people leave: within eleven seconds limn ends all the same, and says what was not kept."""
    took, code, said = unanswered.result()
    check(took < 11 * faults.patience and code == 1 and 'the current instruction was not saved' in said,
          f'after {took:.1f} s: {code} {said}')
    print(f'a disk that answers no more: left after {took:.1f} s')


def leave_it():
    s = Screen('a disk that answers no more', 'write:library.db-wal:60000')
    s.keys('i', 'a snail', '\x1b')
    began = time.monotonic()
    s.keys('q')
    s.until(lambda: s.p.poll() is not None, 30)
    took = time.monotonic() - began
    return took, *terminal.Terminal.close(s)[::2]


def a_piece_of_a_training_comes():
    """From another machine, whose log and sheets are copied."""
    plan = ground.home / 'plan.json'
    plan.write_text(json.dumps(dict(asked=str(ground.home / 'asked'), jobs=['20260101-000000-00000001'], files={
        'log.jsonl': dict(size=9, data=b'{"a": 1}\n'.hex())})))
    s = Screen('a log on a slow disk', 'write:log.jsonl:1500', ('--host', 'h'),
               LIMN_SSH=f'{sys.executable} -S -E {faults.source}/tests/worker/host_edges.py --host {plan}')
    s.answers(2, '6')
    log = s.home / 'cache/limn/trainings/h/20260101-000000-00000001/log.jsonl'
    check(s.until(lambda: log.exists() and log.stat().st_size == 9, 10), f'{s.name}: it is copied')
    s.close()


limn_test.ONLY = sys.argv[5:]
# That one waits, and nothing else: beside the others.
if not limn_test.ONLY or 'the_disk_answers_no_more' in limn_test.ONLY:
    unanswered = concurrent.futures.ThreadPoolExecutor().submit(leave_it)
limn_test.run([a_picture_is_read, an_instruction_is_opened, a_library_is_written, a_library_is_locked,
               a_sheet_is_written, earlier_limns_left_jobs, a_piece_of_a_training_comes, the_disk_answers_no_more],
              faults.close)
