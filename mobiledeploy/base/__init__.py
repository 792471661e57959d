"""What does not depend on models: errors, files, JSON, progress, downloads, child processes.

* `errors`: all errors that mobiledeploy raises, with their exit statuses.
* `files`: files that are written whole or not at all, and checks of paths.
* `codec`: strict JSON for frozen dataclasses.
* `npz`: reads `.npz` files from any source safely.
* `progress`: events that say what a stage is doing.
* `download_cache`: the folder in which downloads are kept.
* `programs`: runs external programs.
* `child_process`: calls one of our functions in a child process.
* `heap`: keeps the threads of a process on one heap.
* `fork_server`: starts child processes quickly.
* `quiet`: keeps the messages of native libraries off stderr.
"""
