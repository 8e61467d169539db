# SPDX-License-Identifier: MIT
# limn's UI in a terminal that only listens: what it does is seen by the files that it makes.
import fcntl, os, pty, select, signal, struct, subprocess, termios, time

import harness


class Terminal:
    def __init__(self, faults, home, words, environment):
        self.faults, self.home, self.said, self.all = faults, home, b'', b''
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('4H', 30, 100, 0, 0))
        self.errors = open(home / 'errors', 'w+')
        self.p = subprocess.Popen([faults.limn, *words], env=dict(environment, TERM='xterm-256color'), cwd=home,
                                  stdin=slave, stdout=slave, stderr=self.errors, start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def read(self, seconds):
        """What comes within so many seconds; False: nothing did."""
        ready = select.select([self.master], [], [], seconds)[0]
        try:
            got = os.read(self.master, 65536) if ready else b''
        except OSError:  # nobody is at the other end
            got = b''
        self.said += got
        self.all += got
        return bool(got)

    def until(self, condition, seconds):
        end = time.monotonic() + seconds * self.faults.patience
        while not condition():
            if time.monotonic() > end or self.p.poll() is not None:
                return False
            self.read(0.05)
        return True

    def settle(self, seconds=2):
        """Until it says no more for a moment."""
        end = time.monotonic() + seconds * self.faults.patience
        while self.read(0.12) and time.monotonic() < end:
            pass

    def keys(self, *keys):
        for k in keys:
            try:
                os.write(self.master, k.encode())
            except OSError:
                return
            self.settle()

    def close(self, patient=20):
        """Quits as people do, then as a closed window does. The exit code, whether it had to be killed, and what it
        said."""
        for keys in (('\x1b', '\x1b', 'q'), ('s',), ('\x1b', '\x1b', 'q', 's')):
            if self.p.poll() is None:
                self.keys(*keys)
                self.until(lambda: self.p.poll() is not None, 3)
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGHUP)
            self.until(lambda: self.p.poll() is not None, patient)
        hangs = self.p.poll() is None
        if hangs:
            harness.end_all(self.home)
        self.p.wait()
        self.settle()
        os.close(self.master)
        self.errors.seek(0)
        return self.p.returncode, hangs, self.errors.read()
