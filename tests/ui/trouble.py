#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The terminal UI in tmux while things go wrong: worker and UI killed, terminal gone, library damaged, disk full,
# clock changed, loaders that crash or hang.
# usage: trouble.py LIMN SOURCE LOADERS [NAME...]
import os, pathlib, re, signal, subprocess, sys, tempfile, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import LIMN, LOADERS, SLOW, check, run, work
from screen import Screen, start_drawing
from script import Home


def faults():
    s = Screen((100, 30))
    s.expect('references', 'start')
    start_drawing(s, 900)
    s.expect('step \\d+ of 900', 'it runs', 60)
    worker = s.pids()[1]
    os.kill(worker, signal.SIGKILL)
    s.expect('worker', 'the loss of the worker is said')
    end = time.monotonic() + 20 * SLOW
    while s.pids()[1] in (None, worker) and time.monotonic() < end:
        time.sleep(0.1)
    check(s.pids()[1] not in (None, worker), 'another worker is started')
    s.expect('loading the model|waiting for its turn', 'the job is offered to it', 60)
    s.expect('step \\d+ of 900', 'and drawn', 60)
    os.kill(s.pids()[0], signal.SIGSEGV) # a crash of the UI
    s.expect('^EXIT 139|^EXIT 1$', 'it crashed')
    check(re.search(r'(?<!-)icanon', s.text()) and re.search(r'(?<!-)\becho\b', s.text()),
          'the terminal is as it was after a crash', s)
    s.tmux('kill-server')
    # The worker goes on without; the next limn finds the job.
    again = Screen((100, 30), home=s.home)
    again.expect('references', 'start')
    again.keys('2')
    again.expect('step \\d+ of 900', 'the job is found again', 60)
    again.keys('x')
    again.expect('stopped', 'and stopped', 30)
    again.close()


def hang_up():
    s = Screen((100, 30))
    s.expect('references', 'start')
    start_drawing(s, 200)
    s.expect('step \\d+ of 200', 'it runs', 60)
    s.tmux('kill-server') # the terminal is gone
    time.sleep(0.5)
    end = time.monotonic() + 60 * SLOW
    while s.pids()[1] and time.monotonic() < end:
        time.sleep(0.2)
    check(s.pids() == (None, None), 'limn ended, and its worker when it was done')
    s = Screen((100, 30), home=s.home)
    s.keys('3')
    s.expect('1 picture,', 'the picture was not lost', 20)
    s.close()


def damaged_library():
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    (home / 'data/limn').mkdir(parents=True)
    (home / 'data/limn/library.db').write_bytes(b'SQLite format 3\0' + b'\xff' * 5000)
    s = Screen((120, 30), home=home)
    s.expect('damaged', 'a damaged library is said')
    s.keys('3')
    s.expect('0 pictures', 'and the gallery works')
    check(list((home / 'data/limn').glob('library.db.damaged-*')), 'the damaged file was kept')
    s.close()


def full_disk():
    # A limit on the size of files stands for a disk that is full: writes fail with a reason.
    s = Screen((100, 30), before='ulimit -f 4;')
    s.expect('references', 'start')
    start_drawing(s)
    s.expect('the worker keeps the picture', 'what failed is said', 60)
    for f in (s.home / 'data/limn/pictures').glob('*.png'):
        check(f.read_bytes().endswith(b'IEND\xaeB`\x82'), f'{f} is whole')
    s.close()


