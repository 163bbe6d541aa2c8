"""Recording of JAX's compilations."""

import contextlib

import jax


@contextlib.contextmanager
def compilations():
    """Yields a list of the programs compiled within the context."""
    made = []

    def listen(event, duration, **about):
        if event == "/jax/core/compile/backend_compile_duration":
            made.append(about)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield made
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
