"""A camera for `celery events --camera camera.Printer`: prints what the snapshot holds."""

from celery.events.snapshot import Polaroid


class Printer(Polaroid):
    """One line a snapshot: the workers and whether they live, the tasks and their states."""

    clear_after = False

    def on_shutter(self, state):
        workers = {name: worker.status_string for name, worker in state.workers.items()}
        tasks = {task.name: task.state for task in state.tasks.values()}
        print("snapshot", workers, tasks, flush=True)
