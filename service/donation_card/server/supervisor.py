"""Replace workers that end."""

from uvicorn.supervisors.multiprocess import Multiprocess


class Supervisor(Multiprocess):
    """Notice the end of a worker at once, also while it is being checked.

    uvicorn keeps the worker's end of the pipe open in this process. So a worker that is killed during a check looks
    like one that does not answer, until the timeout of the check.
    """

    def keep_subprocess_alive(self) -> None:
        for each in self.processes:  # each has started, so it has its own copy
            each.child_conn.close()
        super().keep_subprocess_alive()
