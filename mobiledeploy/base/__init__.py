"""What knows nothing of models: errors, files, JSON, progress, downloads, child processes.

`errors` holds every deliberate error with its exit status. `files` writes whole files or none.
`codec` turns dataclasses into JSON and back. `progress` is how a stage tells what it does.
`cache` is where downloads are kept, `locks` how processes share a folder of it. `programs` runs
others' programs, `child_process` our own functions on hostile bytes, `quiet` silences native
libraries. `arrays` reads .npz files that anybody may have written.
"""
