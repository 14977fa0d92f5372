"""A process that has loaded and compiled what a training needs, and runs command lines in forks of itself.

``python forking.py ARGUMENTS`` runs ``workbench ARGUMENTS`` here first. Then it reads requests from standard input, one JSON
object per line: the ``arguments`` of ``workbench`` and a file ``err`` for its output. It answers with the number of the
process, and with its exit code, or minus the signal that ended it, when it has ended.
"""

import json
import os
import signal
import sys

from workbench import cli

for number in (signal.SIGINT, signal.SIGTERM):  # which jobs in the background of a shell ignore
    signal.signal(number, signal.SIG_DFL)
assert cli.run(sys.argv[1:]) == 0
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    pid = os.fork()
    if pid == 0:
        handle = os.open(request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.argv[1:] = request["arguments"]
        cli.main()
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
