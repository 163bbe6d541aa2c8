"""What is compiled, as jax tells it."""

import contextlib

import jax


@contextlib.contextmanager
def compilations():
    """Lists the programs that are compiled within."""
    made = []

    def listen(event, duration, **about):
        if event == "/jax/core/compile/backend_compile_duration":
            made.append(about)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield made
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
