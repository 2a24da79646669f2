"""A process for the tests to kill: `driver.py fit FOLDER [--die-writing EPOCH]`, or `driver.py cli ARGUMENT...`.

`cli` is the `mbhelpers` command with the thin backbone in MobileNet's place.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contract import test_fit, tiny
from mbhelpers.models import families


def run_fit(folder: Path, die_writing: int) -> None:
    """Train the long run of test_fit; die with half of the state of that epoch written."""
    import numpy as np

    written = 0
    savez = np.savez

    def dying(stream, **arrays):
        nonlocal written
        written += 1
        if written == die_writing:
            stream.write(b"half a file")
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        savez(stream, **arrays)

    np.savez = dying
    test_fit.train(folder, test_fit.LONG)


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "fit":
        run_fit(Path(rest[0]), int(rest[2]) if len(rest) > 1 else 0)
    else:
        from mbhelpers import cli

        families.build_backbone = tiny.thin_backbone
        sys.argv[1:] = rest
        cli.main()
