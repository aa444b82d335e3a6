"""Safety scans of uploaded files: a sandboxed inspection of what a file is and imports, and ClamAV when configured.

Nothing is ever unpickled. A scan that fails, ends early or cannot look inside is an error, never a pass. The modules
under `inspection` run only in the sandbox process and treat every byte as hostile.
"""
