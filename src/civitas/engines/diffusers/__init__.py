"""Pictures with Hugging Face diffusers: checkpoints in, files with their recipe written into them out.

`engine.DiffusersEngine.generate` is the door; `requests` has the words. torch and diffusers are an optional extra
(`pip install 'civitas[generate]'`) and are imported when the first picture is asked for: importing `requests`, `errors`,
`samplers` or `prompts` costs nothing. Nothing is fetched at run time: configurations and tokenizers are in `configs`.
"""
