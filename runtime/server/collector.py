"""What Python's collector of cycles is spared in the processes of a server."""

import gc


def spare_collector() -> None:
    """Keep the collector from what lives as long as the process: modules, the tokenizer, the model, the routes.

    Call it when the process is ready to serve. Without it the collector goes through 200,000 such objects, for 0.1 s,
    again and again while requests come and go: everybody waits for it, and with 256 rows that write it takes a third
    of the engine's time. For a process of our own only: garbage of the moment would be kept for ever.
    """
    gc.collect()
    gc.freeze()
