"""Studio: what people make here: prompts that are checked, recipes, presets, snippets, and the queue of what they ask for.

It owns `prompt_blocks`, `studio_restrictions`, `studio_presets` and `snippet_sets`. Running the work is orchestration's;
the studio turns what a person chose into a workflow, and says of everything it changed that it did.
"""
