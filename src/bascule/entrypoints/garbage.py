"""The garbage collector of a process that has begun its work."""

import gc


def collect_rarely() -> None:
    """What is loaded by now is looked through no more, and what is made from now on less often.

    A batch of rows is a hundred thousand objects, none of them garbage before it is written: at Python's own
    threshold of 700 new objects the collector looked at them again and again, for a tenth of all the work.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
