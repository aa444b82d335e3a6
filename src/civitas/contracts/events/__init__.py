"""Facts between domains: one file per domain, frozen dataclasses, in the past tense."""
