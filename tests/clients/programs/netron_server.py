"""Serve a file in Netron, print the address, and wait to be killed: MODEL."""

import sys
import threading


def main(model: str) -> None:
    import netron

    host, port = netron.start(model, browse=False)
    sys.stdout.write(f"http://{host}:{port}/\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
