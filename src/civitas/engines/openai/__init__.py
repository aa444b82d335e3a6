"""Any server that speaks the OpenAI protocol: chats, prompts made better, captions, pictures, speech, transcripts.

`server` is the other side and what its answers mean, `engine` decides what is offered by what the operator set up, the
other modules do one kind of job each. Pictures and sound go through the media engine's child processes first, so that
the server gets formats and sizes that it takes.
"""