def clock_changed():
    # The clock of the day jumps a year back and ten forward while a picture is drawn.
    library = next(iter(pathlib.Path('/usr/lib').glob('*/faketime/libfaketime.so.1')), None)
    if not library:
        print('[  SKIPPED ] clock_changed: libfaketime is not there')
        return
    stamp = pathlib.Path(tempfile.mkdtemp(dir=work.name)) / 'clock'

    def offset(text):
        part = stamp.with_suffix('.part')  # never seen half-written
        part.write_text(text)
        part.rename(stamp)
    offset('+0')
    # Of limn alone, not of the shell around it. The sanitizer's runtime must be loaded first, and must not look at
    # the clock from within malloc(): libfaketime allocates when it is first asked.
    linked = subprocess.run(['ldd', LIMN], capture_output=True, text=True).stdout
    first = re.findall(r'=> (\S*/libasan\.so\S*)', linked)
    s = Screen((100, 30), env={'FAKETIME_TIMESTAMP_FILE': str(stamp), 'FAKETIME_NO_CACHE': '1',
                               'FAKETIME_DONT_FAKE_MONOTONIC': '1',
                               'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') +
                                               ':allocator_release_to_os_interval_ms=-1'},
               before=f"LD_PRELOAD='{' '.join(first + [str(library)])}'")
    s.expect('references', 'start')
    start_drawing(s, 60)
    s.expect('step \\d+ of 60', 'it runs', 60)
    offset('-365d')
    s.expect('done in', 'it is drawn while the clock goes back', 60)
    s.keys('r')
    s.expect('step \\d+ of 60', 'once more', 60)
    offset('+3650d')
    s.expect('done in \\d', 'and while it goes forward', 60)
    end = time.monotonic() + 30
    while len(list((s.home / 'data/limn/pictures').glob('*.png'))) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    s.keys('3')
    s.expect('2 pictures, newest first', 'both are in the gallery', 20)
    years = sorted(int(p.name[:4]) for p in (s.home / 'data/limn/pictures').glob('*.png'))
    check(years[0] == years[-1] - 1, f'the clock did jump: {years}')
    s.keys('1', 'i')
    s.type(' a hen')
    time.sleep(1.5)
    os.kill(s.pids()[0], signal.SIGKILL)
    s.tmux('kill-server')
    again = Screen((100, 30), home=s.home)
    again.expect('a hen', 'the session was kept')
    again.close()


def bad_loaders():
    # tests/loaders/bad: a loader that does what it is told: copy, crash, hang, eat memory.
    bad = pathlib.Path(LOADERS).parent / 'tests/loaders/bad-none.so'
    if not check(bad.exists(), f'{bad} is built'):
        return
    folder = tempfile.mkdtemp(dir=work.name)
    os.symlink(bad, f'{folder}/bad-none.so')
    s = Screen((120, 40),
               env={'LIMN_LOADER_PATH': f'{LOADERS}:{folder}', 'LIMN_LOADER_SECONDS': '4', 'LIMN_LOADER_MEMORY': '200'})
    s.expect('references', 'start')
    s.keys('a', 'Tab', 'Tab', 'Enter')
    s.expect('role {3}', 'the form')
    s.keys('Down')
    for _ in range(8):
        if re.search('loader +< bad-none', s.text()):
            break
        s.keys('Right')
    s.expect('loader +< bad-none', 'the loader is chosen')
    s.keys('Down', 'Right')
    s.expect('loader bad-none.*(crash|signal|died)', 'a crash is named', 20)
    s.keys('Right')
    s.expect('do +< hang', 'the next one hangs')
    began = time.monotonic()
    s.keys('Up')
    s.expect('loader +< bad-none', 'limn goes on while it hangs', 3)
    s.expect('loader bad-none took more than 4 s', 'a hang is ended and named', 20)
    check(3 < time.monotonic() - began < 10 * SLOW, f'at the limit: {time.monotonic() - began:.1f} s')
    s.keys('Down', 'Right')
    s.expect('loader bad-none.*no memory after', 'a glutton is named', 60)
    worker = s.pids()[1]
    children = ' '.join(p.read_text() for p in pathlib.Path(f'/proc/{worker}/task').glob('*/children')).split()
    check(not children, f'none of them is left: {children}')
    s.keys('F9', 'i')
    s.type(' a hen')
    s.expect('a hen', 'limn goes on')
    s.close()


def slow_loader():
    """`settle` of a script waits until the loader of the chosen reference has ended."""
    bad = pathlib.Path(LOADERS).parent / 'tests/loaders/bad-none.so'
    h, folder = Home(), tempfile.mkdtemp(dir=work.name)
    os.symlink(bad, f'{folder}/bad-none.so')
    screen = h.play('size 100x40\nwait references\nkeys a\nwait ref#1. is\nkeys S-Tab Enter\nwait role {3}\nsettle\n'
                    'keys Down Right Down Right Right\nwait do +< hang\nsettle\nsave -', 'a loader that hangs',
                    LIMN_LOADER_PATH=folder, LIMN_LOADER_SECONDS='1')
    check('loader bad-none took more than 1' in screen, 'is waited for', screen)


tests = [faults, hang_up, damaged_library, full_disk, clock_changed, bad_loaders, slow_loader]


if __name__ == '__main__':
    run(tests)
