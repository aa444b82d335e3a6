"""Pictures, video and sound without any model: Pillow, numpy and FFmpeg (by PyAV).

Nothing that a stranger made is decoded in the agent's own process. `pool` keeps a few child processes that are shut in
(`child`): they get open files and nothing else, and a file that crashes one, or makes it too large or too slow, costs
that one job. `engine` says what is offered and puts jobs' files and results in place; every other module runs in a
child.
"""
