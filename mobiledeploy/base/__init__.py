"""What knows nothing of models: errors, files, JSON, progress, downloads, child processes.

* `errors`: all errors that mobiledeploy raises, with their exit statuses.
* `files`: files that are written whole or not at all, and checks of paths.
* `codec`: strict JSON for frozen dataclasses.
* `npz`: reads `.npz` files that may come from anywhere.
* `progress`: events that tell what a stage is doing.
* `download_cache`: the folder in which downloads are kept.
* `programs`: runs external programs.
* `child_process`: calls one of our functions in a process of its own.
* `quiet`: keeps the messages of native libraries off stderr.
"""
