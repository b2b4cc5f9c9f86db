"""The guard: a tiny process that kills all workers should the server die without having stopped them.

It reads `+ pgid` and `- pgid` lines; the end of its input means that the server is gone, whatever killed it.
"""

import os
import subprocess

_SCRIPT = """
trap '' HUP INT QUIT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
exit 0
"""


class Guard:
    """Owns the guard process. `start` before the first worker, `stop` after the last one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def start(self) -> None:
        """Raises OSError where there is no shell."""
        read_end, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(read_end)

    def watch(self, group: int) -> None:
        """This process group dies with the server."""
        self._tell(b"+ %d\n" % group)

    def release(self, group: int) -> None:
        """It has ended by itself."""
        self._tell(b"- %d\n" % group)

    def stop(self) -> None:
        """End the guard; safe twice."""
        if self._process is None:
            return
        os.close(self._pipe)
        self._process.wait()
        self._process = None

    def _tell(self, line: bytes) -> None:
        if self._process is None:
            return
        try:
            os.write(self._pipe, line)
        except (BlockingIOError, BrokenPipeError):
            return  # a guard that was killed or stopped protects no more; the workers still see the end of their pipes
